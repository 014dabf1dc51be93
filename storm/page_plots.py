"""The two plots of the verdict's page, as SVG: every camera over time, and how soon it was recorded again.

Pure: values in, text out. Everything that came from outside is escaped.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from storm.facts import SECOND_US, Interval
from storm.figures import interrupted
from storm.page_style import FAMILY_WORDS, family

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from storm.examination import CameraReport
    from storm.facts import Strike
    from storm.result import Result

WIDTH, LABEL, RIGHT = 1200, 190, 12
ROW, BAR, TOP = 18, 8, 80
LEGEND_COLUMNS = 4
STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
MOST_TICKS = 14
BOUNDS_S = (0.5, 1, 2, 3, 5, 8, 13, 20, 60, 340)


class TimeScale:
    """Microseconds UTC to places on the page; seconds count from the start of the script."""

    def __init__(self, from_us: int, to_us: int, zero_us: int) -> None:
        self.from_us, self.to_us, self.zero_us = from_us, max(to_us, from_us + 1), zero_us

    def x(self, instant_us: int) -> float:
        """Where an instant is; at the edge if it lies outside."""
        inside_us = min(max(instant_us, self.from_us), self.to_us)
        width = WIDTH - LABEL - RIGHT
        return round(LABEL + (inside_us - self.from_us) * width / (self.to_us - self.from_us), 2)

    def ticks(self) -> Iterator[tuple[float, int]]:
        """Place and seconds of the lines of the grid."""
        long_s = (self.to_us - self.from_us) / SECOND_US
        step = next((step for step in STEPS_S if long_s / step <= MOST_TICKS), STEPS_S[-1])
        first = -((self.zero_us - self.from_us) // (step * SECOND_US)) * step
        for seconds in range(first, int((self.to_us - self.zero_us) // SECOND_US) + 1, step):
            if self.zero_us + seconds * SECOND_US >= self.from_us:
                yield self.x(self.zero_us + seconds * SECOND_US), seconds


def cameras_plot(result: Result) -> str:
    """One row for each camera: footage, gaps by reason, damage and faults, with the kills across all of them."""
    scale = TimeScale(result.from_us, result.to_us, result.began_us)
    height = TOP + ROW * len(result.reports) + 34
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Every camera over time">',
        *_legend(),
        *_grid(scale, height),
    ]
    for row, report in enumerate(result.reports):
        parts += _row(report, scale, TOP + row * ROW)
    parts += [mark for strike in result.strikes for mark in _strike(strike, scale, height)]
    return "\n".join([*parts, "</svg>"])


def _legend() -> Iterator[str]:
    words = {"span": "recorded", "damage": "packets missing", "fault": "fault of the camera", **FAMILY_WORDS}
    for index, (name, text) in enumerate(words.items()):
        line, column = divmod(index, LEGEND_COLUMNS)
        x, y = 4 + column * WIDTH // LEGEND_COLUMNS, 13 + 18 * line
        yield f'<rect class="{name}" x="{x}" y="{y - 9}" width="10" height="10"/>'
        yield f'<text x="{x + 14}" y="{y}">{escape(text)}</text>'
    says = "dashed: a process of the recorder is killed; shaded: one is stopped"
    yield f'<text class="quiet" x="4" y="{13 + 18 * -(-len(words) // LEGEND_COLUMNS)}">{says}</text>'


def _grid(scale: TimeScale, height: int) -> Iterator[str]:
    bottom = height - 30
    for x, seconds in scale.ticks():
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 4}" y2="{bottom}"/>'
        yield f'<text class="quiet middle" x="{x}" y="{bottom + 12}">{seconds}</text>'
    yield f'<line class="axis" x1="{LABEL}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    middle = (LABEL + WIDTH) // 2
    yield f'<text class="middle" x="{middle}" y="{bottom + 26}">seconds since the script began</text>'


def _row(report: CameraReport, scale: TimeScale, y: int) -> Iterator[str]:
    yield f'<text class="end" x="{LABEL - 6}" y="{y + 9}">{escape(report.camera.name)}</text>'
    for span in report.spans:
        yield _bar("span", scale, span, y, what="recorded")
    for start_us, end_us in report.damaged:
        yield _bar("damage", scale, Interval(start_us, end_us), y, what="packets are missing")
    for gap in report.gaps:
        yield _bar(family(gap.reason), scale, gap, y, what=f"gap: {gap.reason}")
    for fault in report.faults:
        while_it_lasts = Interval(fault.start_us, fault.end_us)
        yield _bar("fault", scale, while_it_lasts, y + BAR + 1, what=f"fault: {fault.kind}", height=BAR // 2)


def _bar(name: str, scale: TimeScale, each: Interval, y: int, *, what: str, height: int = BAR) -> str:
    """Never thinner than an eye can see."""
    x = scale.x(each.start_us)
    width = max(1.5, round(scale.x(each.end_us) - x, 2))
    long_s, since_s = (each.end_us - each.start_us) / SECOND_US, (each.start_us - scale.zero_us) / SECOND_US
    title = f"<title>{escape(what)}, {long_s:.2f} s from {since_s:.2f} s on</title>"
    return f'<rect class="{name}" x="{x}" y="{y}" width="{width}" height="{height}">{title}</rect>'


def _strike(strike: Strike, scale: TimeScale, height: int) -> Iterator[str]:
    x, bottom = scale.x(strike.at_us), height - 30
    title = f"<title>{escape(strike.kind)} {escape(strike.role)}</title>"
    if strike.kind == "kill":
        yield f'<line class="kill" x1="{x}" x2="{x}" y1="{TOP - 12}" y2="{bottom}">{title}</line>'
    else:
        width = max(1.5, round(scale.x(strike.end_us) - x, 2))
        tall = bottom - TOP + 12
        yield f'<rect class="pause" x="{x}" y="{TOP - 12}" width="{width}" height="{tall}">{title}</rect>'
    yield f'<text class="quiet middle" x="{x}" y="{TOP - 14}">{escape(strike.role)}</text>'


def again_plot(reports: Sequence[CameraReport]) -> str:
    """A histogram of the times to record again."""
    times_s = [outage.again_us / SECOND_US for report in reports for outage in interrupted(report)]
    edges = [0.0, *BOUNDS_S]
    counts = [sum(low <= time < high for time in times_s) for low, high in zip(edges, BOUNDS_S, strict=False)]
    counts.append(sum(time >= BOUNDS_S[-1] for time in times_s))
    names = [*(f"{low:g}-{high:g}" for low, high in zip(edges, BOUNDS_S, strict=False)), f"over {BOUNDS_S[-1]:g}"]
    most, wide, tall = max([*counts, 1]), (WIDTH - 80) / len(counts), 200
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {tall + 60}" role="img" aria-label="How soon cameras were recorded again">',
        '<text x="4" y="12">outages</text>',
        f'<text class="quiet end" x="54" y="28">{most}</text>',
        f'<text class="quiet end" x="54" y="{tall + 20}">0</text>',
        f'<line class="axis" x1="60" x2="{WIDTH - 20}" y1="{tall + 20}" y2="{tall + 20}"/>',
    ]
    for place, (name, count) in enumerate(zip(names, counts, strict=True)):
        x, high = 60 + place * wide, round(tall * count / most - 4, 2) if count else 0
        middle = round(x + wide / 2, 2)
        parts += [
            f'<rect class="bar" x="{x + 4:.2f}" y="{tall + 20 - high}" width="{wide - 8:.2f}" height="{high}"/>',
            f'<text class="middle" x="{middle}" y="{tall + 14 - high}">{count or ""}</text>',
            f'<text class="quiet middle" x="{middle}" y="{tall + 34}">{name}</text>',
        ]
    parts.append(
        f'<text class="middle" x="{WIDTH // 2}" y="{tall + 52}">seconds from the end of the cause</text></svg>'
    )
    return "\n".join(parts)
