"""The verdict for people and programs: figures with units, a page that needs nothing else and escapes everything."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason
from simulator import CameraOptions
from storm.examination import CameraReport, count
from storm.facts import UNKNOWN, FaultWindow, Interval, Violation
from storm.figures import figures
from storm.page import to_html
from storm.page_plots import WIDTH, again_plot, cameras_plot
from storm.page_style import family
from storm.plan import StormPlan
from storm.result import Result
from storm.rules_loss import allowance_us, declared_us
from storm.verdict import case_of, judge
from tests.builders_storm import FIRST, KILLS, alter, at, evidence, fault, spoil, undisturbed, without

if TYPE_CHECKING:
    from storm.facts import CameraEvidence

HOSTILE = "<script>alert(1)</script>&\"'"


def report(camera: CameraEvidence, name: str = "gate") -> CameraReport:
    """What remains of a camera."""
    case = case_of(camera, KILLS)
    return CameraReport(
        camera=CameraOptions(name=name, site="yard"),
        violations=judge(case),
        counts=count(case),
        spans=camera.spans,
        gaps=camera.gaps,
        damaged=[(at(5), at(6))],
        faults=camera.faults,
        outages=case.outages,
        declared_us=declared_us(camera),
        allowance_us=allowance_us(case),
    )


def result(name: str = "gate") -> Result:
    """A clean storm over one camera, with a kill and a fault."""
    camera = replace(evidence(), faults=[fault("loss", 5, 6), fault("cut", 20.1)])
    reports = [report(camera, name)]
    plan = StormPlan(data=Path(), cameras=[], fleet={}, product_config={}, seed=7)
    return Result(
        from_us=at(1),
        to_us=at(39),
        began_us=at(1),
        reports=reports,
        strikes=KILLS,
        violations=[*reports[0].violations],
        figures=figures(plan, reports, KILLS, at(1), at(39)),
    )


def test_every_frame_sent_is_accounted_for() -> None:
    """Retrieved, lost in a gap, lost without one, or spoiled and missing: together they are what was sent."""
    found = result().figures
    assert found["frames_sent"] == sum(
        found[name]
        for name in ("frames_retrieved", "frames_lost_declared", "frames_lost_undeclared", "frames_spoiled_and_missing")
    )
    assert (found["frames_lost_declared"], found["frames_lost_undeclared"], found["frames_duplicated"]) == (25, 0, 0)
    assert found["gaps_total_s"] == 4
    assert found["gaps_allowed_s"] == 6
    assert found["gaps_of_allowance_percent"] == 66.7
    assert found["recording_again_worst_s"] == 2.9, "counted from the cut, which was the last of it"
    assert found["kills"] == {"record": 1, "serve": 1}
    assert (found["faults"]["kill"]["times"], found["faults"]["kill"]["cameras"]) == (2, 1), "`serve` stops no camera"
    assert found["faults"]["loss"] == {
        "times": 1,
        "cameras": 1,
        "outages": 0,
        "recording_again_median_s": None,
        "recording_again_worst_s": None,
    }


def test_the_verdict_is_printed_and_written() -> None:
    """One line for each figure and each violation; the JSON has the cameras as well."""
    found = result()
    assert str(found).endswith("PASSED")
    found.violations = [Violation(rule="once_in_order", camera="gate", detail="twice")] * 60
    assert str(found).splitlines()[-2:] == ["... and 20 more", "FAILED: 60 violations"]
    document = json.loads(found.to_json())
    assert document["passed"] is False
    assert len(document["violations"]) == 60
    assert document["cameras"][0]["outages"][0]["kind"] == "cut"


def test_frames_that_were_spoiled_are_counted_once_each() -> None:
    """One comes back altered, one without its number, one not at all; none is both missing and altered."""
    camera = undisturbed()
    for number in (FIRST + 100, FIRST + 200, FIRST + 300):
        camera = spoil(camera, number)
    camera = alter(camera, FIRST + 100, lost_packets=1, crc32=9)
    camera = alter(camera, FIRST + 200, lost_packets=1, crc32=9, frame=UNKNOWN)
    found = count(case_of(without(camera, FIRST + 300, lost_packets=1), ()))
    assert (found.spoiled, found.spoiled_missing, found.altered, found.unmarked) == (3, 2, 1, 1)


def test_a_host_that_is_too_small_gets_a_hint_once() -> None:
    """In the text and on the page."""
    found = result()
    assert "hint" not in str(found)
    found.violations = [Violation(rule="recording_resumes", camera="gate", detail="late")] * 3
    assert str(found).count("too small") == 1
    assert to_html(found).count("too small") == 1


def test_the_legend_has_room_for_its_words() -> None:
    """Nine units a letter are more than any font of this size takes; nothing overlaps, nothing leaves the picture."""
    texts = [each for each in ET.fromstring(cameras_plot(result())).iter() if each.tag.endswith("text")]
    legend = sorted((int(each.get("y", "0")), float(each.get("x", "0")), len(each.text or "")) for each in texts[:9])
    following = [*legend[1:], (0, 0.0, 0)]
    for (line, x, letters), (next_line, next_x, _) in zip(legend, following, strict=True):
        assert x + 9 * letters <= (next_x - 14 if next_line == line else WIDTH)


class Tags(HTMLParser):
    """The tags of a page, and what it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.seen.append(tag)
        self.references += [value or "" for name, value in attrs if name in {"src", "href", "style", "onclick"}]


def test_the_page_needs_nothing_else_and_escapes_everything() -> None:
    """No script, nothing loaded; a camera's name and a violation are text and nothing else."""
    found = result(HOSTILE)
    found.violations = [Violation(rule=HOSTILE, camera=HOSTILE, detail=HOSTILE)]
    found.reports = [
        replace(found.reports[0], faults=[FaultWindow(HOSTILE, at(5), at(6))], gaps=[Interval(at(19), at(23), HOSTILE)])
    ]
    found.strikes = [KILLS[0]._replace(role=HOSTILE), KILLS[0]._replace(kind="pause", end_us=at(22), role=HOSTILE)]
    tags = Tags()
    tags.feed(to_html(found))
    assert "script" not in tags.seen
    assert tags.references == []
    assert "url(" not in to_html(found)
    assert to_html(found).count("&lt;script&gt;") >= 6


@pytest.mark.parametrize("drawn", ["cameras", "again"])
def test_the_plots_are_pictures_with_axes(drawn: str) -> None:
    """Well-formed SVG, with the unit at the axis."""
    found = result()
    text = cameras_plot(found) if drawn == "cameras" else again_plot(found.reports)
    texts = [element.text or "" for element in ET.fromstring(text).iter() if element.tag.endswith("text")]
    assert any("seconds" in each for each in texts)


def test_a_camera_without_anything_is_drawn_too() -> None:
    """One whose evidence could not be read has a row without bars."""
    bare = Result(
        from_us=at(0),
        to_us=at(10),
        began_us=at(0),
        reports=[CameraReport(camera=CameraOptions(name="gate"), violations=[])],
    )
    assert "gate" in to_html(bare)


def test_every_reason_of_a_gap_has_a_colour() -> None:
    """A reason that is new must not look like nonsense by chance."""
    families = {reason.value: family(reason.value) for reason in GapReason}
    assert {reason for reason, name in families.items() if name == "nonsense"} == {"protocol", "flood"}
