"""The verdict on a storm in which the spool's disk was full: what that explains, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from media.commit import ZERO_CHAIN, Commit, link
from media.identity import SegmentIdentity
from media.moof import TRACK_ID
from simulator.options import CameraOptions
from storm.examination import CameraReport
from storm.facts import CameraEvidence, Interval, Strike
from storm.footage import chain_complaints, covers
from storm.rules_whole import lowest_class_goes_first
from tests.builders_storm import FPS, at, rules_broken, undisturbed

ZERO = UUID(int=0)
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


def chain_of(segments: int) -> list[Commit]:
    """A run of segments of two fragments, a second each."""
    commits: list[Commit] = []
    for number in range(2 * segments):
        commit = Commit(
            identity=SegmentIdentity(camera=ZERO, stream=ZERO, epoch=1, run=7, sequence=number // 2),
            span=0,
            fragment=number % 2,
            track=TRACK_ID,
            offset=700,
            length=1000,
            header_bytes=100,
            init_sha256=bytes(32),
            sha256=bytes(32),
            previous=commits[-1].chain if commits else ZERO_CHAIN,
            chain=bytes(32),
            wall_us=at(number),
            end_wall_us=at(number + 1),
            media_ticks=number * 90_000,
            duration_ticks=90_000,
            samples=25,
            sync_samples=1,
            starts_with_sync=True,
            lost_packets=0,
            clock_quality=1,
        )
        commits.append(replace(commit, chain=link(commit)))
    return commits


@pytest.mark.parametrize(
    ("kept", "gaps", "complaints"),
    [
        ([0, 1, 2, 3, 4, 5], [], 0),
        ([0, 1, 4, 5], [], 1),
        ([0, 1, 4, 5], [(2, 4)], 0),
        ([0, 1, 4, 5], [(2, 3)], 1),
        ([0, 2, 3], [(1, 2)], 0),  # cut off where the disk was full
        ([0, 2, 3], [], 1),
        ([2, 3, 4, 5], [], 1),
        ([2, 3, 4, 5], [(0, 2)], 0),
        ([2, 3, 4, 5], [(0, 1)], 1),
    ],
)
def test_a_chain_has_holes_where_footage_was_given_up(
    kept: list[int], gaps: list[tuple[float, float]], complaints: int
) -> None:
    """And nowhere else."""
    chain = chain_of(3)
    given_up = [Interval(at(start), at(end), "spool_full") for start, end in gaps]
    assert len([*chain_complaints([chain[number] for number in kept], given_up)]) == complaints


def test_a_fragment_in_the_middle_of_a_segment_cannot_be_given_up() -> None:
    """Whole segments go, or the end of one that could not be written."""
    chain = chain_of(2)
    longer = [replace(each, fragment=number, identity=chain[0].identity) for number, each in enumerate(chain)]
    linked = [replace(each, chain=link(each)) for each in longer]
    hole = [Interval(at(1), at(3), "spool_full")]
    assert any("is not linked" in each for each in chain_complaints([linked[0], linked[3]], hole))


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
