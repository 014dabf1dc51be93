"""Gaps, runs and events in the SQLite catalog (contract: `storage.catalog.Gaps`; rules: `storage.gap_ledger`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from storage.declaration import settle
from storage.journal_import import first_us, take
from storage.sqlite_journal import SqliteRunBook
from storage.sqlite_ledger import declare_until, declared_until, load_ledger, write_gaps
from storage.sqlite_rows import event_of, gap_of
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from media.errors import GapReason
    from storage.journal import JournalRecord
    from storage.model import Event, Gap
    from storage.sqlite_database import Database

_SQL = statements("gaps")


class SqliteGaps:
    """The `Gaps` of a SQLite catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def journal_offset(self, run: int) -> int:
        """See `Gaps.journal_offset`."""
        return await self._database.read(lambda connection: _journal_offset(connection, run))

    async def import_journal(self, run: int, records: Sequence[JournalRecord]) -> None:
        """See `Gaps.import_journal`."""
        await self._database.write(lambda connection: _import(connection, run, records))

    async def settle(self, run: int) -> None:
        """See `Gaps.settle`. One transaction a stream: each is settled or not, and the next call does the rest."""
        for stream in await self._database.read(lambda connection: _streams_of_run(connection, run)):
            await self._database.write(partial(_settle, run=run, stream=stream))

    async def stitch(
        self, stream: UUID, *, from_us: int | None = None, until_us: int | None, reason: GapReason, detail: str = ""
    ) -> list[Gap]:
        """See `Gaps.stitch`."""

        def write(connection: Connection) -> list[Gap]:
            start_us = _expected_since(connection, stream) if from_us is None else from_us
            if start_us is None:
                return []
            ledger = load_ledger(connection, stream, start_us)
            before = list(ledger.gaps)
            if until_us is None:
                made = ledger.fill_open(start_us, reason, detail)
            else:
                made = ledger.fill(start_us, until_us, reason, detail)
            write_gaps(connection, before, ledger.gaps)
            return made

        return await self._database.write(write)

    async def gaps(self, stream: UUID, from_us: int, to_us: int) -> list[Gap]:
        """See `Gaps.gaps`."""
        bounds = {"stream": stream.bytes, "from_us": from_us, "to_us": to_us}
        return await self._database.read(
            lambda connection: [gap_of(row) for row in connection.execute(_SQL["overlapping"], bounds)]
        )

    async def lacking(self, stream: UUID, from_us: int, to_us: int, step_us: int) -> list[int]:
        """See `Gaps.lacking`."""
        bounds = {"stream": stream.bytes, "from_us": from_us, "to_us": to_us, "step_us": step_us}
        return await self._database.read(
            lambda connection: [begin_us for (begin_us,) in connection.execute(_SQL["lacking"], bounds)]
        )

    async def events(self, stream: UUID, from_us: int, to_us: int) -> list[Event]:
        """See `Gaps.events`."""
        bounds = {"stream": stream.bytes, "from_us": from_us, "to_us": to_us}
        return await self._database.read(
            lambda connection: [event_of(row) for row in connection.execute(_SQL["events"], bounds)]
        )

    async def expected_since(self) -> dict[UUID, int]:
        """See `Gaps.expected_since`."""
        rows = await self._database.read(lambda connection: connection.execute(_SQL["expected"]).fetchall())
        return {UUID(bytes=row["id"]): row["since_us"] for row in rows}


def _journal_offset(connection: Connection, run: int) -> int:
    row = connection.execute(_SQL["run"], {"run": run}).fetchone()
    return 0 if row is None else row["journal_offset"]


def _import(connection: Connection, run: int, records: Sequence[JournalRecord]) -> None:
    offset = _journal_offset(connection, run)
    new = [record for record in records if record.end_offset > offset]
    if new:
        book = SqliteRunBook(connection, run, first_us(new))
        take(book, new)
        book.close(new[-1].end_offset)


def _streams_of_run(connection: Connection, run: int) -> list[UUID]:
    return [UUID(bytes=row["stream"]) for row in connection.execute(_SQL["streams_of_run"], {"run": run})]


def _settle(connection: Connection, run: int, stream: UUID) -> None:
    ended_us = connection.execute(_SQL["run"], {"run": run}).fetchone()["ended_us"]
    mine = connection.execute(_SQL["stream_of_run"], {"run": run, "stream": stream.bytes}).fetchone()
    declared_us = declared_until(connection, stream)
    start_us = mine["started_us"] if declared_us is None else declared_us
    ledger = load_ledger(connection, stream, start_us)
    before = list(ledger.gaps)
    until_us = settle(ledger, start_us, taken_over_us=mine["taken_over_us"], stopped=ended_us is not None)
    write_gaps(connection, before, ledger.gaps)
    declare_until(connection, stream, until_us)


def _expected_since(connection: Connection, stream: UUID) -> int | None:
    rows = connection.execute(_SQL["expected"]).fetchall()
    return next((row["since_us"] for row in rows if row["id"] == stream.bytes), None)
