"""Segments in the PostgreSQL catalog (contract: `storage.catalog.Footage`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg

from media.errors import NotFound
from storage.declaration import CLOCK_STEP_SLACK_US, give_up, predecessor, take_in, window_us
from storage.model import SegmentState, newest_of
from storage.postgres_ledger import declare_until, declared_until, load_ledgers, lock_streams
from storage.postgres_rows import places_of, segment_of, segment_records, stretch_of, text
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from media.errors import GapReason
    from storage.coverage import Interval
    from storage.model import Segment, Stretch
    from storage.postgres_database import PostgresDatabase
    from storage.postgres_days import Days
    from storage.postgres_rows import Places

_SQL = statements("postgres/footage")
_GAPS = statements("postgres/gaps")


class PostgresFootage:
    """The `Footage` of a PostgreSQL catalog."""

    def __init__(self, database: PostgresDatabase, days: Days) -> None:
        self._database = database
        self._days = days

    async def register(self, segments: Sequence[tuple[Segment, bytes]]) -> None:
        """See `Footage.register`."""
        if not segments:
            await self._database.fetch(_SQL["nothing"])  # nothing to do, but not without a catalog
            return
        starts_us = {segment.start_us for segment, _ in segments}
        await self._days.make(starts_us)

        async def work(connection: Any) -> bool:
            try:
                await _register(connection, segments)
            except asyncpg.CheckViolationError as error:
                if error.constraint_name is not None:
                    raise
                raise _NoPartitionError from error
            return True

        try:
            await self._database.write(work)
        except _NoPartitionError:  # retention dropped an empty day that this process knew
            self._days.forget()
            await self._days.make(starts_us)
            await self._database.write(work)

    async def begin_upload(self, segment_ids: Sequence[UUID]) -> None:
        """See `Footage.begin_upload`."""
        await self._move("begin_upload", segment_ids)

    async def stored(self, sha256: Mapping[UUID, bytes]) -> None:
        """See `Footage.stored`."""
        found = await places(self._database, list(sha256))
        if found is not None:
            await self._database.fetch(_SQL["stored"], *found, [sha256[segment_id] for segment_id in found[0]])

    async def mark_missing(self, segment_ids: Sequence[UUID]) -> None:
        """See `Footage.mark_missing`."""
        await self._move("mark_missing", segment_ids)

    async def give_up(self, segment_ids: Sequence[UUID], *, reason: GapReason, detail: str = "") -> list[UUID]:
        """See `Footage.give_up`."""
        found = await places(self._database, segment_ids)
        if found is None:
            return []
        return await self._database.write(partial(_give_up, found=found, reason=reason, detail=text(detail)))

    async def waiting(self, limit: int) -> list[Segment]:
        """See `Footage.waiting`."""
        newest = newest_of(limit)
        rows = await self._database.fetch(_SQL["waiting"], newest, limit - newest)
        return list({row["id"]: segment_of(row) for row in rows}.values())

    async def segment(self, segment_id: UUID) -> Segment:
        """See `FootageReader.segment`."""
        rows = await self._at("segments_at", [segment_id])
        if not rows:
            raise NotFound(f"no segment {segment_id}")
        return segment_of(rows[0])

    async def segments(self, stream: UUID, from_us: int, to_us: int, *, marked: bool = False) -> list[Segment]:
        """See `FootageReader.segments`."""
        return [
            segment_of(row) for row in await self._database.fetch(_SQL["overlapping"], stream, from_us, to_us, marked)
        ]

    async def stretches(self, stream: UUID, from_us: int, to_us: int) -> list[Stretch]:
        """See `FootageReader.stretches`."""
        return [stretch_of(row) for row in await self._database.fetch(_SQL["stretches"], stream, from_us, to_us)]

    async def recorded(self, stream: UUID, from_us: int, to_us: int, step_us: int) -> list[int]:
        """See `FootageReader.recorded`."""
        rows = await self._database.fetch(_SQL["recorded"], stream, from_us, to_us, step_us)
        return [row["begin_us"] for row in rows]

    async def sample_tables(self, segment_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        """See `FootageReader.sample_tables`."""
        return {row["segment"]: row["samples"] for row in await self._at("samples", segment_ids)}

    async def states(self, segment_ids: Sequence[UUID]) -> dict[UUID, SegmentState]:
        """See `FootageReader.states`."""
        return {row["id"]: SegmentState(row["state"]) for row in await self._at("states", segment_ids)}

    async def _move(self, statement: str, segment_ids: Sequence[UUID]) -> None:
        await self._at(statement, segment_ids)

    async def _at(self, statement: str, segment_ids: Sequence[UUID]) -> list[Any]:
        """A statement about segments by id, once it is known where they are: which never changes."""
        found = await places(self._database, segment_ids)
        return [] if found is None else await self._database.fetch(_SQL[statement], *found)


class _NoPartitionError(Exception):
    """There is no partition for a row."""


async def places(database: PostgresDatabase, segment_ids: Sequence[UUID]) -> Places | None:
    """Where segments are."""
    return places_of(await database.fetch(_SQL["places"], list(segment_ids)) if segment_ids else [])


async def _register(connection: Any, segments: Sequence[tuple[Segment, bytes]]) -> None:
    streams = {segment.identity.stream: segment.identity for segment, _ in reversed(segments)}
    await lock_streams(connection, streams)
    await connection.execute(
        _GAPS["adopt_streams"],
        list(streams),
        [identity.camera for identity in streams.values()],
        [identity.epoch for identity in streams.values()],
    )
    offered = {segment.id: (segment, samples) for segment, samples in reversed(segments)}  # of two the first counts
    starts_us = [segment.start_us for segment, _ in offered.values()]
    claimed = [offered[row["id"]] for row in await connection.fetch(_SQL["claim"], list(offered), starts_us)]
    if claimed:
        await _copy(connection, claimed)
        await _declare(connection, [segment for segment, _ in claimed])


async def _copy(connection: Any, claimed: Sequence[tuple[Segment, bytes]]) -> None:
    columns, records = segment_records(segment for segment, _ in claimed)
    await connection.copy_records_to_table("segments", schema_name="hulta", columns=columns, records=records)
    tables = [(segment.id, segment.start_us, samples) for segment, samples in claimed]
    await connection.copy_records_to_table(
        "segment_samples", schema_name="hulta", columns=["segment", "start_us", "samples"], records=tables
    )


async def _declare(connection: Any, arrived: Sequence[Segment]) -> None:
    """Let gaps give way to new footage, and declare what is missing before it."""
    by_stream: dict[UUID, list[Segment]] = {}
    for segment in arrived:
        by_stream.setdefault(segment.identity.stream, []).append(segment)
    declared = await declared_until(connection, by_stream)
    windows = {stream: window_us(new, declared[stream]) for stream, new in by_stream.items()}
    ledgers = await load_ledgers(connection, windows)
    before = [segment_id for segment in arrived if (segment_id := predecessor(segment)) is not None]
    known = {row["id"] for row in await connection.fetch(_SQL["known"], before)}
    stepped = await _clock_steps(connection, arrived, min(windows.values()))
    until_us = {
        stream: take_in(
            ledgers.by_stream[stream], new, declared[stream], is_known=known.__contains__, clock_stepped=stepped
        )
        for stream, new in by_stream.items()
    }
    await ledgers.write(connection)
    await declare_until(connection, {stream: at_us for stream, at_us in until_us.items() if at_us is not None})


async def _clock_steps(connection: Any, arrived: Sequence[Segment], from_us: int) -> Callable[[int, Interval], bool]:
    """Whether the clock of a run stepped around a hole, for the runs and the times of what arrived."""
    runs = {segment.identity.run for segment in arrived}
    until_us = max(segment.end_us for segment in arrived) + CLOCK_STEP_SLACK_US
    rows = await connection.fetch(_GAPS["clock_steps"], list(runs), from_us - CLOCK_STEP_SLACK_US, until_us)
    steps = [(row["run"], row["at_us"]) for row in rows]

    def stepped(run: int, hole: Interval) -> bool:
        first_us, last_us = hole.start_us - CLOCK_STEP_SLACK_US, hole.end_us + CLOCK_STEP_SLACK_US
        return any(run == which and first_us <= at_us <= last_us for which, at_us in steps)

    return stepped


async def _give_up(connection: Any, found: Places, reason: GapReason, detail: str) -> list[UUID]:
    streams = {row["stream"] for row in await connection.fetch(_SQL["segments_at"], *found)}
    await lock_streams(connection, streams)
    lost: dict[UUID, list[Segment]] = {}
    for row in await connection.fetch(_SQL["give_up"], *found):
        lost.setdefault(row["stream"], []).append(segment_of(row))
    if lost:
        windows = {stream: window_us(segments, None) for stream, segments in lost.items()}
        ledgers = await load_ledgers(connection, windows)
        for stream, segments in lost.items():
            give_up(ledgers.by_stream[stream], segments, reason, detail)
        await ledgers.write(connection)
    return [segment.id for segments in lost.values() for segment in segments]
