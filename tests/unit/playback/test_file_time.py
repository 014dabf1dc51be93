"""Where slices lie in the time of one file."""

from __future__ import annotations

from dataclasses import replace

from media.flat_mp4 import Edit
from playback.file_time import arrange
from playback.slices import Slice
from storage.model import Segment
from tests.builders_rows import segment_row

SECOND = 90_000
SECOND_US = 1_000_000


def segment(sequence: int, *, start_s: float, span: int = 0, seconds: int = 10) -> Segment:
    """Ten seconds at one frame a second."""
    start_us = int(start_s * SECOND_US)
    return segment_row(
        start_us,
        start_us + seconds * SECOND_US,
        sequence,
        span=span,
        media_ticks=0 if span else sequence * 10 * SECOND,
        samples=seconds,
    )


def shown(source: Segment, first: int = 0, stop: int = 10, *, hidden_head: int = 0, hidden_tail: int = 0) -> Slice:
    """The frames from second `first` to `stop`, with so many hidden ones around them."""
    begin = source.media_ticks + first * SECOND
    end = source.media_ticks + stop * SECOND
    return Slice(
        segment=source,
        first=first - hidden_head,
        stop=stop + hidden_tail,
        shown=stop - first,
        first_ticks=begin - hidden_head * SECOND,
        last_ticks=end + (hidden_tail - 1) * SECOND,
        end_ticks=end + hidden_tail * SECOND,
        shown_ticks=begin,
        shown_end_ticks=end,
        shown_us=source.start_us + first * SECOND_US,
        shown_end_us=source.start_us + stop * SECOND_US,
        hides_tail=hidden_tail > 0,
    )


def edit(start_s: float, end_s: float) -> Edit:
    """An edit in seconds."""
    return Edit(start_ticks=int(start_s * SECOND), end_ticks=int(end_s * SECOND))


def test_hidden_frames_at_both_ends_are_outside_of_the_one_edit() -> None:
    """The file begins at a sync sample and is shown from a later frame on."""
    found = arrange(
        [shown(segment(0, start_s=0), 4, hidden_head=4), shown(segment(1, start_s=10), 0, 7, hidden_tail=2)]
    )
    assert found.edits == (edit(4, 17),)
    assert found.last_durations == (SECOND, SECOND)
    assert found.media_ticks == 19 * SECOND


def test_inside_a_span_the_tracks_own_clock_counts() -> None:
    """A camera whose clock drifts: wall time says 10.5 s, the track 10 s."""
    found = arrange([shown(segment(0, start_s=0)), shown(segment(1, start_s=10.5))])
    assert found.edits == (edit(0, 20),)


def test_the_last_duration_of_a_segment_is_the_distance_to_the_next_one() -> None:
    """Whatever was estimated when its last fragment was written."""
    later = segment(1, start_s=10)
    later = replace(later, media_ticks=later.media_ticks + 77)
    found = arrange([shown(segment(0, start_s=0)), shown(later)])
    assert found.last_durations[0] == SECOND + 77


def test_a_gap_is_waited_for_and_the_file_follows_wall_time_again() -> None:
    """Also after drift: the second span starts where wall time says."""
    found = arrange([shown(segment(0, start_s=0)), shown(segment(5, start_s=60.5, span=1))])
    assert found.edits == (edit(0, 70.5),)
    assert found.last_durations == (int(51.5 * SECOND), SECOND)


def test_overlapping_spans_follow_each_other_at_once() -> None:
    """The clock was set back by 4 s."""
    found = arrange([shown(segment(0, start_s=0)), shown(segment(1, start_s=6, span=1))])
    assert found.edits == (edit(0, 20),)
    assert found.last_durations == (SECOND, SECOND)


def test_frames_hidden_in_the_middle_need_a_second_edit() -> None:
    """A range that begins inside an overlap hides frames of both spans."""
    first = shown(segment(0, start_s=0), 7, hidden_head=2)
    found = arrange([first, shown(segment(1, start_s=5, span=1), 2, hidden_head=2)])
    assert found.edits == (edit(2, 5), edit(7, 15))


def test_a_gap_longer_than_a_duration_can_say_is_as_long_as_it_can() -> None:
    """Half a day is 6.6 hours in the file; the durations of stts have 31 bits that all players read."""
    found = arrange([shown(segment(0, start_s=0)), shown(segment(5, start_s=43_200, span=1))])
    assert found.last_durations[0] == 0x7FFF_FFFF
    assert found.edits[0].end_ticks == 9 * SECOND + 0x7FFF_FFFF + 10 * SECOND
