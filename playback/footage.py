"""The segments of a stream, wherever they are: catalog and spool merged by identity, object store and spool read.

The catalog wins where both know a segment. Between two looks a segment may be sealed, shipped, or removed from the
spool; its bytes do not change with that, so whoever misses it in one place looks in the other.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from media.errors import Mp4Error, NotFound, ObjectStoreError, SpoolError
from media.fragment_index import decode_sound
from media.init_section import read_tracks
from media.sample_table import SampleCounts, split_tables
from playback.slices import cut_table
from storage.model import VISIBLE, SegmentState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from media.track import Track
    from storage.catalog import FootageReader
    from storage.model import Segment, Stretch
    from storage.objects import ObjectStore
    from storage.spool_reader import SpoolFile, SpoolReader

BATCH = 64
"""Sample tables fetched at once: half a megabyte at 25 frames a second and a minute a segment."""

_REMEMBERED_STREAMS = 10_000
"""Ids of spooled segments whose stream is known without looking through all of them: 220 cameras for 45 minutes."""


class SegmentBytes(Protocol):
    """A segment that was opened."""

    async def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`; StorageError if they cannot be had."""
        ...


class MergedFootage:
    """What playback reads: segments, their tables, their bytes."""

    def __init__(self, footage: FootageReader, store: ObjectStore, spool: SpoolReader | None) -> None:
        self._footage = footage
        self._store = store
        self._spool = spool
        self._stream_of: dict[UUID, UUID] = {}

    async def segments(self, stream: UUID, from_us: int, to_us: int) -> list[Segment]:
        """Segments that overlap the range, in any state, in playing order: run after run, by sequence inside."""
        spooled = await self._spooled_in(stream, from_us, to_us)
        known = await self._footage.segments(stream, from_us, to_us, marked=True)
        return in_playing_order([*known, *await self._unknown(spooled, known)])

    async def stretches(self, stream: UUID, from_us: int, to_us: int) -> list[Segment | Stretch]:
        """The same for timelines, without what is inside of the segments that the catalog knows."""
        spooled = await self._spooled_in(stream, from_us, to_us)
        known = await self._footage.stretches(stream, from_us, to_us)
        return [*known, *await self._unknown(spooled, known)]

    async def recorded(self, stream: UUID, from_us: int, to_us: int, step_us: int) -> list[int]:
        """Of the steps from `from_us` on, the beginnings of those with footage to show (`FootageReader.recorded`)."""
        spooled = await self._spooled_in(stream, from_us, to_us)
        known = set(await self._footage.recorded(stream, from_us, to_us, step_us))
        for segment in await self._not_gone(spooled):
            first = max(0, (segment.start_us - from_us) // step_us)
            known.update(range(from_us + first * step_us, min(segment.end_us, to_us), step_us))
        return sorted(known)

    async def spooled(self, stream: UUID) -> list[Segment]:
        """All segments of a stream in the spool, as far as they are durable."""
        if self._spool is None:
            return []
        found = await asyncio.to_thread(self._spool.segments, stream)
        self._stream_of.update((segment.id, stream) for segment in found)
        while len(self._stream_of) > _REMEMBERED_STREAMS:
            del self._stream_of[next(iter(self._stream_of))]
        return found

    async def segment(self, segment_id: UUID) -> Segment:
        """A segment that may be shown, by id: from the catalog, or one that was seen in the spool. NotFound."""
        try:
            found = await self._footage.segment(segment_id)
        except NotFound:
            found = await self._seen_in_spool(segment_id)
        if found.state not in VISIBLE:
            raise NotFound(f"segment {segment_id} was deleted by policy")
        return found

    async def tables(self, segments: Sequence[Segment]) -> list[bytes]:
        """The encoded sample tables of at most BATCH segments, each of exactly the samples that its segment counts."""
        return [pictures for pictures, _sound in await self.both_tables(segments)]

    async def both_tables(self, segments: Sequence[Segment]) -> list[tuple[bytes, bytes]]:
        """The same of their pictures and of their sound; the latter empty where there is none."""
        known = await self._footage.sample_tables([segment.id for segment in segments])
        return [await self._tables(segment, known.get(segment.id)) for segment in segments]

    async def tracks(self, segment: Segment) -> tuple[Track, Track | None]:
        """The tracks of pictures and of sound as the segment's init section describes them."""
        async with self.open(segment) as stored:
            return read_tracks(await stored.read_at(0, segment.init_bytes))

    def open(self, segment: Segment) -> AbstractAsyncContextManager[SegmentBytes]:
        """The segment's bytes, from the spool while it has them (no network), else from the object store."""
        return self._opened(segment)

    @asynccontextmanager
    async def _opened(self, segment: Segment) -> AsyncIterator[SegmentBytes]:
        spooled = None if self._spool is None else await self._open_spooled(self._spool, segment)
        if spooled is None:
            yield _Stored(self._store, segment)
            return
        try:
            yield _Spooled(spooled, segment)
        finally:
            spooled.close()

    async def _open_spooled(self, spool: SpoolReader, segment: Segment) -> SpoolFile | None:
        try:
            return await asyncio.to_thread(spool.open, segment.identity)
        except FileNotFoundError:
            return None  # shipped: the object store has it

    async def _spooled_in(self, stream: UUID, from_us: int, to_us: int) -> list[Segment]:
        """What the spool has of a range. Asked before the catalog: what is shipped meanwhile is then seen twice."""
        return [s for s in await self.spooled(stream) if s.start_us < to_us and s.end_us > from_us]

    async def _unknown(self, spooled: Sequence[Segment], known: Sequence[Segment | Stretch]) -> list[Segment]:
        """Those of the spool that the catalog does not know yet."""
        identities = {segment.identity for segment in known} if spooled else set()
        return await self._not_gone([segment for segment in spooled if segment.identity not in identities])

    async def _seen_in_spool(self, segment_id: UUID) -> Segment:
        stream = self._stream_of.get(segment_id)
        spooled = [] if stream is None else await self.spooled(stream)
        for segment in await self._not_gone([s for s in spooled if s.id == segment_id]):
            return segment
        raise NotFound(f"no segment {segment_id}")

    async def _not_gone(self, segments: Sequence[Segment]) -> list[Segment]:
        """Without those that are being deleted or were: a spool copy may outlive its row."""
        kept: list[Segment] = []
        for first in range(0, len(segments), BATCH):
            batch = segments[first : first + BATCH]
            states = await self._footage.states([segment.id for segment in batch])
            kept += [segment for segment in batch if states.get(segment.id, SegmentState.SPOOLED) in VISIBLE]
        return kept

    async def _tables(self, segment: Segment, encoded: bytes | None) -> tuple[bytes, bytes]:
        if encoded is None and self._spool is not None:
            try:
                return split_tables(await asyncio.to_thread(self._spool.samples, segment))
            except FileNotFoundError:  # registered and shipped since: the catalog has its table now
                encoded = (await self._footage.sample_tables([segment.id])).get(segment.id)
        if encoded is None:
            raise NotFound(f"segment {segment.id} was deleted while it was read")
        pictures, sound = split_tables(encoded)
        index = decode_sound(segment.fragments) if sound else None
        return (
            _first_samples(pictures, segment.samples, segment),
            _first_samples(sound, index.samples, segment) if index is not None else b"",
        )


class _Spooled:
    """A file of the spool; its descriptor outlives a rename and an unlink."""

    def __init__(self, file: SpoolFile, segment: Segment) -> None:
        self._file = file
        self._segment = segment

    async def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`."""
        try:
            content = await asyncio.to_thread(self._file.read_at, offset, length)
        except OSError as error:
            raise SpoolError(f"segment {self._segment.id} cannot be read from the spool: {error.strerror}") from error
        if len(content) != length:
            raise SpoolError(f"segment {self._segment.id} ends in the spool at byte {offset + len(content)}")
        return content


class _Stored:
    """An object of the object store."""

    def __init__(self, store: ObjectStore, segment: Segment) -> None:
        self._store = store
        self._segment = segment

    async def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`."""
        content = await self._store.read(self._segment.key, offset, length)
        if len(content) != length:
            raise ObjectStoreError(f"object {self._segment.key} ends at byte {offset + len(content)}")
        return content


def in_playing_order(segments: Iterable[Segment]) -> list[Segment]:
    """Run after run, each by sequence: inside a run wall time may have been set back, the order of frames was not."""
    by_run: dict[tuple[int, int], list[Segment]] = {}
    for segment in sorted(segments, key=lambda s: (s.start_us, s.identity.sequence)):
        by_run.setdefault((segment.identity.epoch, segment.identity.run), []).append(segment)
    return [segment for run in by_run.values() for segment in sorted(run, key=lambda s: s.identity.sequence)]


def _first_samples(encoded: bytes, count: int, segment: Segment) -> bytes:
    """The samples that `segment` tells of; its file may have grown between the two looks."""
    samples = SampleCounts.of(encoded).samples
    if samples < count:
        raise Mp4Error(f"segment {segment.id} has {count} samples, but its table only {samples}")
    return encoded if samples == count else cut_table(encoded, 0, count)
