"""The storm's verdict: clean evidence passes, and each way to break a promise is called by its rule's name.

The evidence is built here: a camera sends 25 frames a second; `record` is killed at 20 s, having lost what was not yet
durable, and the camera sends to a new session from 23 s on.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.scenario.storm_facts import CameraEvidence, Fragment, FragmentId, Interval, Kill, Seen, Sent
from tests.scenario.verdict import judge, outages

SECOND = 1_000_000
START = 1_800_000_000 * SECOND
FRAME = 40_000
KILLS = (Kill(START + 20 * SECOND, "record"), Kill(START + 25 * SECOND, "serve"))


def at(seconds: float) -> int:
    """An instant of the storm."""
    return START + round(seconds * SECOND)


FIRST = START // FRAME
"""The number of the frame at START: cameras count from 1970."""


def sent_frames(*, until: float = 40, died: float = 20, again: float = 23) -> list[Sent]:
    """What the camera logs: 25 frames a second, but nobody is connected from `died` to `again`."""
    frames = []
    for number in range(round(until * 25)):
        sent_us = START + number * FRAME
        if sent_us < at(died):
            frames.append(Sent(FIRST + number, sent_us, 7, 1))
        elif sent_us >= at(again):
            frames.append(Sent(FIRST + number, sent_us, 7, 2))
    return frames


def evidence(*, durable: float = 19) -> CameraEvidence:
    """A clean storm: everything but [durable, 23 s) came back, and that is one declared gap."""
    sent = sent_frames()
    kept = [each for each in sent if not at(durable) <= each.sent_us < at(23)]
    fragments: dict[FragmentId, Fragment] = {}
    for second in range(40):
        frames = tuple(each.frame for each in kept if at(second) <= each.sent_us < at(second + 1))
        if frames:
            key = FragmentId(1 if second < 20 else 2, 1, 0, second)
            fragments[key] = Fragment(frames, frames[0] * FRAME, True)
    return CameraEvidence(
        name="cam-1",
        from_us=at(1),
        to_us=at(39),
        frame_us=FRAME,
        sent=sent,
        announced=frozenset(list(fragments)[:-2]),
        fragments=fragments,
        frames=[Seen(each.frame, each.sent_us, 7, True) for each in kept if at(1) <= each.sent_us < at(39)],
        spans=[Interval(at(0), at(durable)), Interval(at(23), at(39))],
        gaps=[Interval(at(durable), at(23), "crash")],
    )


def rules_broken(camera: CameraEvidence) -> set[str]:
    """The names of the rules that the evidence contradicts."""
    return {violation.rule for violation in judge(camera, KILLS, gop_us=SECOND)}


def test_a_clean_storm_breaks_nothing() -> None:
    """A kill that costs 1 s of received frames and 3 s of downtime is within the promise."""
    assert judge(evidence(), KILLS, gop_us=SECOND) == []


@pytest.mark.parametrize("nothing", ["sent", "announced", "frames", "fragments", "spans"])
def test_an_empty_proof_is_no_proof(nothing: str) -> None:
    """Missing evidence of any kind fails the run instead of passing it."""
    kind = type(getattr(evidence(), nothing))
    assert "not_empty" in rules_broken(replace(evidence(), **{nothing: kind()}))


def test_an_announced_fragment_that_does_not_come_back() -> None:
    """A ⊆ R is checked by fragment identity."""
    camera = evidence()
    camera = replace(camera, announced=camera.announced | {FragmentId(1, 1, 0, 19)})
    (violation,) = judge(camera, KILLS, gop_us=SECOND)
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
    assert rules_broken(replace(camera, frames=frames)) == {"once_in_order"}


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
    lost = {FIRST + 473}  # one more frame of the span comes after it, then the gap
    fragments = {
        key: each._replace(frames=tuple(frame for frame in each.frames if frame not in lost))
        for key, each in camera.fragments.items()
    }
    kept = [seen for seen in camera.frames if seen.frame not in lost]
    assert rules_broken(replace(camera, frames=kept, fragments=fragments)) == {"spans_are_complete"}


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
    serve_only = [kill for kill in KILLS if kill.role == "serve"]
    assert {violation.rule for violation in judge(camera, serve_only, gop_us=SECOND)} == {
        "loss_has_a_cause",
        "gaps_are_short",
    }


def test_recording_that_resumes_late() -> None:
    """5 s plus one GOP after the kill, the camera has to be sending to a new session."""
    sent = sent_frames(again=30)
    camera = evidence()
    kept = [seen for seen in camera.frames if seen.frame in {each.frame for each in sent}]
    camera = replace(
        camera,
        sent=sent,
        frames=kept,
        fragments={
            key: each
            for key, each in camera.fragments.items()
            if each.frames[0] < FIRST + 500 or each.frames[0] >= FIRST + 750
        },
        announced=frozenset(key for key in camera.announced if key.fragment < 20 or key.fragment >= 30),
        spans=[Interval(at(0), at(19)), Interval(at(30), at(39))],
        gaps=[Interval(at(19), at(30), "crash")],
    )
    assert rules_broken(camera) == {"recording_resumes"}


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
    camera = evidence()
    frames = [
        seen._replace(wall_us=seen.wall_us + 150_000) if seen.frame < FIRST + 100 else seen for seen in camera.frames
    ]
    assert rules_broken(replace(camera, frames=frames)) == {"times_are_true"}


def test_a_late_camera_process_is_not_the_timelines_fault() -> None:
    """Frames that left the camera half a second late, all of a moment, still lie where they were taken."""
    camera = evidence()
    late = range(FIRST + 200, FIRST + 220)
    sent = [each._replace(sent_us=each.sent_us + 500_000) if each.frame in late else each for each in camera.sent]
    assert rules_broken(replace(camera, sent=sent)) == set()


def test_a_broken_chain() -> None:
    """What the chain's check found becomes a violation as it is."""
    assert rules_broken(replace(evidence(), chain_breaks=["run 1: fragment 3 is not linked"])) == {"chain_verifies"}


def test_kills_during_an_outage_join_it() -> None:
    """A second kill before the camera is back prolongs the outage instead of adding a second allowance."""
    sent = sent_frames(again=24)
    kills = [Kill(at(20), "record"), Kill(at(22), "supervisor"), Kill(at(23), "ship")]
    (outage,) = outages(sent, kills, at(39))
    assert (outage.start_us, outage.end_us, outage.last_kill_us) == (at(20), at(24), at(22))


def test_separate_kills_are_separate_outages() -> None:
    """Each kill after a recovery opens an outage of its own, and the last may still be open."""
    found = outages(sent_frames(), [Kill(at(20), "record"), Kill(at(30), "supervisor")], at(39))
    assert [outage.recovered for outage in found] == [True, False]
    assert all(one.end_us <= two.start_us for one, two in pairwise(found))
