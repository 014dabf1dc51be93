"""Timestamps that wrap, jump and drift, and the wall clock they are tied to."""

from __future__ import annotations

import random

import pytest

from media.timeline import SLEW_PPM, HostAnchor, StreamTimeline

START_US = 1_800_000_000_000_000
FRAME_TICKS = 3600
FRAME_US = 40_000


def _feed(timeline: StreamTimeline, count: int, *, first: int = 0, late_us: int = 0) -> list[int]:
    """`count` frames of 25 fps from frame number `first`, each arriving `late_us` after its instant."""
    return [
        timeline.place((n * FRAME_TICKS) & 0xFFFFFFFF, START_US + n * FRAME_US + late_us)
        for n in range(first, first + count)
    ]


def test_a_wrap_of_the_rtp_clock_is_invisible() -> None:
    """The 32-bit timestamp wraps every 13 hours; ticks go on."""
    timeline = StreamTimeline(90_000)
    first = (1 << 32) - 2 * FRAME_TICKS
    placed = [timeline.place((first + n * FRAME_TICKS) & 0xFFFFFFFF, START_US + n * FRAME_US) for n in range(5)]
    assert placed == [n * FRAME_TICKS for n in range(5)]
    assert timeline.jumps == 0


def test_presentation_times_go_back_where_there_are_b_frames() -> None:
    """A unit shown before the one that was sent earlier is no jump."""
    timeline = StreamTimeline(90_000)
    order = [0, 3, 1, 2, 6, 4, 5]
    placed = [timeline.place(n * FRAME_TICKS, START_US + i * FRAME_US) for i, n in enumerate(order)]
    assert placed == [n * FRAME_TICKS for n in order]
    assert timeline.jumps == 0


@pytest.mark.parametrize("jump_ticks", [90_000 * 3600, -90_000 * 3600, 90_000, -90_000 * 3])
def test_a_jump_of_the_cameras_clock_costs_no_time(jump_ticks: int) -> None:
    """After a jump frames are placed by their arrival, and the jump is counted."""
    timeline = StreamTimeline(90_000)
    _feed(timeline, 50)
    timeline.settle(0)
    pts = [timeline.place((n * FRAME_TICKS + jump_ticks) & 0xFFFFFFFF, START_US + n * FRAME_US) for n in range(50, 60)]
    assert timeline.jumps == 1
    assert pts == [n * FRAME_TICKS for n in range(50, 60)]


def test_a_clock_that_stands_still_is_set_forward() -> None:
    """Later than any network holds a frame back, frames are placed by their arrival."""
    timeline = StreamTimeline(90_000)
    timeline.settle(timeline.place(7, START_US))
    for n in range(1, 1000):
        arrival_us = START_US + n * FRAME_US
        assert arrival_us - timeline.wall_us(timeline.place(7, arrival_us)) <= 10_000_000
    assert timeline.jumps == 3


def test_a_late_frame_is_no_jump() -> None:
    """The network may hold a frame back for seconds; its timestamp still tells when it was taken."""
    timeline = StreamTimeline(90_000)
    _feed(timeline, 50)
    assert timeline.place(50 * FRAME_TICKS, START_US + 50 * FRAME_US + 5_000_000) == 50 * FRAME_TICKS
    assert timeline.jumps == 0


def test_the_least_delayed_frame_sets_the_time() -> None:
    """Jitter only delays: of the first second's frames the earliest arrival decides."""
    timeline = StreamTimeline(90_000)
    rng = random.Random(1)
    for n in range(25):
        timeline.place(n * FRAME_TICKS, START_US + n * FRAME_US + (0 if n == 17 else rng.randrange(5_000, 80_000)))
    assert timeline.settle(0) == START_US


def test_times_once_written_are_continued_not_moved() -> None:
    """What is learnt later moves the mapping by at most 500 ppm of the time that went by."""
    timeline = StreamTimeline(90_000)
    _feed(timeline, 25, late_us=50_000)
    start = timeline.settle(0)
    assert start == START_US + 50_000
    _feed(timeline, 25, first=25)
    end = timeline.settle(50 * FRAME_TICKS)
    assert end - start == 2_000_000 - 2_000_000 * SLEW_PPM // 1_000_000


def test_a_camera_whose_crystal_is_off_stays_within_a_few_frames_of_the_truth() -> None:
    """4000 ppm for ten minutes: the error stays bounded and no jump is declared."""
    timeline = StreamTimeline(90_000)
    worst = 0
    for n in range(600 * 25):
        pts = timeline.place(n * FRAME_TICKS * 1004 // 1000, START_US + n * FRAME_US)
        if n % 25 == 24:
            worst = max(worst, abs(timeline.settle(pts) - (START_US + n * FRAME_US)))
    assert timeline.jumps == 0
    assert worst < 250_000


def test_a_new_session_does_not_start_before_the_old_one_ended() -> None:
    """Footage of one stream never overlaps itself because of jitter."""
    timeline = StreamTimeline(90_000, not_before_us=START_US + 10_000)
    _feed(timeline, 25)
    assert timeline.settle(0) == START_US + 10_000


def test_a_shift_moves_what_follows_by_the_step() -> None:
    """After the host's clock was stepped a new span lies in the new time."""
    timeline = StreamTimeline(90_000)
    _feed(timeline, 25)
    timeline.settle(0)
    timeline.shift(-3_600_000_000)
    assert timeline.settle(25 * FRAME_TICKS) == START_US + 1_000_000 - 3_600_000_000


def test_the_host_anchor_slews_small_errors_and_reports_steps() -> None:
    """Half a second is the border between drift and a step."""
    anchor = HostAnchor(boot_us=0, wall_us=START_US)
    assert anchor.observe(1_000_000, START_US + 1_000_000 + 400_000) == 0
    assert anchor.wall_us(1_000_000) == START_US + 1_000_000 + SLEW_PPM
    assert anchor.observe(2_000_000, START_US - 3_600_000_000) == pytest.approx(-3_602_000_000, abs=2_000)
    assert anchor.wall_us(2_000_000) == START_US - 3_600_000_000
