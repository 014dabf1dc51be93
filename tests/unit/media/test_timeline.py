"""Timestamps that wrap, jump and drift, and the wall clock they are tied to."""

from __future__ import annotations

import itertools
import random

import pytest

from media.host_anchor import SLEW_PPM, HostAnchor
from media.timeline import PLACED_BY_ARRIVAL, RATE_CORRECTED, StreamTimeline

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


def test_where_a_timestamp_near_the_present_lies_is_known() -> None:
    """That of a report, over the wrap as well; not one of another time, nor while the clock stands still."""
    timeline = StreamTimeline(90_000)
    assert timeline.wall_of(0) is None
    first = (1 << 32) - 2 * FRAME_TICKS
    for n in range(50):
        timeline.place((first + n * FRAME_TICKS) & 0xFFFFFFFF, START_US + n * FRAME_US)
    for n in (0, 1, 40, 60):
        assert timeline.wall_of((first + n * FRAME_TICKS) & 0xFFFFFFFF) == START_US + n * FRAME_US
    for far in (first - 30 * 90_000, first + 30 * 90_000, first + (1 << 31)):
        assert timeline.wall_of(far & 0xFFFFFFFF) is None
    timeline.place((first + 49 * FRAME_TICKS) & 0xFFFFFFFF, START_US + 50 * FRAME_US)
    assert timeline.wall_of(first) is None


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


def test_frames_of_a_clock_that_stands_still_are_placed_by_their_arrival() -> None:
    """Each after the one before, flagged; and when the clock goes on where it stood, that is one jump."""
    timeline = StreamTimeline(90_000)
    _feed(timeline, 50)
    timeline.settle(0)
    still = [timeline.place(49 * FRAME_TICKS, START_US + n * FRAME_US) for n in range(50, 300)]
    assert still == [n * FRAME_TICKS for n in range(50, 300)]
    assert timeline.quality == PLACED_BY_ARRIVAL
    assert timeline.jumps == 0
    after = [timeline.place(n * FRAME_TICKS - 250 * FRAME_TICKS, START_US + n * FRAME_US) for n in range(300, 310)]
    assert after == [n * FRAME_TICKS for n in range(300, 310)]
    assert timeline.jumps == 1
    assert timeline.quality == 0


def test_a_clock_that_stood_still_and_knows_the_time_again_is_believed() -> None:
    """The timestamps were frozen, the clock behind them was not: nothing jumps."""
    timeline = StreamTimeline(90_000)
    _feed(timeline, 50)
    for n in range(50, 300):
        timeline.place(49 * FRAME_TICKS, START_US + n * FRAME_US)
    assert _feed(timeline, 10, first=300) == [n * FRAME_TICKS for n in range(300, 310)]
    assert timeline.jumps == 0


def test_frames_that_stand_still_and_come_at_once_are_kept_apart() -> None:
    """One read of the socket may bring several; none of them lasts no time at all."""
    timeline = StreamTimeline(90_000)
    assert [timeline.place(7, START_US) for _ in range(3)] == [0, 1, 2]


def test_slices_that_come_as_units_of_their_own_do_not_make_the_clock_run_fast() -> None:
    """A camera that marks each slice sends the same timestamp twice; the next picture is where its own says."""
    timeline = StreamTimeline(90_000)
    for n in range(250):
        at_us = START_US + n * FRAME_US
        assert timeline.place(n * FRAME_TICKS, at_us) == n * FRAME_TICKS
        assert n * FRAME_TICKS < timeline.place(n * FRAME_TICKS, at_us + 5_000) < (n + 1) * FRAME_TICKS
    assert timeline.jumps == 0


@pytest.mark.parametrize(("fps", "back_us"), [(25, 2_000_000), (12, 2_000_000), (5, 2_000_000), (25, 700_000)])
def test_a_clock_that_goes_back_is_no_reordering(fps: int, back_us: int) -> None:
    """B-frames are overtaken by a few, and go on soon; frames are not shown among those of two seconds before."""
    timeline = StreamTimeline(90_000)
    frame_us, frame_ticks = 1_000_000 // fps, 90_000 // fps
    placed = []
    for n in range(20 * fps):
        back_ticks = 0 if n < 10 * fps else back_us * 9 // 100
        placed.append(timeline.place(n * frame_ticks - back_ticks & 0xFFFFFFFF, START_US + n * frame_us))
    assert timeline.jumps == 1
    assert placed == sorted(placed)
    assert max(after - before for before, after in itertools.pairwise(placed)) <= frame_ticks + 90


@pytest.mark.parametrize("fps", [2, 5, 25])
def test_b_frames_of_any_rate_are_no_jump(fps: int) -> None:
    """Three of them, as a pyramid, at 2 frames a second: over a second back, and yet nothing but an order."""
    timeline = StreamTimeline(90_000)
    order = [0]
    for anchor in range(4, 200, 4):
        order += [anchor, anchor - 2, anchor - 3, anchor - 1]
    placed = [timeline.place(n * 90_000 // fps, START_US + (i + 3) * 1_000_000 // fps) for i, n in enumerate(order)]
    assert placed == [n * 90_000 // fps for n in order]
    assert timeline.jumps == 0


@pytest.mark.parametrize("ppm", [200, -200, 4_000, -4_000, 20_000, -20_000, 60_000, -60_000])
def test_a_wrong_rate_is_followed_without_a_jump(ppm: int) -> None:
    """Half an hour, with jitter: no new span; once the rate is known, the time is right."""
    timeline = StreamTimeline(90_000)
    rng = random.Random(2)
    errors = []
    for n in range(1800 * 25):
        taken_us = n * FRAME_US
        ticks = taken_us * 9 // 100
        pts = timeline.place(ticks + ticks * ppm // 1_000_000, START_US + taken_us + rng.randrange(20_000))
        if n % 25 == 24:
            errors.append(abs(timeline.settle(pts) - (START_US + taken_us)))
    assert timeline.jumps == 0
    assert max(errors) < (480_000 if abs(ppm) < 50_000 else 1_500_000)
    assert max(errors[-600:]) < (50_000 if abs(ppm) < 50_000 else 150_000)
    assert timeline.quality == (RATE_CORRECTED if abs(ppm) > 1_000 else 0)


@pytest.mark.parametrize("ppm", [20_000, -20_000])
def test_a_clock_that_is_well_again_is_soon_on_time(ppm: int) -> None:
    """After half a minute at a wrong rate: within 100 ms some 20 s later."""
    timeline = StreamTimeline(90_000)
    rng = random.Random(4)
    ticks = 0
    for n in range(120 * 25):
        ticks += 3600 + (3600 * ppm // 1_000_000 if 10 * 25 <= n < 40 * 25 else 0)
        pts = timeline.place(ticks, START_US + n * FRAME_US + rng.randrange(5_000))
        if n % 25 == 24:
            error_us = abs(timeline.settle(pts) - (START_US + n * FRAME_US))
            assert error_us < (450_000 if n < 60 * 25 else 100_000)
    assert timeline.jumps == 0


def test_jumps_among_b_frames_do_not_mix_them() -> None:
    """What is shown after a jump is shown after all that came before it, whichever frame it hits."""
    for hit in range(4):
        timeline = StreamTimeline(90_000)
        order = [0]
        for anchor in range(4, 200, 4):
            order += [anchor, anchor - 2, anchor - 3, anchor - 1]
        placed = []
        for i, n in enumerate(order):
            jump = 270_000 if i >= 101 + hit else 0
            placed.append(timeline.place(n * 3600 + jump, START_US + (i + 3) * FRAME_US))
            if i % 25 == 24:
                timeline.settle(max(placed))
        assert timeline.jumps == 1
        assert min(placed[101 + hit :]) > max(placed[: 101 + hit])
        assert len(set(placed)) == len(placed)


def test_a_congested_line_is_no_wrong_rate() -> None:
    """Half a minute in which everything comes up to 300 ms late moves the time by hardly more, and not for long."""
    timeline = StreamTimeline(90_000)
    for n in range(120 * 25):
        late_us = min(max(0, n - 1000), 750, max(0, 2500 - n)) * 400
        pts = timeline.place(n * FRAME_TICKS, START_US + n * FRAME_US + late_us)
        if n % 25 == 24:
            assert abs(timeline.settle(pts) - (START_US + n * FRAME_US)) < 330_000
    assert timeline.jumps == 0
    assert abs(timeline.wall_us(pts) - (START_US + n * FRAME_US)) < 120_000


def test_frames_that_keep_coming_late_are_lagging_and_those_that_catch_up_are_not() -> None:
    """A line that carries a tenth of the stream; and a host that stood still for 15 s."""
    trickle = StreamTimeline(90_000)
    for n in range(100):
        trickle.place(n * FRAME_TICKS, START_US + n * FRAME_US * 10)
    assert trickle.lagging
    assert trickle.jumps == 0
    held = StreamTimeline(90_000)
    _feed(held, 25)
    for n in range(25, 400):
        held.place(n * FRAME_TICKS, START_US + max(n * FRAME_US, 16_000_000 + n * 1000))
        assert not held.lagging
    assert held.jumps == 0


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


def test_b_frames_that_were_held_back_at_the_beginning_do_not_make_time_run_ahead() -> None:
    """A session begins while the host stands still for 2 s: what waited comes at once, and seems to be early.

    To place each of these frames by its arrival, after all that was shown, would set the next one further ahead.
    """
    timeline = StreamTimeline(90_000)
    shown = [0, *(first + step for first in range(0, 600, 3) for step in (3, 1, 2))]
    for sent, frame in enumerate(shown):
        arrival_us = 1_000_000_000_000 + max(sent * 1_000_000 // 15, 2_000_000)
        ticks = timeline.place(frame * 6000, arrival_us)
        if sent and sent % 13 == 0:
            timeline.settle(ticks)
    ahead_us = timeline.wall_us(ticks) - arrival_us
    assert abs(ahead_us) < 500_000
    assert timeline.jumps < 20
