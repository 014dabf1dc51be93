"""The verdict as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from storm.api import instant_text
from storm.page_plots import again_plot, cameras_plot
from storm.page_style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from storm.result import Result

MOST_VIOLATIONS = 500
CAMERAS_SAY = (
    "What to see: every gap lies at a fault or a kill and ends soon after it, and where there was neither, there is "
    "footage. Point at anything to read what it is."
)
AGAIN_SAYS = (
    "What to see: how many outages were over how soon after what had caused them. After a kill most should be over "
    "within a few seconds, after a camera's fault within 13. Only refused logins take five minutes, as they should."
)


def to_html(result: Result) -> str:
    """The whole page."""
    word, style = ("passed", "passed") if result.passed else (f"{len(result.violations)} violations", "failed")
    began, ended = instant_text(result.from_us)[:19], instant_text(result.to_us)[:19]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Hulta storm</title>',
        f"<style>{STYLE}</style></head><body>",
        f'<h1>Hulta storm <span class="verdict {style}">{escape(word)}</span></h1>',
        f"<p>{len(result.reports)} cameras, {escape(began)} to {escape(ended)} UTC.</p>",
        *_violations(result),
        *_plot("Cameras over time", CAMERAS_SAY, cameras_plot(result)),
        *_plot("Recording again", AGAIN_SAYS, again_plot(result.reports)),
        "<h2>Figures</h2>",
        *_figures(result.figures),
        "<h2>Faults</h2>",
        *_faults(result.figures.get("faults", {})),
        "</body></html>",
    ]
    return "\n".join(parts)


def _plot(heading: str, says: str, plot: str) -> Iterator[str]:
    yield f"<h2>{escape(heading)}</h2><figure><figcaption>{escape(says)}</figcaption>"
    yield f"{plot}</figure>"


def _violations(result: Result) -> Iterator[str]:
    if not result.violations:
        return
    yield '<h2>Violations</h2><div class="scroll"><table><tr><th>rule</th><th>camera</th><th>what</th></tr>'
    for violation in result.violations[:MOST_VIOLATIONS]:
        rule, camera = escape(violation.rule), escape(violation.camera or "all")
        yield f'<tr><td>{rule}</td><td class="name">{camera}</td><td>{escape(violation.detail)}</td></tr>'
    yield "</table></div>"
    yield from (f"<p>{escape(hint)}</p>" for hint in result.hints)
    if len(result.violations) > MOST_VIOLATIONS:
        yield f"<p>and {len(result.violations) - MOST_VIOLATIONS} more</p>"


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    yield '<div class="scroll"><table><tr><th>figure</th><th class="number">value</th><th>unit</th></tr>'
    for name, value in figures.items():
        if name == "faults":
            continue
        shown = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value
        words, unit = _unit(name)
        yield f'<tr><td>{escape(words)}</td><td class="number">{_shown(shown)}</td><td>{escape(unit)}</td></tr>'
    yield "</table></div>"


def _unit(name: str) -> tuple[str, str]:
    """A figure's name in words, and its unit, which the name ends or begins with."""
    words = name.split("_")
    if words[-1] in {"s", "percent"}:
        return " ".join(words[:-1]), {"s": "seconds", "percent": "%"}[words[-1]]
    if words[0] in {"frames", "fragments"}:
        return " ".join(words), words[0]
    return " ".join(words), {"seed": "number"}.get(name, words[0])


def _faults(faults: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    heads = ("times", "cameras", "outages", "recording_again_median_s", "recording_again_worst_s")
    names = ("times", "cameras", "outages", "recording again, median (s)", "worst (s)")
    yield '<div class="scroll"><table><tr><th>kind</th>'
    yield "".join(f'<th class="number">{escape(name)}</th>' for name in names) + "</tr>"
    for kind, row in faults.items():
        cells = "".join(f'<td class="number">{_shown(row[head])}</td>' for head in heads)
        yield f"<tr><td>{escape(kind)}</td>{cells}</tr>"
    yield "</table></div>"


def _shown(value: object) -> str:
    return "-" if value is None or value == "" else escape(str(value))
