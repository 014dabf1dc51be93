"""Segments and spans when clocks step, jump, crawl or stand still, and when frames are rare."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from ingest.segmenter import Segmenter
from media.timeline import StreamTimeline
from tests.builders_segmenter import (
    FRAME_TICKS,
    FRAME_US,
    LARGE,
    SMALL,
    START_US,
    Files,
    feed,
    segmenter_into,
    unit_of,
)

if TYPE_CHECKING:
    pass


def test_a_step_of_the_wall_clock_starts_a_new_span_at_the_next_sync_sample() -> None:
    """No frame is lost to it, and the frames before the sync sample stay in the old time."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(30))
    step_us = -3_600_000_000
    segmenter.clock_stepped(step_us)
    for number in range(30, 75):
        segmenter.add(unit_of(number, sync=number % 25 == 0), START_US + number * FRAME_US + step_us)
    segmenter.end_span()
    assert [commit.span for commit in files.commits] == [0, 0, 1]
    assert files.commits[1].wall_us == START_US + 1_000_000
    assert files.commits[2].wall_us == START_US + 2_000_000 + step_us
    assert sum(commit.samples for commit in files.commits) == 75


def test_a_jump_of_the_cameras_clock_starts_a_new_span_without_loss() -> None:
    """All frames are kept, and the time goes on."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(30))
    for number in range(30, 75):
        unit = unit_of(number, sync=number % 25 == 0, ticks=number * FRAME_TICKS + 123_456_789)
        segmenter.add(unit, START_US + number * FRAME_US)
    end_us = segmenter.end_span()
    assert {commit.span for commit in files.commits} == {0, 1}
    assert sum(commit.samples for commit in files.commits) == 75
    assert end_us == START_US + 3_000_000


def test_a_clock_set_back_while_the_camera_was_away_does_not_hold_its_footage_in_the_old_time() -> None:
    """Several attempts later, too: where the footage ended was told in a time that is no more."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(50))
    segmenter.end_span()
    segmenter.clock_stepped(-3_600_000_000)
    for _ in range(3):
        segmenter.start_session(segment_us=60_000_000)
    again_us = START_US - 3_500_000_000
    for number in range(250):
        unit = unit_of(number, sync=number % 25 == 0, parameters=SMALL if number == 0 else None)
        segmenter.add(unit, again_us + number * FRAME_US)
    assert segmenter.end_span() == again_us + 10_000_000
    assert {commit.span for commit in files.commits} == {0, 1}


def test_a_clock_that_stands_still_costs_neither_memory_nor_time() -> None:
    """Every frame has the same timestamp: all are kept, in fragments, and their time follows the arrival."""
    files = Files()
    segmenter = segmenter_into(files)
    frames, largest = 25 * 60, 0
    for number in range(frames):
        parameters = SMALL if number == 0 else None
        unit = unit_of(number, sync=number % 25 == 0, parameters=parameters, size=20_000, ticks=90_000)
        segmenter.add(unit, START_US + number * FRAME_US)
        segmenter.close_overdue(START_US + number * FRAME_US)
        largest = max(largest, segmenter._bytes)
    end_us = segmenter.end_span()
    assert sum(commit.samples for commit in files.commits) == frames
    assert largest < 2 << 20
    assert abs(end_us - (START_US + frames * FRAME_US)) < 11_000_000
    assert not any(found.faults or found.torn for found in files.scans())


def test_a_flood_that_goes_nowhere_in_time_is_cut() -> None:
    """Between two looks of the clock, too: by size, and by number."""
    files = Files()
    segmenter = segmenter_into(files)
    for number in range(25_000):
        parameters = SMALL if number == 0 else None
        unit = unit_of(
            number, sync=number == 0, parameters=parameters, size=4 if number < 24_000 else 20_000, ticks=90_000
        )
        segmenter.add(unit, START_US)
    segmenter.end_span()
    assert max(commit.samples for commit in files.commits) <= 10_000
    assert max(commit.length for commit in files.commits) < 10 << 20
    assert sum(commit.samples for commit in files.commits) == 25_000


def test_a_slow_camera_is_durable_in_time() -> None:
    """One frame each 5 s: each is closed by the clock, not by the frame after it."""
    files = Files()
    segmenter = segmenter_into(files)
    for second in (0, 5, 10):
        parameters = SMALL if second == 0 else None
        arrival_us = START_US + second * 1_000_000
        segmenter.add(unit_of(second, sync=True, parameters=parameters, ticks=second * 90_000), arrival_us)
        segmenter.close_overdue(arrival_us + 1_000_000)
        assert len(files.commits) == second // 5
        segmenter.close_overdue(arrival_us + 1_400_000)
        assert len(files.commits) == second // 5 + 1
    segmenter.end_span()
    assert [commit.wall_us - START_US for commit in files.commits] == [0, 5_000_000, 10_000_000]


def _feed_slowly(segmenter: Segmenter, frames: int, *, sync: bool) -> None:
    """A frame each 2 s, all of them sync samples or only the first, and a clock that looks four times a second."""
    arrival_us = START_US
    for number in range(frames):
        parameters = SMALL if number == 0 else None
        segmenter.add(
            unit_of(number, sync=sync or number == 0, parameters=parameters, ticks=number * 180_000), arrival_us
        )
        for _ in range(8):
            arrival_us += 250_000
            segmenter.close_overdue(arrival_us)


def test_no_time_lies_between_the_segments_of_a_slow_camera() -> None:
    """Its fragments are closed before the next frame tells how long the last one was shown; the seal knows."""
    files = Files()
    segmenter = segmenter_into(files)
    _feed_slowly(segmenter, 30, sync=True)
    segmenter.end_span()
    scans = files.scans()
    assert len(scans) > 4
    assert files.ends[:-1] == [scan.fragments[0].commit.wall_us for scan in scans[1:]]


def test_a_slow_camera_without_sync_samples_fills_no_endless_segment() -> None:
    """The catalog refuses what is over 10 minutes, so the cut comes in time for the longest silence as well."""
    files = Files()
    segmenter = segmenter_into(files)
    _feed_slowly(segmenter, 400, sync=False)
    segmenter.end_span()
    (only,) = files.scans()
    assert 560_000_000 < files.ends[0] - only.fragments[0].commit.wall_us < 600_000_000


def test_a_segment_of_ten_minutes_is_never_over_ten_minutes() -> None:
    """The longest that can be configured: the sync sample that ends it comes before the bound, and nothing is lost."""
    files = Files()
    segmenter = segmenter_into(files, segment_us=600_000_000)
    for number in range(4 * 700):  # 4 frames a second, a GOP of 8 s
        unit = unit_of(number, sync=number % 32 == 0, parameters=SMALL if number == 0 else None, ticks=number * 22_500)
        assert segmenter.add(unit, START_US + number * 250_000)
    segmenter.end_span()
    for end_us, found in zip(files.ends, files.scans(), strict=True):
        assert end_us - found.fragments[0].commit.wall_us <= 600_000_000


def test_a_short_fragment_after_a_long_hole_does_not_end_before_it_begins() -> None:
    """The disk took nothing for ten minutes, and the camera's clock ran fast meanwhile: the catalog has room for it."""
    files = Files()
    segmenter = segmenter_into(files)
    feed(segmenter, range(60))
    segmenter.abandon()
    hole_us, fast_us = 600_000_000, 360_000
    for number, parameters in enumerate((None, LARGE, None)):
        ticks = (60 + number) * FRAME_TICKS + hole_us * 9 // 100
        unit = unit_of(number, sync=True, parameters=parameters, ticks=ticks)
        segmenter.add(unit, START_US + (60 + number) * FRAME_US + hole_us - fast_us)
    segmenter.end_span()
    lengths_us = [commit.end_wall_us - commit.wall_us for commit in files.commits]
    assert min(lengths_us) >= FRAME_US // 2
    assert all(after.wall_us >= before.end_wall_us for before, after in pairwise(files.commits))


def test_no_error_makes_a_cameras_time_run_backwards() -> None:
    """20 s early is followed at a bounded rate: a quarter of it each second would be five seconds back for each."""
    timeline = StreamTimeline(90_000)
    timeline.place(0, START_US)
    timeline.settle(0)
    timeline._set_rate(-20_000_000, 1_000_000)
    steps = [timeline.place(number * 90_000, START_US + number * 1_000_000) for number in (1, 2)]
    assert steps == [45_000, 90_000]


def test_frames_that_waited_for_the_host_at_the_start_of_a_session_lie_where_they_were_taken() -> None:
    """A process that was held for 1.8 s reads them in one go: the first ones looked as if they had just been taken."""
    files = Files()
    segmenter = segmenter_into(files)
    held_us = 1_800_000
    for number in range(100):
        arrival_us = START_US + max(held_us + number, number * FRAME_US)
        segmenter.add(unit_of(number, sync=number % 50 == 0, parameters=SMALL if number == 0 else None), arrival_us)
    segmenter.end_span()
    assert files.commits[0].wall_us == START_US
    assert files.commits[-1].end_wall_us == START_US + 100 * FRAME_US
    assert max(commit.samples for commit in files.commits) <= 60, "not much longer than the burst"


@pytest.mark.parametrize("begin_s", range(10))
def test_a_host_that_stood_still_for_seconds_as_a_session_began_finds_no_jump_in_what_waited(begin_s: int) -> None:
    """A storm stopped the process for 5 s just then. What waited is no jump, nor told by the time of its first segment.

    Which is cut wherever the recorder's ten seconds end.
    """
    files, begin_us = Files(), START_US + begin_s * 1_000_000
    segmenter = segmenter_into(files)
    for number in range(250):
        arrival_us = begin_us + max(5_000_000 + number * 2000, number * FRAME_US)
        segmenter.close_overdue(arrival_us)
        segmenter.add(unit_of(number, sync=number % 50 == 0, parameters=SMALL if number == 0 else None), arrival_us)
    segmenter.end_span()
    assert files.commits[0].wall_us == begin_us
    assert files.commits[-1].end_wall_us == begin_us + 250 * FRAME_US
    assert {commit.span for commit in files.commits} == {0}


def test_a_host_that_catches_up_bit_by_bit_writes_nothing_before_it_has() -> None:
    """Six frames of each camera at a time: the first of each six waited longer than the last of those before."""
    files = Files()
    segmenter = segmenter_into(files)
    began_us = START_US + 1_200_000
    for number in range(100):
        turns_us = (number // 6) * 110_000
        arrival_us = max(began_us + turns_us + number % 6, START_US + number * FRAME_US)
        segmenter.close_overdue(arrival_us)
        segmenter.add(unit_of(number, sync=number % 50 == 0, parameters=SMALL if number == 0 else None), arrival_us)
    segmenter.end_span()
    assert files.commits[0].wall_us == START_US
    assert files.commits[-1].end_wall_us == START_US + 100 * FRAME_US
    assert len({commit.span for commit in files.commits}) == 1
