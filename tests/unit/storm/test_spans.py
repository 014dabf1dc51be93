"""What a timeline calls recorded is there: evidence that a camera's log of sent frames alone does not contradict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storm.examination import count
from storm.facts import CameraEvidence, Fragment, FragmentId, Interval, Seen, Strike
from storm.footage import repetitions
from storm.verdict import case_of
from tests.builders_storm import (
    CRC,
    FIRST,
    FRAME,
    SECOND,
    alter,
    at,
    ends_of,
    evidence,
    fault,
    rules_broken,
    seen,
    spoil,
    undisturbed,
    without,
)

NO_KILLS: tuple[Strike, ...] = ()


def without_power() -> CameraEvidence:
    """Power is gone from 20 s to 23 s: the camera sends nothing, so that no frame of it can be lost."""
    return replace(evidence(durable=20, reason="stalled"), faults=[fault("off", 20, 22)])


def test_a_span_stretched_over_an_outage() -> None:
    """No frame is missing, and yet the timeline says that three seconds were recorded that were not."""
    assert rules_broken(without_power(), NO_KILLS) == set()
    hidden = replace(without_power(), gaps=[], spans=[Interval(at(0), at(39))])
    assert rules_broken(hidden, NO_KILLS) == {"spans_are_footage"}


@pytest.mark.parametrize("edge", [(20.5, 23), (20, 22.5)])
def test_a_gap_half_a_second_too_short(edge: tuple[float, float]) -> None:
    """A span ends with its last frame and begins with its first."""
    gap = Interval(at(edge[0]), at(edge[1]), "stalled")
    spans = [Interval(at(0), gap.start_us), Interval(gap.end_us, at(39))]
    assert rules_broken(replace(without_power(), gaps=[gap], spans=spans), NO_KILLS) == {"spans_are_footage"}


def test_a_camera_that_is_silent_for_a_moment_is_recorded_on() -> None:
    """Two seconds within a session are a frame shown for long; four are a gap."""
    for silent_s, broken in ((2, set()), (4, {"spans_are_footage"})):
        camera = undisturbed()
        sent = [each for each in camera.sent if not at(10) <= each.sent_us < at(10 + silent_s)]
        camera = without(camera, *({each.frame for each in camera.sent} - {each.frame for each in sent}))
        camera = replace(camera, sent=sent, faults=[fault("stall", 10, 10 + silent_s)])
        camera = replace(camera, fragments={key: each for key, each in camera.fragments.items() if each.frames})
        camera = replace(camera, announced=ends_of(camera.fragments))
        assert rules_broken(camera, NO_KILLS) == broken


def test_a_short_gap_does_not_hide_a_long_hole_of_a_camera_whose_clock_stands_still() -> None:
    """Its tolerance of ten seconds is for where frames lie, not for how many are missing."""
    camera = replace(evidence(), faults=[fault("timestamp-freeze", 15, 22)])
    assert rules_broken(camera) == set()
    short = replace(
        camera,
        gaps=[Interval(at(22.9), at(23), "crash")],
        spans=[Interval(at(0), at(22.9)), Interval(at(23), at(39))],
    )
    assert rules_broken(short) == {"spans_are_complete", "spans_are_footage"}


def test_a_gop_lost_after_recording_could_begin() -> None:
    """The first whole sync sample ends an outage, however far away the next one is."""
    camera = replace(evidence(), gop_us=8 * SECOND)
    late = without(camera, *range(FIRST + 575, FIRST + 650))
    late = replace(
        late,
        fragments={key: each for key, each in late.fragments.items() if each.frames},
        announced={key: end_us for key, end_us in camera.announced.items() if late.fragments[key].frames},
        gaps=[Interval(at(19), at(26), "no_sync")],
        spans=[Interval(at(0), at(19)), Interval(at(26), at(39))],
    )
    assert rules_broken(late) == {"loss_has_a_cause"}


def test_frames_without_a_mark_are_not_more_than_were_spoiled() -> None:
    """Damage in a fragment is no excuse for the same half picture three times."""
    camera = alter(spoil(undisturbed(), FIRST + 500), FIRST + 500, lost_packets=1, frame=-1, crc32=8, intact=False)
    assert rules_broken(camera, NO_KILLS) == set()
    place = next(index for index, one in enumerate(camera.frames) if one.frame == -1)
    frames = [*camera.frames[:place], *3 * [camera.frames[place]], *camera.frames[place + 1 :]]
    fragments = {
        key: each._replace(frames=tuple(one for one in each.frames for _ in range(3 if one.frame == -1 else 1)))
        for key, each in camera.fragments.items()
    }
    assert rules_broken(replace(camera, frames=frames, fragments=fragments), NO_KILLS) == {"once_in_order"}


def test_the_exact_file_is_exact_at_its_edges() -> None:
    """One frame too few at the beginning, one too many at the end."""
    camera = replace(undisturbed(), from_us=at(0.99), to_us=at(38.99))
    assert rules_broken(camera, NO_KILLS) == set()
    assert rules_broken(replace(camera, frames=camera.frames[1:]), NO_KILLS) == {"video_is_the_segments"}
    beyond = next(each for each in camera.sent if each.sent_us == at(39))
    assert rules_broken(replace(camera, frames=[*camera.frames, seen(beyond)]), NO_KILLS) == {"video_is_the_segments"}


def test_a_clock_that_is_going_to_lie_excuses_nothing_before() -> None:
    """Frames shown elsewhere in the file, half a minute before the camera's clock stands still."""
    camera = replace(undisturbed(), faults=[fault("timestamp-freeze", 33, 36)])
    off = [one._replace(wall_us=one.wall_us + 150_000) if one.frame < FIRST + 100 else one for one in camera.frames]
    assert rules_broken(replace(camera, frames=off), NO_KILLS) == {"video_keeps_time"}


@pytest.mark.parametrize("numbers", [(1, 2, 2, 3), (1, 3, 2)])
def test_frames_of_a_fragment_are_once_and_in_order(numbers: tuple[int, ...]) -> None:
    """Outside of the range, too, where no video is asked for."""
    frames = tuple(Seen(number, number * FRAME, CRC, intact=True) for number in numbers)
    fragments = {FragmentId(1, 1, 0, 0): Fragment(frames, 0, SECOND, verified=True)}
    assert [*repetitions(fragments)] == ["the frames of fragment 0000000000000001.1.0.0 are repeated or out of order"]


def test_the_figures_add_up_at_the_edge_of_the_range() -> None:
    """A frame that was sent to two sessions, once before the range and once in it, is one frame or none."""
    camera = evidence()
    late = [each._replace(session=9, sent_us=each.sent_us + 2 * SECOND) for each in camera.sent[:100]]
    found = count(case_of(replace(camera, sent=[*camera.sent, *late]), NO_KILLS))
    parts = found.retrieved + found.lost_declared + found.lost_undeclared + found.spoiled_missing
    assert found.sent == parts
    assert found.sent > 0
