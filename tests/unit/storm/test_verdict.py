"""The storm's verdict: clean evidence passes, and each way to break a promise is called by its rule's name.

The evidence is built here: a camera sends 25 frames a second; `record` is killed at 20 s, having lost what was not yet
durable, and the camera sends to a new session from 23 s on.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from storm.facts import FragmentId, Interval
from storm.verdict import case_of, judge
from tests.builders_storm import (
    FIRST,
    KILLS,
    at,
    evidence,
    fault,
    moved,
    rules_broken,
    verdict,
    without,
)


def test_a_clean_storm_breaks_nothing() -> None:
    """A kill that costs 1 s of received frames and 3 s of downtime is within the promise."""
    assert verdict(evidence()) == []


@pytest.mark.parametrize("nothing", ["sent", "announced", "frames", "fragments", "spans"])
def test_an_empty_proof_is_no_proof(nothing: str) -> None:
    """Missing evidence of any kind fails the run instead of passing it."""
    kind = type(getattr(evidence(), nothing))
    assert "not_empty" in rules_broken(replace(evidence(), **{nothing: kind()}))


def test_an_announced_fragment_that_does_not_come_back() -> None:
    """A ⊆ R is checked by fragment identity."""
    camera = evidence()
    camera = replace(camera, announced={**camera.announced, FragmentId(1, 1, 0, 19): at(20)})
    (violation,) = verdict(camera)
    assert violation.rule == "announced_is_retrieved"
    assert "0000000000000001.1.0.19" in str(violation)


def test_a_fragment_with_a_wrong_hash() -> None:
    """Coming back with other bytes is not coming back."""
    camera = evidence()
    key = FragmentId(1, 1, 0, 3)
    broken = {**camera.fragments, key: camera.fragments[key]._replace(verified=False)}
    assert rules_broken(replace(camera, fragments=broken)) == {"announced_is_retrieved"}


def test_a_repeated_frame() -> None:
    """Exactly once."""
    camera = evidence()
    frames = [*camera.frames[:50], camera.frames[49], *camera.frames[50:]]
    assert rules_broken(replace(camera, frames=frames)) == {"once_in_order", "video_is_the_segments"}


def test_two_frames_that_changed_places() -> None:
    """In order."""
    camera = evidence()
    frames = list(camera.frames)
    frames[50], frames[51] = frames[51], frames[50]
    assert rules_broken(replace(camera, frames=frames)) == {"once_in_order"}


@pytest.mark.parametrize("damage", [{"intact": False}, {"crc32": 8}, {"frame": 100_000}])
def test_a_frame_with_other_bytes(damage: dict[str, int]) -> None:
    """The CRC in the frame, the CRC in the camera's log and the frame number must all fit."""
    camera = evidence()
    frames = [*camera.frames[:-1], camera.frames[-1]._replace(**damage)]
    assert "bytes_are_identical" in rules_broken(replace(camera, frames=frames))


def test_a_suppressed_gap_row() -> None:
    """Seeded bug 1: the loss is not declared, and the timeline has a hole."""
    assert rules_broken(replace(evidence(), gaps=[])) == {
        "loss_is_declared",
        "spans_are_complete",
        "timeline_is_whole",
    }


def test_a_frame_lost_inside_a_span() -> None:
    """So near to a gap it would hide behind the tolerance; that no gap lies between its neighbours does not."""
    camera = evidence()
    camera = without(evidence(), FIRST + 473)  # one more frame of the span comes after it, then the gap
    assert rules_broken(camera) == {"spans_are_complete"}


def test_a_gap_declared_five_seconds_too_long() -> None:
    """Seeded bug 4: it covers frames that are there, overlaps a span and exceeds the budget."""
    camera = replace(evidence(), gaps=[Interval(at(14), at(23), "crash")])
    assert {"gaps_are_tight", "gaps_are_short", "timeline_is_whole"} <= rules_broken(camera)


def test_a_gap_that_hides_a_second_of_footage() -> None:
    """Within the budget, with spans cut to fit, it is still caught by the frames that it covers."""
    camera = replace(
        evidence(),
        gaps=[Interval(at(19), at(23.5), "crash")],
        spans=[Interval(at(0), at(19)), Interval(at(23.5), at(39))],
    )
    assert rules_broken(camera) == {"gaps_are_tight"}


def test_more_lost_than_two_seconds_before_the_kill() -> None:
    """Frames received 5 s before a kill had to be durable, even if a gap admits that they are not."""
    assert rules_broken(evidence(durable=15)) == {"loss_has_a_cause", "gaps_are_short"}


def test_frames_lost_when_nothing_that_records_was_killed() -> None:
    """Killing `serve` costs nothing."""
    camera = evidence()
    serve_only = tuple(kill for kill in KILLS if kill.role == "serve")
    assert rules_broken(camera, serve_only) == {"loss_has_a_cause", "gaps_have_a_cause", "gaps_are_short"}


def test_recording_that_resumes_late() -> None:
    """5 s plus one GOP after the kill, the camera has to be sending to a new session."""
    assert rules_broken(evidence(again=30)) == {"recording_resumes"}


def test_a_violation_counts_from_the_beginning_of_the_storm() -> None:
    """As the console and the plot do."""
    said = [each.detail for each in judge(case_of(evidence(again=30), KILLS, began_us=at(1)))]
    assert any("s after kill record at 19.0 s; due after" in detail for detail in said)
    gone = replace(evidence(again=45), faults=[fault("off", 20, 22)])
    assert "never recorded again after off until 21.0 s" in [
        each.detail for each in judge(case_of(gone, (), began_us=at(1)))
    ]


def test_an_instant_that_is_neither_span_nor_gap() -> None:
    """I4 holds even where the camera sent nothing."""
    assert rules_broken(replace(evidence(), gaps=[Interval(at(19), at(22.9), "crash")])) == {"timeline_is_whole"}


def test_a_missing_object() -> None:
    """A segment that the timeline calls missing is a loss of what was durable."""
    assert rules_broken(replace(evidence(), missing=[Interval(at(3), at(4))])) == {"timeline_is_whole"}


def test_a_segment_that_the_video_leaves_out() -> None:
    """`video.mp4` and the segments have to agree about the frames."""
    camera = evidence()
    hidden = [seen for seen in camera.frames if not 250 <= seen.frame - FIRST < 275]
    assert "video_is_the_segments" in rules_broken(replace(camera, frames=hidden))


def test_a_timeline_that_drifts() -> None:
    """A frame 150 ms from where the camera took it is in the wrong place, even if order and count are right."""
    camera = moved(evidence(), 150_000, first=FIRST + 50, stop=FIRST + 100)
    assert rules_broken(camera) == {"times_are_true"}


def test_a_video_that_shows_frames_elsewhere_than_the_timeline() -> None:
    """The segments are right, the file is not."""
    camera = evidence()
    off = [one._replace(wall_us=one.wall_us + 150_000) if one.frame < FIRST + 100 else one for one in camera.frames]
    assert rules_broken(replace(camera, frames=off)) == {"video_keeps_time"}


def test_a_late_camera_process_is_not_the_timelines_fault() -> None:
    """Frames that left the camera half a second late, all of a moment, still lie where they were taken."""
    camera = evidence()
    late = range(FIRST + 200, FIRST + 220)
    sent = [each._replace(sent_us=each.sent_us + 500_000) if each.frame in late else each for each in camera.sent]
    assert rules_broken(replace(camera, sent=sent)) == set()


def test_a_broken_chain() -> None:
    """What the chain's check found becomes a violation as it is."""
    assert rules_broken(replace(evidence(), complaints=["run 1: fragment 3 is not linked"])) == {"chain_verifies"}


def test_a_gap_without_a_reason() -> None:
    """It is declared, tight and where it should be, and says nothing."""
    assert rules_broken(evidence(reason="")) == {"gaps_have_a_cause"}
    assert rules_broken(evidence(reason="unknown")) == {"gaps_have_a_cause"}
