"""What had come of the present group of pictures before somebody watched.

Its newest units are in memory, in the open fragment. With groups longer than a fragment its sync sample is in the file
of the open segment, and is read back from there: nothing is kept in memory for viewers who may never come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from media.errors import Mp4Error
from media.moof import fragment_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.commit import Commit
    from media.fmp4_write import SegmentWriter
    from media.read_window import ReadAt

_MDAT_HEADER_BYTES = 8


class HeldUnit(NamedTuple):
    """A unit that had come before. Of a recorded one `damaged` says that packets were lost in its fragment."""

    payload: bytes | bytearray
    rtp_timestamp: int
    arrival_us: int
    sync: bool
    damaged: bool = False


class Newest(NamedTuple):
    """The unit that was placed last. When earlier ones came follows from their places in the stream's time."""

    rtp_timestamp: int
    pts_ticks: int
    arrival_us: int
    timescale: int
    span_ticks: int
    """Where the span begins: times in its files count from there."""

    def held(self, payload: bytes | bytearray, pts_ticks: int, *, sync: bool, damaged: bool = False) -> HeldUnit:
        """A unit of that time."""
        age_ticks = self.pts_ticks - pts_ticks
        arrival_us = self.arrival_us - age_ticks * 1_000_000 // self.timescale
        return HeldUnit(payload, (self.rtp_timestamp - age_ticks) & 0xFFFFFFFF, arrival_us, sync, damaged)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The fragments of the group that are closed, in the order and at the places they have in the segment's file."""

    commits: tuple[Commit, ...]
    newest: Newest

    @property
    def last(self) -> Commit:
        """When this one is durable, all are."""
        return self.commits[-1]

    @property
    def size_bytes(self) -> int:
        """What has to be read."""
        return self.last.box_offset - self.commits[0].offset

    def units(self, read: ReadAt) -> list[HeldUnit]:
        """From the last sync sample on. OSError, or Mp4Error where the file is not what was written."""
        start = self.commits[0].offset
        content = read(start, self.size_bytes)
        if len(content) != self.size_bytes:
            raise Mp4Error(f"the file of {self.last.identity} ends before its fragment {self.last.fragment}")
        found: list[HeldUnit] = []
        for commit in self.commits:
            at = commit.offset - start
            found += self._of_fragment(commit, content[at : at + commit.length])
        syncs = [number for number, unit in enumerate(found) if unit.sync]
        return found[syncs[-1] :] if syncs else []

    def _of_fragment(self, commit: Commit, fragment: bytes) -> list[HeldUnit]:
        position = commit.header_bytes
        decode_ticks, samples = fragment_samples(fragment[: position - _MDAT_HEADER_BYTES])
        found = []
        for sample in samples:
            pts_ticks = self.newest.span_ticks + decode_ticks + sample.composition_offset_ticks
            payload = fragment[position : position + sample.size_bytes]
            found.append(self.newest.held(payload, pts_ticks, sync=sample.sync, damaged=commit.lost_packets > 0))
            position += sample.size_bytes
            decode_ticks += sample.duration_ticks
        return found


class Held(NamedTuple):
    """The units of the open fragment, and those before it where none of these can be begun with."""

    units: Sequence[HeldUnit] = ()
    recorded: Recorded | None = None


def hold(
    payloads: Sequence[bytearray],
    pts: Sequence[int],
    syncs: Sequence[bool],
    newest: Newest,
    writer: SegmentWriter | None,
) -> Held:
    """What is there of the present group, of an open fragment and the writer of the segment it will get into."""
    units = [newest.held(unit, ticks, sync=sync) for unit, ticks, sync in zip(payloads, pts, syncs, strict=True)]
    commits = () if writer is None or any(syncs) else writer.present_group()
    return Held(units, Recorded(commits, newest) if commits else None)
