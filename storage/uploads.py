"""Carries registered segments from the spool to the object store, and lets go of spool copies (I1, I3).

    intent `uploading` -> hash -> put -> ask for its size -> `stored` -> read back, ask again -> unlink

Killed anywhere, the next life repeats from the intent: the key is the segment's own and the bytes never change, so a
put that arrived before is found and compared, not made twice. Whatever fails concerns one segment: it rests a while
and the others go on. Only when nothing of a batch succeeds is it the store, and the caller slows down.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from media.errors import HultaError, ObjectConflict, ObjectMissing, ObjectStoreError, SpoolError
from storage import files, layout
from storage.model import SegmentState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor
    from uuid import UUID

    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.intake import Intake
    from storage.model import Segment
    from storage.objects import ObjectStore

BATCH = 32
AT_ONCE = 8
REST_US = 30_000_000
LOOK_OVER_US = 60_000_000
LOOK_OVER_SOON_US = 5_000_000
_MOST_RESTING = 1000
_STATES_AT_ONCE = 500

log = structlog.get_logger(__name__)


class Uploads:
    """The way from the spool to the object store."""

    def __init__(
        self, catalog: Catalog, store: ObjectStore, intake: Intake, *, clock: Clock, threads: Executor
    ) -> None:
        self.stored_segments = 0
        self.stored_bytes: Counter[Path] = Counter()
        """Of each spool."""
        self.resting: dict[UUID, tuple[int, str]] = {}  # until when on the boot clock, and why
        self._catalog = catalog
        self._store = store
        self._intake = intake
        self._clock = clock
        self._threads = threads
        self._look_over_at_us = self._looked_over_us = 0
        self._putting: set[UUID] = set()
        self._barred: set[UUID] = set()

    async def run_once(self) -> bool:
        """Ship one batch; whether more may wait. ObjectStoreError if none of it could be shipped."""
        await self._look_over()
        batch = await self._next()
        self._putting = {segment.id for segment in batch}  # no pause since they were chosen: see `bar`
        try:
            return await self._ship(batch)
        finally:
            self._putting = set()

    async def _ship(self, batch: Sequence[Segment]) -> bool:
        if not batch:
            return False
        await self._catalog.footage.begin_upload([segment.id for segment in batch])
        hashes, error = await self._put_all(batch)
        await self._catalog.footage.stored(hashes)
        await self._release([segment.id for segment in batch if segment.id in hashes], put=batch)
        if error is not None and not hashes:
            for segment in batch:  # it is the store: they go on as soon as it does, not half a minute later
                self.resting.pop(segment.id, None)
            raise ObjectStoreError(f"none of {len(batch)} segments could be stored: {error}") from error
        return True

    @contextmanager
    def bar(self, segment_ids: Sequence[UUID]) -> Iterator[list[UUID]]:
        """Keep segments from being put for the length of a block; those of them that are not being put already."""
        barred = set(segment_ids) - self._putting
        self._barred |= barred
        try:
            yield [each for each in segment_ids if each in barred]
        finally:
            self._barred -= barred

    def look_over_soon(self) -> None:
        """Let go of every copy that is stored in the next cycle: its room is needed. No more often than every 5 s."""
        self._look_over_at_us = min(self._look_over_at_us, self._looked_over_us + LOOK_OVER_SOON_US)

    async def _next(self) -> list[Segment]:
        """What is to be shipped next, the catalog's order, without those that rest."""
        now_us = self._clock.boot_us()
        self.resting = {each: rest for each, rest in self.resting.items() if rest[0] > now_us}
        waiting = await self._catalog.footage.waiting(BATCH + min(len(self.resting), _MOST_RESTING))
        return [each for each in waiting if each.id not in self.resting and each.id not in self._barred][:BATCH]

    async def _put_all(self, batch: Sequence[Segment]) -> tuple[dict[UUID, bytes], Exception | None]:
        """Put a batch, a few at once; the hashes of what is in the store now, and an error of the rest."""
        room = asyncio.Semaphore(AT_ONCE)

        async def put(segment: Segment) -> bytes | Exception:
            async with room:
                try:
                    return await self._put(segment)
                except (HultaError, OSError) as error:
                    self._rest(segment.id, error)
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = {segment.id: group.create_task(put(segment)) for segment in batch}
        outcomes = {segment_id: task.result() for segment_id, task in tasks.items()}
        errors = [outcome for outcome in outcomes.values() if isinstance(outcome, Exception)]
        hashes = {each: outcome for each, outcome in outcomes.items() if isinstance(outcome, bytes)}
        return hashes, errors[0] if errors else None

    async def _put(self, segment: Segment) -> bytes:
        """Put one segment and make sure that it is there; its hash."""
        copy = self._intake.copies.get(segment.id)
        try:
            path = self._elsewhere(segment) if copy is None else copy.path
            digest = await asyncio.get_running_loop().run_in_executor(self._threads, _sha256, path, segment.size_bytes)
        except FileNotFoundError:
            return await self._lost(segment)
        await self._store.put_file(segment.key, path, sha256=digest, size_bytes=segment.size_bytes)
        await self._require_stored(segment)
        self.stored_segments += 1
        self.stored_bytes[path.parents[2]] += segment.size_bytes
        return digest

    def _elsewhere(self, segment: Segment) -> Path:
        """Where a segment is that nobody has listed yet; FileNotFoundError."""
        places = [layout.sealed_path(spool, segment.identity) for spool in self._intake.spools]
        for place in filter(Path.exists, places):
            return place
        raise FileNotFoundError(places[0])

    async def _lost(self, segment: Segment) -> bytes:
        """Neither `stored` nor in the spool: somebody removed it. What the store has counts if it is whole."""
        try:
            await self._require_stored(segment)
        except ObjectMissing:
            for spool, why in self._intake.absent.items():  # it may be there
                raise SpoolError(f"segment {segment.id} is in no spool that is here; {spool} is not: {why}") from None
            await self._catalog.footage.mark_missing([segment.id])
            raise SpoolError(f"segment {segment.id} is neither in the spool nor in the object store") from None
        digest = hashlib.sha256()
        for offset in range(0, segment.size_bytes, 1 << 20):
            digest.update(await self._store.read(segment.key, offset, min(1 << 20, segment.size_bytes - offset)))
        return digest.digest()

    async def _require_stored(self, segment: Segment) -> None:
        """Ask the store itself: ObjectMissing, or ObjectConflict if the object has another size."""
        actual_bytes = (await self._store.stat(segment.key)).size_bytes
        if actual_bytes != segment.size_bytes:
            raise ObjectConflict(f"object {segment.key} has {actual_bytes} bytes instead of {segment.size_bytes}")

    async def _look_over(self) -> None:
        """Ask what became of copies that an earlier life may have shipped; once in a while, of all copies."""
        now_us = self._clock.boot_us()
        unsure, self._intake.unsure = self._intake.unsure, set()
        if now_us >= self._look_over_at_us:
            self._look_over_at_us, self._looked_over_us = now_us + LOOK_OVER_US, now_us
            unsure = set(self._intake.copies)
        ids = sorted(unsure)
        for first in range(0, len(ids), _STATES_AT_ONCE):
            await self._release(ids[first : first + _STATES_AT_ONCE])

    async def _release(self, segment_ids: Sequence[UUID], *, put: Sequence[Segment] = ()) -> None:
        """Read states back and let go of the copies that are safe, or no longer wanted."""
        states = await self._catalog.footage.states(segment_ids)
        known = {segment.id: segment for segment in put}
        room = asyncio.Semaphore(AT_ONCE)

        async def release(segment_id: UUID) -> None:
            async with room:
                await self._release_one(segment_id, states.get(segment_id), known.get(segment_id))

        async with asyncio.TaskGroup() as group:
            for segment_id in segment_ids:
                group.create_task(release(segment_id))

    async def _release_one(self, segment_id: UUID, state: SegmentState | None, put: Segment | None) -> None:
        if state in {SegmentState.PURGING, SegmentState.GONE} and put is not None:
            await self._store.delete(put.key)  # retention came in between, and its delete may have come before our put
        if state is SegmentState.GONE:
            await self.unlink(segment_id)
        elif state in {SegmentState.STORED, SegmentState.MISSING}:
            await self._release_stored(segment_id, state, put)
        elif state is None:
            self._intake.register_again(segment_id)

    async def _release_stored(self, segment_id: UUID, state: SegmentState, put: Segment | None) -> None:
        """Unlink the copy of a stored segment, once its object has been seen; without an object, put it again."""
        try:
            segment = put or await self._catalog.footage.segment(segment_id)
            if state is SegmentState.STORED:
                try:
                    await self._require_stored(segment)
                except (ObjectMissing, ObjectConflict):
                    await self._catalog.footage.mark_missing([segment_id])
                else:
                    await self.unlink(segment_id)
                    return
            if segment_id not in self.resting:
                await self._catalog.footage.stored({segment_id: await self._put(segment)})
                self._intake.unsure.add(segment_id)
        except (ObjectStoreError, SpoolError, OSError) as error:
            self._rest(segment_id, error)

    async def unlink(self, segment_id: UUID) -> None:
        """Remove a spool copy, if it is there still."""
        copy = self._intake.copies.get(segment_id)
        if copy is not None:
            with suppress(FileNotFoundError):
                await asyncio.get_running_loop().run_in_executor(self._threads, files.unlink, copy.path)
            self._intake.drop(segment_id)

    def _rest(self, segment_id: UUID, error: Exception) -> None:
        log.warning("upload_failed", segment=str(segment_id), error=str(error))
        self.resting[segment_id] = (self._clock.boot_us() + REST_US, str(error))


def _sha256(path: Path, size_bytes: int) -> bytes:
    """The hash of a spool file, which must have the size that was registered."""
    with os.fdopen(files.open_read(path), "rb") as file:
        actual_bytes = files.size_bytes(file.fileno())
        if actual_bytes != size_bytes:
            raise SpoolError(f"{path} has {actual_bytes} bytes, not the {size_bytes} that were registered")
        return hashlib.file_digest(file, "sha256").digest()
