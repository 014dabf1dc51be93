"""One progressive mp4 of exactly a range: laid out first, made while it is read.

1. Every segment of the range becomes a slice: which samples, which frames (`slices`).
2. The slices are placed in the time of the file (`file_time`).
3. From their counts follow all sizes, and from those the bytes around the tables (`media/flat_mp4`) and the ETag.
4. A reader asks for bytes; tables and payload of the segments they touch are fetched then, a batch at a time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING

from media.errors import RangeError
from media.flat_mp4 import ChunkTables, FlatMovie, Table
from media.fragment_index import decode as decode_fragments
from media.sample_table import SampleTable
from playback.file_time import arrange
from playback.footage import BATCH
from playback.payload import payload_extents, read_extents
from playback.slices import cut, cut_table, whole
from playback.timerange import format_instant
from playback.virtual_file import Fixed, Rendered, Section, Streamed, VirtualFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from media.flat_mp4 import Chunk
    from media.track import Track
    from playback.footage import MergedFootage
    from playback.slices import Slice
    from storage.model import Segment

FORMAT = b"hulta flat mp4 1"
"""Part of every ETag. To be changed with anything that changes the bytes made from the same footage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """A file of known size whose bytes are made when they are read."""

    from_us: int  # the range it answers: as asked for, but never past what is durable
    to_us: int
    complete: bool  # whether that is all that was asked for
    start_us: int  # presentation time of the first frame shown
    end_us: int  # where the last one ends
    frames: int
    etag: str  # quoted, strong
    content: VirtualFile

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return self.content.size_bytes

    def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `stop`, in pieces of at most a few MiB. StorageError, also in the middle."""
        return self.content.read(start, self.size_bytes if stop is None else stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A slice and what it puts into the file."""

    slice: Slice
    chunk: Chunk
    least_offset_ticks: int
    has_offsets: bool


async def lay_out(footage: MergedFootage, segments: Sequence[Segment], from_us: int, to_us: int) -> Layout:
    """The layout of the frames in `[from_us, to_us)` of these segments, which are in playing order."""
    layout = Layout(footage)
    for first in range(0, len(segments), BATCH):
        batch = segments[first : first + BATCH]
        for segment, table in zip(batch, await footage.tables(batch), strict=True):
            if from_us <= segment.start_us and segment.end_us <= to_us:
                tables = ChunkTables(table)
                await layout.add(whole(segment, tables.last_sample_ticks), tables)
            else:
                fragments = decode_fragments(segment.fragments)
                part = cut(segment, SampleTable.decode(table), fragments, from_us, to_us)
                if part is not None:
                    await layout.add(part, ChunkTables(cut_table(table, part.first, part.stop)))
    return layout


def _same_span(one: Segment, other: Segment) -> bool:
    return (one.identity.stream, one.identity.run, one.span) == (other.identity.stream, other.identity.run, other.span)


class Layout:
    """Collects slices and the tracks they belong to; becomes a file when all are known."""

    def __init__(self, footage: MergedFootage) -> None:
        self._footage = footage
        self._parts: list[Part] = []
        self._tracks: list[Track] = []

    @property
    def parts(self) -> Sequence[Part]:
        """What was added."""
        return self._parts

    async def add(self, part: Slice, tables: ChunkTables) -> None:
        """Append a slice and the tables of its samples."""
        entry = await self._sample_entry(part.segment)
        self._parts.append(
            Part(
                slice=part,
                chunk=tables.chunk(entry),
                least_offset_ticks=tables.least_offset_ticks,
                has_offsets=tables.has_offsets,
            )
        )

    def file(self, *, from_us: int, to_us: int, complete: bool) -> VideoFile:
        """The file of all that was added, which is at least one slice."""
        slices = [part.slice for part in self._parts]
        time = arrange(slices)
        movie = FlatMovie(
            timescale=self._tracks[0].timescale,
            width=self._tracks[0].width,
            height=self._tracks[0].height,
            sample_entries=tuple(track.sample_entry for track in self._tracks),
            chunks=tuple(part.chunk for part in self._parts),
            edits=time.edits,
            media_ticks=time.media_ticks,
            offset_shift_ticks=max(0, -min(part.least_offset_ticks for part in self._parts)),
            has_offsets=any(part.has_offsets for part in self._parts),
        )
        content = _Content(self._footage, slices, time.last_durations, movie)
        return VideoFile(
            from_us=from_us,
            to_us=to_us,
            complete=complete,
            start_us=slices[0].shown_us,
            end_us=max(part.shown_end_us for part in slices),
            frames=sum(part.shown for part in slices),
            etag=content.etag(),
            content=VirtualFile(content.sections()),
        )

    async def _sample_entry(self, segment: Segment) -> int:
        """The number of the segment's sample entry; segments of one span share their init section."""
        if self._parts and _same_span(self._parts[-1].slice.segment, segment):
            return self._parts[-1].chunk.sample_entry
        track = await self._footage.track(segment)
        if self._tracks and track.timescale != self._tracks[0].timescale:
            at = format_instant(segment.start_us)
            raise RangeError(f"the track's clock rate changes at {at}", hint="ask for the two sides separately")
        for number, known in enumerate(self._tracks):
            if known.sample_entry == track.sample_entry:
                return number
        self._tracks.append(track)
        return len(self._tracks) - 1


class _Content:
    """Makes the bytes of a file."""

    def __init__(
        self, footage: MergedFootage, slices: Sequence[Slice], last_durations: Sequence[int], movie: FlatMovie
    ) -> None:
        self._footage = footage
        self._slices = slices
        self._last_durations = last_durations
        self._movie = movie
        self._skeleton = movie.skeleton()
        self._samples_before = [0, *accumulate(part.stop - part.first for part in slices)]

    def etag(self) -> str:
        """A hash of all that decides on the bytes: what is around the tables, and which samples are in them."""
        facts = sha256(FORMAT)
        for piece in self._skeleton:
            facts.update(piece)
        for part, last_duration in zip(self._slices, self._last_durations, strict=True):
            facts.update(part.segment.id.bytes + struct.pack(">QQQ", part.first, part.stop, last_duration))
        return f'"{facts.hexdigest()[:32]}"'

    def sections(self) -> list[Section]:
        """The file from its first byte to its last."""
        chunks = self._movie.chunks
        sections: list[Section] = []
        for piece, table in zip(self._skeleton, self._movie.tables, strict=False):
            part_bytes = [table.entry_bytes * chunk.entries(table) for chunk in chunks]
            sections += [Fixed(piece), Rendered(part_bytes, partial(self._entries, table))]
        payload = Streamed([chunk.payload_bytes for chunk in chunks], self._payload)
        return [*sections, Fixed(self._skeleton[-1]), payload]

    async def _entries(self, table: Table, first: int, stop: int) -> AsyncGenerator[bytes, None]:
        for start in range(first, stop, BATCH):
            numbers = range(start, min(start + BATCH, stop))
            tables = await self._footage.tables([self._slices[number].segment for number in numbers])
            for number, encoded in zip(numbers, tables, strict=True):
                part = self._slices[number]
                samples = ChunkTables(cut_table(encoded, part.first, part.stop))
                yield self._table_entries(table, number, samples)

    def _table_entries(self, table: Table, number: int, samples: ChunkTables) -> bytes:
        match table:
            case Table.DURATIONS:
                return samples.durations(self._last_durations[number])
            case Table.OFFSETS:
                return samples.offsets(self._movie.offset_shift_ticks)
            case Table.SYNC:
                return samples.sync(self._samples_before[number])
            case Table.SIZES:
                return samples.sizes()

    async def _payload(self, number: int, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        part = self._slices[number]
        (table,) = await self._footage.tables([part.segment])
        sizes = SampleTable.decode(table).sizes
        extents = payload_extents(decode_fragments(part.segment.fragments), sizes, part.first, part.stop)
        async with self._footage.open(part.segment) as stored:
            async for piece in read_extents(stored, extents, start, stop):
                yield piece
