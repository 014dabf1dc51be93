"""Ranges that touch share no frame and lose none, however fragments, B-frames and estimated times lie."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from media.fragment_index import FragmentEntry
from media.moof import Sample
from media.sample_table import SampleTable, SampleTableBuilder
from playback.slices import Slice, cut, cut_frame, cut_table
from storage.model import Segment
from tests.builders_rows import segment_row

START_US = 1_000_000_000


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Segment, SampleTable, list[FragmentEntry]]:
    """A segment of up to five fragments; inside a fragment frames are decoded in any order after the first.

    A fragment may begin before the last frame of the one before it, and its wall time may have been estimated.
    """
    table = SampleTableBuilder()
    fragments: list[FragmentEntry] = []
    times: set[int] = set()
    media_ticks = first_ticks = draw(st.integers(0, 1 << 40))
    wall_us = START_US
    for number in range(draw(st.integers(1, 5))):
        steps = draw(st.lists(st.integers(1, 9000), min_size=1, max_size=6))
        decode = [media_ticks, *(media_ticks + end for end in accumulate(steps))]
        shown = [decode[0], *draw(st.permutations(decode[1:-1]))]
        assume(times.isdisjoint(shown))
        times.update(shown)
        sync = number == 0 or (draw(st.booleans()) and min(shown) >= max(times - set(shown)))
        table.add(
            media_ticks,
            [
                Sample(draw(st.integers(1, 1000)), step, time - start, sync and start == media_ticks)
                for step, time, start in zip(steps, shown, decode, strict=False)
            ],
        )
        duration_us = sum(steps) * 100 // 9 + draw(st.integers(-3000, 3000))
        fragments.append(
            FragmentEntry(
                offset=0,
                length=0,
                data_offset=0,
                media_ticks=media_ticks,
                duration_ticks=sum(steps),
                wall_us=wall_us,
                end_wall_us=wall_us + max(1, duration_us),
                samples=len(steps),
                sync_samples=int(sync),
                starts_with_sync=sync,
                lost_packets=0,
            )
        )
        back_ticks = draw(st.sampled_from([0, 0, 0, 7000, -7000]))
        media_ticks = max(media_ticks + 1, decode[-1] - back_ticks)
        wall_us = fragments[-1].end_wall_us - back_ticks * 100 // 9
    samples = table.table()
    last = fragments[-1]
    segment = segment_row(
        START_US,
        last.end_wall_us,
        media_ticks=first_ticks,
        duration_ticks=last.media_ticks + last.duration_ticks - first_ticks,
        samples=len(samples.sizes),
        sync_samples=len(samples.sync),
    )
    return segment, samples, fragments


def shown_times(part: Slice, table: SampleTable) -> list[int]:
    """Presentation times of the frames that a slice shows, from what a file made of it would say."""
    own = SampleTable.decode(cut_table(table.encode(), part.first, part.stop))
    times = np.sort(own.presentation_ticks + part.first_ticks)
    inside = (times >= part.shown_ticks) & (times < part.shown_end_ticks)
    assert inside.sum() == part.shown
    return [int(time) for time in times[inside]]


@settings(max_examples=200)
@given(recordings(), st.lists(st.integers(-1000, 600_000), max_size=6))
def test_ranges_that_touch_partition_the_frames(
    recording: tuple[Segment, SampleTable, list[FragmentEntry]], cuts: list[int]
) -> None:
    """Every frame is shown once, by the range that holds its presentation time; slices begin at sync samples."""
    segment, table, fragments = recording
    found: list[int] = []
    for from_us, to_us in pairwise([0, *sorted(START_US + offset_us for offset_us in cuts), START_US * 2]):
        part = cut(segment, table, fragments, from_us, to_us)
        if part is None:
            continue
        assert part.first in table.sync
        assert from_us <= part.shown_us < to_us
        assert part.shown_us < part.shown_end_us
        found += shown_times(part, table)
    assert found == sorted(int(time) + segment.media_ticks for time in table.presentation_ticks)


@settings(max_examples=200)
@given(recordings(), st.integers(0, 600_000))
def test_the_frame_at_an_instant_is_the_last_of_the_range_up_to_it(
    recording: tuple[Segment, SampleTable, list[FragmentEntry]], offset_us: int
) -> None:
    """One picture, and the one that a video ending there would end with."""
    segment, table, fragments = recording
    frame = cut_frame(segment, table, fragments, START_US + offset_us)
    video = cut(segment, table, fragments, START_US, START_US + offset_us + 1)
    assert frame is not None
    assert video is not None
    assert frame.shown == 1
    assert shown_times(frame, table) == shown_times(video, table)[-1:]
