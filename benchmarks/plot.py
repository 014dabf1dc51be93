"""Plots as SVG: the same bytes for the same figures, text as text, legible in print, on light and on dark pages.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people with any kind of colour vision tell
apart; markers and hatching say the same once more. The background is opaque, so that a dark page changes nothing. The
median is the mark, a thin bar goes from the smallest to the largest sample.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter

from benchmarks.spread import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "--")
PANEL_INCHES = (5.0, 3.6)
BAR_INCHES = 0.32
TITLE_COLUMNS_PER_INCH = 12

FORMAT = FuncFormatter(lambda value, _: f"{value:g}")
"""0.01, 1, 100: powers as text would not be read aloud."""

STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
    "figure.facecolor": "#FFFFFF",
    "savefig.facecolor": "#FFFFFF",
    "text.color": "#1A1A1A",
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one bar per category. Where nothing was measured stands None."""

    label: str
    figures: Sequence[Spread | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Axes with a quantity and its unit on each: `x` over numbers is drawn as lines, over names as horizontal bars.

    `budget` is drawn as a dashed line; `logarithmic` is for figures that differ by orders of magnitude.
    """

    along: str
    at: Sequence[float | str]
    quantity: str
    unit: str
    series: Sequence[Series]
    budget: float | None = None
    logarithmic: bool = False

    def __post_init__(self) -> None:
        for each in self.series:
            if len(each.figures) != len(self.at):
                raise ValueError(f"series {each.label!r} has {len(each.figures)} figures for {len(self.at)} places")

    @property
    def bars(self) -> bool:
        """Whether it compares names."""
        return any(isinstance(place, str) for place in self.at)


def draw(panels: Sequence[Panel], *, title: str, salt: str) -> str:
    """An SVG document of these panels side by side. `salt` makes the names inside it stable."""
    heights = [_height_inches(panel) for panel in panels]
    width = PANEL_INCHES[0] * len(panels) + (2.0 if len(panels) == 1 else 0)
    lines = textwrap.wrap(title, round(width * TITLE_COLUMNS_PER_INCH))
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
        size = (width, max(heights) + 0.25 * len(lines))
        figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
        try:
            figure.suptitle("\n".join(lines), fontsize=11, x=0.01, ha="left")
            for panel, place in zip(panels, axes[0], strict=True):
                (_bars if panel.bars else _lines)(place, panel)
            _legend(figure, axes[0])
            target = io.StringIO()
            figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
        finally:
            plt.close(figure)
    # The drawing library leaves blanks at line ends, which tools that watch a repository complain about.
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _legend(figure: Figure, places: Sequence[Axes]) -> None:
    """One below all panels where they show the same, otherwise one in each; none for a single series."""
    labels = [place.get_legend_handles_labels() for place in places]
    if all(names == labels[0][1] for _, names in labels) and len(labels[0][1]) > 1:
        figure.legend(*labels[0], loc="outside lower center", ncols=len(labels[0][1]), fontsize=9)
        return
    for place, (handles, names) in zip(places, labels, strict=True):
        if len(names) > 1:
            place.legend(handles, names, fontsize=9)


def _height_inches(panel: Panel) -> float:
    return max(2.2, 1.2 + BAR_INCHES * len(panel.at) * len(panel.series)) if panel.bars else PANEL_INCHES[1]


def _lines(axes: Axes, panel: Panel) -> None:
    for order, each in enumerate(panel.series):
        points = [(at, figure) for at, figure in zip(panel.at, each.figures, strict=True) if figure is not None]
        figures = [figure for _, figure in points]
        axes.errorbar(
            [float(at) for at, _ in points],
            [figure.median for figure in figures],
            yerr=_whiskers(figures),
            label=each.label,
            color=COLOURS[order % len(COLOURS)],
            marker=MARKERS[order % len(MARKERS)],
            markersize=5,
            linewidth=1.6,
            capsize=3,
        )
    axes.set_xlabel(panel.along)
    axes.set_ylabel(_axis(panel))
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FORMAT)
    else:
        axes.set_ylim(bottom=0)
    if panel.budget is not None:
        axes.axhline(panel.budget, color="#555555", linestyle="--", linewidth=1.2, label="budget")


def _bars(axes: Axes, panel: Panel) -> None:
    thickness = 0.8 / len(panel.series)
    for order, each in enumerate(panel.series):
        shift = (order - (len(panel.series) - 1) / 2) * thickness
        there = [(index, figure) for index, figure in enumerate(each.figures) if figure is not None]
        figures = [figure for _, figure in there]
        axes.barh(
            [index + shift for index, _ in there],
            [figure.median for figure in figures],
            height=thickness * 0.9,
            xerr=_whiskers(figures),
            label=each.label,
            color=COLOURS[order % len(COLOURS)],
            hatch=HATCHES[order % len(HATCHES)],
            edgecolor="#FFFFFF",
            error_kw={"elinewidth": 1.2, "capsize": 3, "ecolor": "#1A1A1A"},
        )
    axes.set_yticks(range(len(panel.at)), [str(place) for place in panel.at])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_ylabel(panel.along)
    axes.set_xlabel(_axis(panel))
    if panel.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FORMAT)
    if panel.budget is not None:
        axes.axvline(panel.budget, color="#555555", linestyle="--", linewidth=1.2, label="budget")


def _axis(panel: Panel) -> str:
    return f"{panel.quantity}, {panel.unit}" if panel.unit else panel.quantity


def _whiskers(figures: Sequence[Spread]) -> Any:
    """How far the extremes are from the median, as the drawing library wants it."""
    below = [figure.median - figure.lowest for figure in figures]
    return [below, [figure.highest - figure.median for figure in figures]]
