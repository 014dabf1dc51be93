"""The verdict on a storm in which the spool's disk was full: what that explains, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.options import CameraOptions
from storm.examination import CameraReport
from storm.facts import CameraEvidence, Interval, Strike
from storm.footage import covers
from storm.rules_whole import lowest_class_goes_first
from tests.builders_storm import FPS, at, rules_broken, undisturbed

NO_KILLS: tuple[Strike, ...] = ()
FULL = (Interval(at(15), at(18)),)
OF_A_LOSS_WITHOUT_CAUSE = {"announced_is_retrieved", "loss_has_a_cause", "gaps_have_a_cause", "gaps_are_short"}


def given_up(*, first: int = 10, stop: int = 12, gap: Interval | None = None) -> CameraEvidence:
    """Nothing happened to the camera, but some seconds of it were called durable and did not come back."""
    camera = undisturbed()
    lost = Interval(at(first), at(stop), "spool_full")
    gone = [key for key in camera.fragments if first <= key.fragment < stop]
    return replace(
        camera,
        fragments={key: each for key, each in camera.fragments.items() if key not in gone},
        frames=[each for each in camera.frames if not lost.start_us <= each.wall_us < lost.end_us],
        spans=[Interval(at(0), (gap or lost).start_us), Interval((gap or lost).end_us, at(39))],
        gaps=[gap or lost],
    )


def test_what_a_full_disk_costs_is_no_violation() -> None:
    """It was recorded and called durable before the disk was full, and had to go then."""
    assert rules_broken(given_up(), NO_KILLS, full=FULL) == set()


@pytest.mark.parametrize("full", [(), (Interval(at(3), at(9)),)])
def test_a_gap_that_no_full_disk_explains(full: tuple[Interval, ...]) -> None:
    """The disk was never full, or no longer when this footage was recorded."""
    assert rules_broken(given_up(), NO_KILLS, full=full) == OF_A_LOSS_WITHOUT_CAUSE


def test_another_reason_is_not_explained() -> None:
    """A full disk is no excuse for a crash."""
    crash = Interval(at(10), at(12), "crash")
    assert rules_broken(given_up(gap=crash), NO_KILLS, full=FULL) == OF_A_LOSS_WITHOUT_CAUSE


def test_more_is_given_up_than_is_declared() -> None:
    """Two seconds are gone, one is in the gap."""
    short = Interval(at(10), at(11), "spool_full")
    broken = rules_broken(given_up(gap=short), NO_KILLS, full=FULL)
    assert {"loss_is_declared", "loss_has_a_cause", "announced_is_retrieved"} <= broken


def test_more_is_declared_than_is_given_up() -> None:
    """What is there lies in no gap."""
    long = Interval(at(10), at(14), "spool_full")
    assert "gaps_are_tight" in rules_broken(given_up(gap=long), NO_KILLS, full=FULL)


def test_intervals_together_cover_what_lies_between() -> None:
    """Each segment that was given up is declared for itself."""
    gaps = [Interval(at(12), at(14)), Interval(at(10), at(12))]
    assert covers(gaps, at(10), at(14))
    assert not covers(gaps, at(9), at(14))
    assert not covers(gaps, at(10), at(15))
    assert not covers([Interval(at(10), at(11)), *gaps[:1]], at(10), at(14))


def report(name: str, *, given_up_s: list[float], spans: list[tuple[float, float]]) -> CameraReport:
    """What rules about all cameras look at."""
    return CameraReport(
        camera=CameraOptions(name=name, fps=FPS),
        violations=[],
        spans=[Interval(at(start), at(end)) for start, end in spans],
        given_up_us=[at(each) for each in given_up_s],
    )


@pytest.mark.parametrize(
    ("spans", "full_s", "wrong"),
    [
        ([(0, 10), (29, 60)], 45, False),
        ([(0, 10), (20, 60)], 45, True),
        ([(0, 60)], 45, True),
        ([(0, 60)], 55, False),
    ],
    ids=["its-older-footage-is-gone", "some-older-is-left", "all-is-left", "the-store-was-back-before"],
)
def test_the_lowest_class_goes_first(spans: list[tuple[float, float]], full_s: float, *, wrong: bool) -> None:
    """A camera that matters gives up nothing while an older segment of a lesser one is in the spool."""
    reports = [
        report("gate", given_up_s=[22, 30], spans=[(0, 20), (30, 60)]),
        report("yard", given_up_s=[], spans=spans),
    ]
    away = [Strike(at(10), "store", "link-down", at(50))]
    full = [Interval(at(21), at(full_s))]
    for high, low in (("high", "low"), ("normal", "low"), ("high", "normal")):
        classes = {"gate": high, "yard": low}
        assert bool([*lowest_class_goes_first(reports, classes, away, full, 5)]) == wrong
    for classes in ({"gate": "low", "yard": "low"}, {"gate": "low", "yard": "high"}):
        assert [*lowest_class_goes_first(reports, classes, away, full, 5)] == []
