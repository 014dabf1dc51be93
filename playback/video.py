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
from typing import TYPE_CHECKING, Any, Literal

from media.errors import RangeError
from media.flat_mp4 import Chunk, ChunkTables, FlatMovie, Table
from media.fragment_index import decode as decode_fragments
from media.fragment_index import decode_sound
from media.sample_table import SampleTable
from playback.file_time import arrange
from playback.footage import BATCH
from playback.payload import payload_extents, read_extents
from playback.slices import cut, cut_table, whole
from playback.sound import kind_of, left_out, place, sound_of
from playback.timerange import format_instant
from playback.virtual_file import Fixed, Rendered, Section, Streamed, VirtualFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from media.flat_mp4 import FlatSound
    from media.sample_table import SampleSums
    from media.track import Track
    from playback.footage import MergedFootage
    from playback.slices import Slice
    from playback.sound import PlacedSound, SoundSlice
    from storage.model import Segment

SoundWanted = Literal["playable", "original", "none"]
"""What every player plays; as the camera sent it, whatever that is; none."""

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
    sound: tuple[str, ...]  # the kinds that are in it
    sound_left_out: tuple[str, ...]  # and those that were asked for, and cannot be
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
    sums: SampleSums
    sound: Track | None


async def lay_out(
    footage: MergedFootage, segments: Sequence[Segment], from_us: int, to_us: int, sound: SoundWanted = "playable"
) -> Layout:
    """The layout of the frames in `[from_us, to_us)` of these segments, which are in playing order, and their sound.

    Of a segment that lies inside as a whole its row says enough; only the others' sample tables are read.
    """
    layout = Layout(footage)
    for first in range(0, len(segments), BATCH):
        batch = segments[first : first + BATCH]
        inside = [from_us <= segment.start_us and segment.end_us <= to_us for segment in batch]
        to_read = [
            segment for segment, all_of_it in zip(batch, inside, strict=True) if not (all_of_it and segment.sums)
        ]
        tables = iter(await footage.tables(to_read) if to_read else [])
        for segment, all_of_it in zip(batch, inside, strict=True):
            if not all_of_it:
                await _add_cut(layout, segment, next(tables), from_us, to_us)
            elif segment.sums is not None:
                await layout.add(whole(segment, segment.sums.last_sample_ticks), segment.sync_samples, segment.sums)
            else:
                read = ChunkTables(next(tables))
                sums = read.sums
                await layout.add(whole(segment, sums.last_sample_ticks), read.counts.sync_samples, sums)
    if sound != "none":
        await layout.add_sound(original=sound == "original")
    return layout


async def _add_cut(layout: Layout, segment: Segment, table: bytes, from_us: int, to_us: int) -> None:
    part = cut(segment, SampleTable.decode(table), decode_fragments(segment.fragments), from_us, to_us)
    if part is not None:
        await layout.add_cut(part, table)


def _same_span(one: Segment, other: Segment) -> bool:
    return (one.identity.stream, one.identity.run, one.span) == (other.identity.stream, other.identity.run, other.span)


class Layout:
    """Collects slices and the tracks they belong to; becomes a file when all are known."""

    def __init__(self, footage: MergedFootage) -> None:
        self._footage = footage
        self._parts: list[Part] = []
        self._tracks: list[Track] = []
        self._sounds: list[SoundSlice] = []
        self._left_out: tuple[str, ...] = ()

    @property
    def parts(self) -> Sequence[Part]:
        """What was added."""
        return self._parts

    async def add_cut(self, part: Slice, table: bytes) -> None:
        """Append a slice of a segment with this sample table."""
        tables = ChunkTables(cut_table(table, part.first, part.stop))
        await self.add(part, tables.counts.sync_samples, tables.sums)

    async def add(self, part: Slice, sync_samples: int, sums: SampleSums) -> None:
        """Append a slice, whose samples have these sums."""
        entry, sound = await self._sample_entry(part.segment)
        chunk = Chunk.of(part.stop - part.first, sync_samples, sums, entry)
        self._parts.append(Part(slice=part, chunk=chunk, sums=sums, sound=sound))

    async def add_sound(self, *, original: bool) -> None:
        """Add what is heard in the slices: what every player plays, or with `original` whatever there is."""
        if any(part.sound is not None for part in self._parts):
            slices, tracks = zip(*((part.slice, part.sound) for part in self._parts), strict=True)
            self._sounds = await sound_of(self._footage, slices, tracks, original=original)
            self._left_out = left_out(slices, tracks, self._sounds)

    def file(self, *, from_us: int, to_us: int, complete: bool) -> VideoFile:
        """The file of all that was added, which is at least one slice."""
        slices = [part.slice for part in self._parts]
        time = arrange(slices)
        sound = place(self._sounds, slices, time) if self._sounds else None
        movie = FlatMovie(
            timescale=self._tracks[0].timescale,
            width=self._tracks[0].width,
            height=self._tracks[0].height,
            sample_entries=tuple(track.sample_entry for track in self._tracks),
            chunks=tuple(part.chunk for part in self._parts),
            edits=time.edits,
            media_ticks=time.media_ticks,
            offset_shift_ticks=max(0, -min(part.sums.least_offset_ticks for part in self._parts)),
            has_offsets=any(part.sums.has_offsets for part in self._parts),
            sound=None if sound is None else sound.track,
        )
        content = _Content(self._footage, slices, time.last_durations, movie, sound)
        return VideoFile(
            from_us=from_us,
            to_us=to_us,
            complete=complete,
            start_us=slices[0].shown_us,
            end_us=max(part.shown_end_us for part in slices),
            frames=sum(part.shown for part in slices),
            sound=tuple(dict.fromkeys(kind_of(each.track) for each in self._sounds)),
            sound_left_out=self._left_out,
            etag=content.etag(),
            content=VirtualFile(content.sections()),
        )

    async def _sample_entry(self, segment: Segment) -> tuple[int, Track | None]:
        """The number of the segment's sample entry, and its sound; segments of one span share their init section."""
        if self._parts and _same_span(self._parts[-1].slice.segment, segment):
            return self._parts[-1].chunk.sample_entry, self._parts[-1].sound
        track, sound = await self._footage.tracks(segment)
        if self._tracks and track.timescale != self._tracks[0].timescale:
            at = format_instant(segment.start_us)
            raise RangeError(f"the track's clock rate changes at {at}", hint="ask for the two sides separately")
        for number, known in enumerate(self._tracks):
            if known.sample_entry == track.sample_entry:
                return number, sound
        self._tracks.append(track)
        return len(self._tracks) - 1, sound


class _Content:
    """Makes the bytes of a file."""

    def __init__(
        self,
        footage: MergedFootage,
        slices: Sequence[Slice],
        last_durations: Sequence[int],
        movie: FlatMovie,
        sound: PlacedSound | None,
    ) -> None:
        self._footage = footage
        self._slices = slices
        self._last_durations = last_durations
        self._movie = movie
        self._sound = sound
        self._skeleton = movie.skeleton()
        self._samples_before = [0, *accumulate(part.stop - part.first for part in slices)]

    def etag(self) -> str:
        """A hash of all that decides on the bytes: what is around the tables, and which samples are in them."""
        facts = sha256(FORMAT)
        for piece in self._skeleton:
            facts.update(piece)
        for part, last_duration in zip(self._slices, self._last_durations, strict=True):
            facts.update(part.segment.id.bytes + struct.pack(">QQQ", part.first, part.stop, last_duration))
        if self._sound is not None:
            for heard, last_duration in zip(self._sound.slices, self._sound.last_durations, strict=True):
                facts.update(struct.pack(">QQQQ", heard.number, heard.first, heard.stop, last_duration))
        return f'"{facts.hexdigest()[:32]}"'

    def sections(self) -> list[Section]:
        """The file from its first byte to its last."""
        sections: list[Section] = []
        pieces = iter(self._skeleton)
        tracks: list[tuple[FlatMovie | FlatSound, Any]] = [(self._movie, self._entries)]
        if self._movie.sound is not None:
            tracks.append((self._movie.sound, self._sound_entries))
        for track, entries in tracks:
            for table in track.tables:
                part_bytes = [table.entry_bytes * chunk.entries(table) for chunk in track.chunks]
                sections += [Fixed(next(pieces)), Rendered(part_bytes, partial(entries, table))]
        return [*sections, Fixed(next(pieces)), self._payloads()]

    def _payloads(self) -> Section:
        """Pictures and sound of each slice in turn."""
        parts: list[tuple[int, partial[AsyncGenerator[bytes, None]]]] = []
        heard = {} if self._sound is None else {each.number: at for at, each in enumerate(self._sound.slices)}
        for number, chunk in enumerate(self._movie.chunks):
            parts.append((chunk.payload_bytes, partial(self._payload, number)))
            if self._movie.sound is not None and number in heard:
                at = heard[number]
                parts.append((self._movie.sound.chunks[at].payload_bytes, partial(self._sound_payload, at)))
        return Streamed([size for size, _ in parts], lambda part, start, stop: parts[part][1](start, stop))

    async def _entries(self, table: Table, first: int, stop: int) -> AsyncGenerator[bytes, None]:
        for start in range(first, stop, BATCH):
            numbers = range(start, min(start + BATCH, stop))
            tables = await self._footage.tables([self._slices[number].segment for number in numbers])
            for number, encoded in zip(numbers, tables, strict=True):
                part = self._slices[number]
                samples = ChunkTables(cut_table(encoded, part.first, part.stop))
                yield self._table_entries(table, number, samples)

    async def _sound_entries(self, table: Table, first: int, stop: int) -> AsyncGenerator[bytes, None]:
        assert self._sound is not None
        for start in range(first, stop, BATCH):
            numbers = range(start, min(start + BATCH, stop))
            both = await self._footage.both_tables([self._sound.slices[number].segment for number in numbers])
            for number, (_pictures, encoded) in zip(numbers, both, strict=True):
                part = self._sound.slices[number]
                samples = ChunkTables(cut_table(encoded, part.first, part.stop))
                durations = table is Table.DURATIONS
                yield samples.durations(self._sound.last_durations[number]) if durations else samples.sizes()

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

    async def _sound_payload(self, number: int, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        assert self._sound is not None
        part = self._sound.slices[number]
        index = decode_sound(part.segment.fragments)
        ((_pictures, table),) = await self._footage.both_tables([part.segment])
        fragments = [] if index is None else index.fragments
        extents = payload_extents(fragments, SampleTable.decode(table).sizes, part.first, part.stop)
        async with self._footage.open(part.segment) as stored:
            async for piece in read_extents(stored, extents, start, stop):
                yield piece
