"""Segments in the SQLite catalog (contract: `storage.catalog.Footage`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from media.errors import NotFound
from storage.declaration import give_up, take_in, window_us
from storage.model import SegmentState, newest_of
from storage.sqlite_ledger import (
    adopt_stream,
    clock_stepped,
    declare_until,
    declared_until,
    load_ledger,
    write_gaps,
)
from storage.sqlite_rows import segment_columns, segment_of, stretch_of
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from sqlite3 import Connection
    from uuid import UUID

    from media.errors import GapReason
    from storage.model import Segment, Stretch
    from storage.sqlite_database import Database

_SQL = statements("footage")


class SqliteFootage:
    """The `Footage` of a SQLite catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, segments: Sequence[tuple[Segment, bytes]]) -> None:
        """See `Footage.register`."""
        await self._database.write(lambda connection: _register(connection, segments))

    async def begin_upload(self, segment_ids: Sequence[UUID]) -> None:
        """See `Footage.begin_upload`."""
        await self._move("begin_upload", ({"id": segment_id.bytes} for segment_id in segment_ids))

    async def stored(self, sha256: Mapping[UUID, bytes]) -> None:
        """See `Footage.stored`."""
        await self._move(
            "stored", ({"id": segment_id.bytes, "sha256": digest} for segment_id, digest in sha256.items())
        )

    async def mark_missing(self, segment_ids: Sequence[UUID]) -> None:
        """See `Footage.mark_missing`."""
        await self._move("mark_missing", ({"id": segment_id.bytes} for segment_id in segment_ids))

    async def give_up(self, segment_ids: Sequence[UUID], *, reason: GapReason, detail: str = "") -> list[UUID]:
        """See `Footage.give_up`."""
        return await self._database.write(lambda connection: _give_up(connection, segment_ids, reason, detail))

    async def waiting(self, limit: int) -> list[Segment]:
        """See `Footage.waiting`."""

        def read(connection: Connection) -> list[Segment]:
            newest = newest_of(limit)
            rows = connection.execute(_SQL["waiting_newest"], {"limit": newest}).fetchall()
            rows += connection.execute(_SQL["waiting_oldest"], {"limit": limit - newest})
            return list({row["id"]: segment_of(row) for row in rows}.values())

        return await self._database.read(read)

    async def segment(self, segment_id: UUID) -> Segment:
        """See `FootageReader.segment`."""
        row = await self._database.read(
            lambda connection: connection.execute(_SQL["segment"], {"id": segment_id.bytes}).fetchone()
        )
        if row is None:
            raise NotFound(f"no segment {segment_id}")
        return segment_of(row)

    async def segments(self, stream: UUID, from_us: int, to_us: int, *, marked: bool = False) -> list[Segment]:
        """See `FootageReader.segments`."""
        bounds = {"stream": stream.bytes, "from_us": from_us, "to_us": to_us, "marked": marked}
        return await self._database.read(
            lambda connection: [segment_of(row) for row in connection.execute(_SQL["overlapping"], bounds)]
        )

    async def stretches(self, stream: UUID, from_us: int, to_us: int) -> list[Stretch]:
        """See `FootageReader.stretches`."""
        bounds = {"stream": stream.bytes, "from_us": from_us, "to_us": to_us}
        return await self._database.read(
            lambda connection: [stretch_of(row) for row in connection.execute(_SQL["stretches"], bounds)]
        )

    async def recorded(self, stream: UUID, from_us: int, to_us: int, step_us: int) -> list[int]:
        """See `FootageReader.recorded`."""
        bounds = {"stream": stream.bytes, "from_us": from_us, "to_us": to_us, "step_us": step_us}
        return await self._database.read(
            lambda connection: [begin_us for (begin_us,) in connection.execute(_SQL["recorded"], bounds)]
        )

    async def sample_tables(self, segment_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        """See `FootageReader.sample_tables`."""

        def read(connection: Connection) -> dict[UUID, bytes]:
            found = {}
            for segment_id in segment_ids:
                row = connection.execute(_SQL["samples"], {"id": segment_id.bytes}).fetchone()
                if row is not None:
                    found[segment_id] = row["samples"]
            return found

        return await self._database.read(read)

    async def states(self, segment_ids: Sequence[UUID]) -> dict[UUID, SegmentState]:
        """See `FootageReader.states`."""

        def read(connection: Connection) -> dict[UUID, SegmentState]:
            found = {}
            for segment_id in segment_ids:
                row = connection.execute(_SQL["state"], {"id": segment_id.bytes}).fetchone()
                if row is not None:
                    found[segment_id] = SegmentState(row["state"])
            return found

        return await self._database.read(read)

    async def _move(self, statement: str, rows: Iterable[dict[str, bytes]]) -> None:
        await self._database.write(lambda connection: connection.executemany(_SQL[statement], rows))


def _register(connection: Connection, segments: Sequence[tuple[Segment, bytes]]) -> None:
    new: dict[UUID, list[Segment]] = {}
    for segment, samples in segments:
        identity = segment.identity
        adopt_stream(connection, identity.stream, identity.camera, identity.epoch)
        if connection.execute(_SQL["register"], segment_columns(segment)).rowcount == 1:
            connection.execute(_SQL["register_samples"], {"id": segment.id.bytes, "samples": samples})
            new.setdefault(identity.stream, []).append(segment)
    for stream, arrived in new.items():
        _declare(connection, stream, arrived)


def _declare(connection: Connection, stream: UUID, arrived: Sequence[Segment]) -> None:
    """Let gaps give way to new footage, and declare what is missing before it."""
    declared_us = declared_until(connection, stream)
    ledger = load_ledger(connection, stream, window_us(arrived, declared_us))
    before = list(ledger.gaps)
    declared_us = take_in(
        ledger,
        arrived,
        declared_us,
        is_known=lambda segment_id: connection.execute(_SQL["state"], {"id": segment_id.bytes}).fetchone() is not None,
        clock_stepped=partial(clock_stepped, connection),
    )
    write_gaps(connection, before, ledger.gaps)
    if declared_us is not None:
        declare_until(connection, stream, declared_us)


def _give_up(connection: Connection, segment_ids: Sequence[UUID], reason: GapReason, detail: str) -> list[UUID]:
    lost: dict[UUID, list[Segment]] = {}
    for segment_id in segment_ids:
        for row in connection.execute(_SQL["give_up"], {"id": segment_id.bytes}).fetchall():
            segment = segment_of(row)
            lost.setdefault(segment.identity.stream, []).append(segment)
    for stream, segments in lost.items():
        ledger = load_ledger(connection, stream, window_us(segments, None))
        before = list(ledger.gaps)
        give_up(ledger, segments, reason, detail)
        write_gaps(connection, before, ledger.gaps)
    return [segment.id for segments in lost.values() for segment in segments]
