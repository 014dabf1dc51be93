"""Where the slices of a range lie in the time of one file. Pure arithmetic.

Inside a span a file keeps the track's own clock, tick by tick. Where time is missing, the last frame before it stays
on screen until the next span begins, so that file time goes on following wall time; where spans overlap in wall time
(the clock was set back), the later one follows at once.

Frames that are decoded but not shown are hidden by the edit list. In a range without overlaps they can only be at its
two ends, so the list has one edit. Only an overlap needs more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from media.flat_mp4 import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playback.slices import Slice

_LONGEST_FRAME_TICKS = 0x7FFF_FFFF
"""What every player reads of a duration in `stts`: 6.6 hours. A longer gap is that long in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTime:
    """How the samples of the slices follow each other."""

    last_durations: tuple[int, ...]  # of the last sample of each slice, in ticks
    edits: tuple[Edit, ...]
    media_ticks: int
    shown_at_ticks: tuple[int, ...]  # where the first frame shown of each slice is in the presentation


def arrange(slices: Sequence[Slice]) -> FileTime:
    """Place slices, which are in the order of the file, one after the other."""
    starts = [0]
    edits = [_edit(slices[0], 0)]
    shown_at = [0]
    for before, after in pairwise(slices):
        shown_ticks = sum(edit.end_ticks - edit.start_ticks for edit in edits)
        start = starts[-1] + _distance(slices[0], before, after, shown_ticks)
        starts.append(start)
        edit = _edit(after, start)
        if before.hides_tail or after.hides_head:
            edits.append(edit)
        else:
            edits[-1] = Edit(start_ticks=edits[-1].start_ticks, end_ticks=edit.end_ticks)
        earlier_ticks = sum(each.end_ticks - each.start_ticks for each in edits[:-1])
        shown_at.append(earlier_ticks + edit.start_ticks - edits[-1].start_ticks)
    media_ticks = starts[-1] + slices[-1].end_ticks - slices[-1].first_ticks
    ends = [*starts[1:], media_ticks]
    return FileTime(
        last_durations=tuple(
            end - start - (part.last_ticks - part.first_ticks)
            for part, start, end in zip(slices, starts, ends, strict=True)
        ),
        edits=tuple(edits),
        media_ticks=media_ticks,
        shown_at_ticks=tuple(shown_at),
    )


def _edit(part: Slice, start: int) -> Edit:
    return Edit(
        start_ticks=start + part.shown_ticks - part.first_ticks,
        end_ticks=start + part.shown_end_ticks - part.first_ticks,
    )


def _distance(origin: Slice, before: Slice, after: Slice, shown_ticks: int) -> int:
    """From the first sample of a slice to that of the next one, in ticks of decode time."""
    last = before.last_ticks - before.first_ticks
    if after.continues(before):
        distance = after.first_ticks - before.first_ticks
    else:
        wanted_ticks = (after.shown_us - origin.shown_us) * origin.segment.timescale // 1_000_000
        waiting_ticks = 0 if before.hides_tail or after.hides_head else max(0, wanted_ticks - shown_ticks)
        distance = before.end_ticks - before.first_ticks + waiting_ticks
    return last + min(max(distance - last, 1), _LONGEST_FRAME_TICKS)
