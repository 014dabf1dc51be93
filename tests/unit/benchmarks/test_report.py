"""What benchmarks publish: figures with all their samples, one plot, and a page nobody types figures into."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import readme
from benchmarks.plot import Panel, Series, draw
from benchmarks.report import Column, Report, markdown
from benchmarks.spread import Spread, percentile

SVG = "{http://www.w3.org/2000/svg}"


def report() -> Report:
    """A report with everything in it."""
    found = Report("pace", asks="How fast?", method=["By counting."])
    table = found.table("Runners", Column("way"), Column("speed", "km/h", 1), Column("rounds"))
    table.add("walking", Spread.of([5.0, 4.0, 6.5]), 3)
    table.add("flying", None, 0)
    found.budget("walking", Spread.of([5.0, 4.0, 6.5]), unit="km/h", at_most=4.5)
    found.budget("running", Spread.of([10.0]), unit="km/h", at_most=12)
    found.note("Flying could not be measured.")
    found.plot("Walking is slow.", lines())
    return found


def lines() -> Panel:
    """A panel with a line."""
    series = [Series("walking", [Spread.of([1, 2, 3]), None]), Series("running", [Spread.of([4]), Spread.of([5])])]
    return Panel(along="cameras", at=[10, 220], quantity="CPU per camera", unit="% of a core", series=series)


def texts(svg: str) -> list[str]:
    """All text of a well-formed SVG document."""
    return ["".join(each.itertext()).strip() for each in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_spread_is_shown_by_its_extremes_and_its_median() -> None:
    """The order of the samples is kept, the three shown are in order of size."""
    spread = Spread.of([3.0, 1.0, 2.0, 10.0])
    assert (spread.lowest, spread.median, spread.highest) == (1.0, 2.5, 10.0)
    assert spread.text(1) == "1.0 / 2.5 / 10.0"
    assert Spread.from_json(json.loads(json.dumps(spread.to_json()))) == spread


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_no_figure_without_samples(samples: list[float]) -> None:
    """Nothing measured, or a division by nothing, is not a figure."""
    with pytest.raises(ValueError, match="not the samples"):
        Spread.of(samples)


def test_ratios_are_taken_round_by_round() -> None:
    """What was measured in the same round is compared in that round: a slow round slows both."""
    ratio = Spread.of([2.0, 20.0, 6.0]).ratio_to(Spread.of([1.0, 10.0, 2.0]))
    assert ratio.samples == (2.0, 2.0, 3.0)


def test_ratios_of_different_rounds_are_bounded_crosswise() -> None:
    """Nothing ties the samples together, so the extremes are the worst that they allow."""
    ratio = Spread.of([2.0, 4.0]).ratio_to(Spread.of([1.0, 2.0, 3.0]))
    assert ratio.samples == (2.0 / 3.0, 1.5, 4.0)


def test_percentiles_are_samples() -> None:
    """The nearest rank, never something in between."""
    ordered = [float(each) for each in range(1, 201)]
    assert (percentile(ordered, 50), percentile(ordered, 99), percentile(ordered, 100)) == (100, 198, 200)
    assert percentile([7.0], 1) == 7


def test_the_file_holds_every_sample_and_says_how_they_came_about(tmp_path: Path) -> None:
    """Machine, commit, date, method; a table comes back from it as it was printed."""
    found = report()
    found.publish(tmp_path)
    value = json.loads((tmp_path / "pace.json").read_text())
    assert value["tables"][0]["rows"][0][1]["samples"] == [5.0, 4.0, 6.5]
    assert value["method"] == ["By counting."]
    assert value["machine"]["cores"] > 0
    assert {"commit", "date", "took_s", "load_before", "quick"} <= value.keys()
    assert found.tables[0].markdown() in markdown(value)
    assert "| walking | 4.0 / 5.0 / 6.5 | 3 |" in markdown(value)
    assert "| flying | - | 0 |" in markdown(value)


def test_a_missed_budget_is_said(tmp_path: Path) -> None:
    """By the median, and in words."""
    report().publish(tmp_path)
    value = json.loads((tmp_path / "pace.json").read_text())
    assert [each["met"] for each in value["budgets"]] == [False, True]
    assert "| walking | 4.00 / 5.00 / 6.50 km/h | at most 4.5 km/h: **not met** |" in markdown(value)
    assert "| running | 10.00 km/h | at most 12 km/h |" in markdown(value)


def test_a_report_without_a_plot_is_refused(tmp_path: Path) -> None:
    """A question that draws nothing is found out before its figures are kept."""
    found = Report("pace", asks="How fast?", method=[])
    with pytest.raises(ValueError, match="no plot"):
        found.publish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_row_has_a_cell_for_each_column() -> None:
    """A cell too few would shift figures under other names."""
    table = Report("pace", asks="", method=[]).table("Runners", Column("way"), Column("speed"))
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        table.add("walking")


def test_a_plot_of_lines_names_quantities_units_series_and_what_to_see() -> None:
    """All of it as text, which can be read, searched and translated."""
    svg = draw([lines()], title="Walking costs less than running.", salt="pace")
    assert {"cameras", "CPU per camera, % of a core", "walking", "running"} <= set(texts(svg))
    assert "Walking costs less than running." in texts(svg)


def test_a_plot_of_bars_names_its_categories_and_its_budget() -> None:
    """Names stand at their bars, the budget in the legend."""
    figures = [Spread.of([1.0, 3.0]), Spread.of([2.0])]
    panel = Panel(
        along="way", at=["copy", "link"], quantity="time", unit="ms", series=[Series("put", figures)], budget=2.5
    )
    found = texts(draw([panel], title="Links are quick.", salt="x"))
    assert {"copy", "link", "way", "time, ms", "budget"} <= set(found)


def test_the_same_figures_make_the_same_picture() -> None:
    """No date, no random names: a picture changes in version control only when its figures do."""
    assert draw([lines()], title="Same.", salt="a") == draw([lines()], title="Same.", salt="a")


def test_a_series_has_a_figure_for_each_place() -> None:
    """Or None where nothing was measured."""
    with pytest.raises(ValueError, match="2 figures for 1 places"):
        Panel(along="a", at=[1], quantity="b", unit="", series=[Series("c", [None, None])])


def test_the_page_shows_the_figures_of_the_files(tmp_path: Path) -> None:
    """Rewriting fills the marked sections, leaves prose alone, and changes nothing the second time."""
    report().publish(tmp_path)
    page = tmp_path / "README.md"
    page.write_text(
        "# Costs\n\n<!-- figures: pace -->\nold\n<!-- end -->\n\nProse.\n\n<!-- figures: gait -->\n<!-- end -->\n"
    )
    assert readme.rewrite(page, tmp_path)
    text = page.read_text()
    assert "![Walking is slow.](results/pace.svg)" in text
    assert "| walking | 4.0 / 5.0 / 6.5 | 3 |" in text
    assert "old" not in text
    assert "\n\nProse.\n\n" in text
    assert "<!-- figures: gait -->\n\nNot measured yet.\n\n<!-- end -->" in text
    assert not readme.rewrite(page, tmp_path)


def test_the_page_in_the_tree_is_up_to_date() -> None:
    """Its tables are those of the result files, to the letter."""
    text = readme.README.read_text(encoding="utf-8")
    assert readme.filled(text, readme.RESULTS) == text
