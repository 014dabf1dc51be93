"""Slices: the part of a segment that a range needs, in samples and in time. Pure arithmetic.

A frame is in a range when its presentation time is: ranges that touch share no frame and lose none. To show it, a
decoder needs what comes before it in decode order, back to a sync sample; that is in the slice too, but not shown:

    decode order   I0  P4  B2  B1  B3  P8  B6 ...          a range that shows 2 and 3
    the slice      I0  P4  B2  B1  B3                      shown: 2 3; needed but hidden: 0 4 1

In H.265 a sync sample may be followed by frames that are shown before it. They need what came before the sync sample;
at the beginning of a segment that is in another one. A range that begins with them begins with the sync sample instead.

Wall time runs through a fragment at the pace of the track's clock, from the fragment's start and never past its end.
Over a segment it never goes back, even where the recorder estimated the end of a fragment a little too late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from media.errors import Mp4Error
from media.sample_table import SampleCounts, SampleTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from media.fragment_index import FragmentEntry
    from storage.model import Segment, Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Samples `first` to `stop` (decode order) of a segment, and the frames among them that are shown.

    Times in ticks count from the start of the span, as the segment's own do.
    """

    segment: Segment
    first: int
    stop: int
    shown: int  # frames
    first_ticks: int  # decode time of sample `first`
    last_ticks: int  # decode time of sample `stop - 1`
    end_ticks: int  # decode time after it
    shown_ticks: int  # presentation time of the first frame shown
    shown_end_ticks: int  # where the last one shown ends
    shown_us: int
    shown_end_us: int
    hides_tail: bool  # holds frames that are presented after the last one shown

    @property
    def hides_head(self) -> bool:
        """Whether it holds frames that are presented before the first one shown."""
        return self.shown_ticks > self.first_ticks

    def continues(self, before: Slice) -> bool:
        """Whether this goes on exactly where `before` stopped: no time and no sample between them."""
        return follows(self.segment, before.segment) and self.first == 0 and before.stop == before.segment.samples


def follows(segment: Segment | Stretch, before: Segment | Stretch) -> bool:
    """Whether a segment is the next one of the same span."""
    return (
        segment.identity.run == before.identity.run
        and segment.identity.sequence == before.identity.sequence + 1
        and segment.span == before.span
        and segment.identity.epoch == before.identity.epoch
        and segment.identity.stream == before.identity.stream
    )


def whole(segment: Segment, last_sample_ticks: int) -> Slice:
    """The slice of a segment that lies inside the range as a whole: no need to look at single frames.

    Its last sample is decoded `last_sample_ticks` after its first.
    """
    last_ticks = segment.media_ticks + last_sample_ticks
    end_ticks = max(segment.media_ticks + segment.duration_ticks, last_ticks + 1)
    return Slice(
        segment=segment,
        first=0,
        stop=segment.samples,
        shown=segment.samples,
        first_ticks=segment.media_ticks,
        last_ticks=last_ticks,
        end_ticks=end_ticks,
        shown_ticks=segment.media_ticks,
        shown_end_ticks=end_ticks,
        shown_us=segment.start_us,
        shown_end_us=segment.end_us,
        hides_tail=False,
    )


def cut(
    segment: Segment, table: SampleTable, fragments: Sequence[FragmentEntry], from_us: int, to_us: int
) -> Slice | None:
    """The slice that shows the frames of a segment in `[from_us, to_us)`; None if there are none."""
    times = FrameTimes(segment, table, fragments)
    first = int(np.searchsorted(times.wall_us, from_us, side="left"))
    stop = int(np.searchsorted(times.wall_us, to_us, side="left"))
    if from_us >= segment.start_us:  # the segment before is not in the range
        first = max(first, times.leading)
    return times.slice(first, stop) if first < stop else None


def cut_frame(segment: Segment, table: SampleTable, fragments: Sequence[FragmentEntry], at_us: int) -> Slice | None:
    """The slice that shows the one frame that is on screen at `at_us`; None before the first one it can show alone."""
    times = FrameTimes(segment, table, fragments)
    stop = int(np.searchsorted(times.wall_us, at_us, side="right"))
    return times.slice(stop - 1, stop) if stop > times.leading else None


def cut_table(encoded: bytes, first: int, stop: int) -> bytes:
    """The sample table of samples `first` to `stop` alone."""
    if (first, stop) == (0, SampleCounts.of(encoded).samples):
        return encoded
    table = SampleTable.decode(encoded)
    part = SampleTable(
        sizes=table.sizes[first:stop],
        durations=table.durations[first:stop],
        offsets=table.offsets[first:stop],
        sync=table.sync[(table.sync >= first) & (table.sync < stop)] - np.uint32(first),
    )
    return part.encode()


class FrameTimes:
    """The frames of a segment in the order in which they are presented, with their wall times.

    A frame ends where the next one begins; the last one of a fragment where the fragment's commit box says, even if the
    next fragment begins later: what is durable must not change with what comes after it.
    """

    wall_us: NDArray[np.int64]

    def __init__(self, segment: Segment, table: SampleTable, fragments: Sequence[FragmentEntry]) -> None:
        counts = np.array([entry.samples for entry in fragments])
        if counts.sum() != len(table.sizes):
            raise Mp4Error(f"segment {segment.id}: its fragment index and its sample table count different samples")
        self._segment = segment
        self._sync = table.sync
        self._decode_ticks = table.decode_ticks + segment.media_ticks
        self._presentation_ticks = presentation_ticks = self._decode_ticks + table.offsets
        self._order = np.argsort(presentation_ticks, kind="stable")
        self._ticks = presentation_ticks[self._order]
        self.wall_us = np.maximum.accumulate(
            _wall_us(presentation_ticks, fragments, counts, segment.timescale)[self._order]
        )
        last_of_fragment = np.cumsum(counts) - 1
        fragment_ends = np.array([entry.media_ticks + entry.duration_ticks for entry in fragments])
        self._decode_ends = _ends(self._decode_ticks, last_of_fragment, fragment_ends)
        self._end_ticks = _ends(self._ticks, last_of_fragment, fragment_ends)
        self._end_us = _ends(self.wall_us, last_of_fragment, np.array([entry.end_wall_us for entry in fragments]))

    @property
    def leading(self) -> int:
        """How many frames are presented before the first sample: nobody can decode them who begins with it."""
        return int(np.flatnonzero(self._order == 0)[0])

    def slice(self, first_frame: int, stop_frame: int) -> Slice:
        """The slice that shows frames `first_frame` to `stop_frame`, counted in presentation order."""
        needed = self._order[first_frame:stop_frame]
        first = self._sync_sample_before(int(needed.min()), int(self._ticks[first_frame]))
        stop = int(needed.max()) + 1
        kept = self._order[(self._order >= first) & (self._order < stop)]
        return Slice(
            segment=self._segment,
            first=first,
            stop=stop,
            shown=len(needed),
            first_ticks=int(self._decode_ticks[first]),
            last_ticks=int(self._decode_ticks[stop - 1]),
            # Without the frames before it that are not needed, the last one may be decoded long before it is shown.
            end_ticks=max(int(self._decode_ends[stop - 1]), int(self._end_ticks[stop_frame - 1])),
            shown_ticks=int(self._ticks[first_frame]),
            shown_end_ticks=int(self._end_ticks[stop_frame - 1]),
            shown_us=int(self.wall_us[first_frame]),
            shown_end_us=int(self._end_us[stop_frame - 1]),
            hides_tail=int(kept[-1]) != int(needed[-1]),
        )

    def _sync_sample_before(self, sample: int, shown_ticks: int) -> int:
        """Where to begin to decode. Not with a sync sample that is shown later: what leads it needs more."""
        before = self._sync[self._sync <= sample]
        before = before[self._presentation_ticks[before] <= shown_ticks]
        return int(before[-1]) if len(before) else 0


def _wall_us(
    presentation_ticks: NDArray[np.int64], fragments: Sequence[FragmentEntry], counts: NDArray[np.int64], timescale: int
) -> NDArray[np.int64]:
    """The wall time of each sample, in decode order: each fragment has a rate of its own (decision 0066)."""
    start_us = np.array([entry.wall_us for entry in fragments])
    length_us = np.maximum(1, [entry.end_wall_us - entry.wall_us for entry in fragments])
    length_ticks = np.maximum(1, [entry.duration_ticks for entry in fragments])
    corrected_us = length_us - length_ticks * 1_000_000 // timescale
    corrected_us[np.abs(corrected_us) <= 1] = 0  # no more than a rounded microsecond
    ticks = presentation_ticks - np.repeat([entry.media_ticks for entry in fragments], counts)
    stretch_us = ticks * np.repeat(corrected_us, counts) // np.repeat(length_ticks, counts)
    start_us, last_us = np.repeat(start_us, counts), np.repeat(start_us + length_us - 1, counts)
    wall_us: NDArray[np.int64] = start_us + ticks * 1_000_000 // timescale + stretch_us
    return np.clip(wall_us, start_us, last_us)


def _ends(
    starts: NDArray[np.int64], last_of_fragment: NDArray[np.int64], fragment_ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    ends: NDArray[np.int64] = np.append(starts[1:], starts[-1])
    ends[last_of_fragment[:-1]] = np.minimum(ends[last_of_fragment[:-1]], fragment_ends[:-1])
    ends[-1] = fragment_ends[-1]
    return np.maximum(ends, starts + 1)
