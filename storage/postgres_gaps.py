"""Gaps, runs and events in the PostgreSQL catalog (contract: `storage.catalog.Gaps`; rules: `storage.gap_ledger`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from storage import journal_import
from storage.declaration import settle
from storage.postgres_journal import PostgresRunBook
from storage.postgres_ledger import declare_until, declared_until, load_ledgers, lock_streams
from storage.postgres_rows import event_of, gap_of, text
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from media.errors import GapReason
    from storage.journal import JournalRecord
    from storage.model import Event, Gap
    from storage.postgres_database import PostgresDatabase

_SQL = statements("postgres/gaps")


class PostgresGaps:
    """The `Gaps` of a PostgreSQL catalog."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def journal_offset(self, run: int) -> int:
        """See `Gaps.journal_offset`."""
        rows = await self._database.fetch(_SQL["run"], run)
        return rows[0]["journal_offset"] if rows else 0

    async def import_journal(self, run: int, records: Sequence[JournalRecord]) -> None:
        """See `Gaps.import_journal`."""
        if records and records[-1].end_offset > await self.journal_offset(run):
            await self._database.write(partial(_import, run=run, records=records))

    async def settle(self, run: int) -> None:
        """See `Gaps.settle`. One transaction a stream: each is settled or not, and the next call does the rest."""
        for row in await self._database.fetch(_SQL["streams_of_run"], run):
            await self._database.write(partial(_settle, run=run, stream=row["stream"]))

    async def stitch(
        self, stream: UUID, *, from_us: int | None = None, until_us: int | None, reason: GapReason, detail: str = ""
    ) -> list[Gap]:
        """See `Gaps.stitch`."""

        async def work(connection: Any) -> list[Gap]:
            await lock_streams(connection, [stream])
            start_us = await _expected_since(connection, stream) if from_us is None else from_us
            if start_us is None:
                return []
            ledgers = await load_ledgers(connection, {stream: start_us})
            ledger = ledgers.by_stream[stream]
            if until_us is None:
                made = ledger.fill_open(start_us, reason, text(detail))
            else:
                made = ledger.fill(start_us, until_us, reason, text(detail))
            await ledgers.write(connection)
            return made

        return await self._database.write(work)

    async def gaps(self, stream: UUID, from_us: int, to_us: int) -> list[Gap]:
        """See `Gaps.gaps`."""
        return [gap_of(row) for row in await self._database.fetch(_SQL["overlapping"], stream, from_us, to_us)]

    async def lacking(self, stream: UUID, from_us: int, to_us: int, step_us: int) -> list[int]:
        """See `Gaps.lacking`."""
        rows = await self._database.fetch(_SQL["lacking"], stream, from_us, to_us, step_us)
        return [row["begin_us"] for row in rows]

    async def events(self, stream: UUID, from_us: int, to_us: int) -> list[Event]:
        """See `Gaps.events`."""
        return [event_of(row) for row in await self._database.fetch(_SQL["events"], stream, from_us, to_us)]

    async def expected_since(self) -> dict[UUID, int]:
        """See `Gaps.expected_since`."""
        return {row["id"]: row["since_us"] for row in await self._database.fetch(_SQL["expected"], None)}


async def _import(connection: Any, run: int, records: Sequence[JournalRecord]) -> None:
    await connection.execute(_SQL["meet_run"], run)
    row = await connection.fetchrow(_SQL["lock_run"], run)
    new = [record for record in records if record.end_offset > row["journal_offset"]]
    if new:
        book = await PostgresRunBook.load(connection, row, new)
        journal_import.take(book, new)
        await book.close(connection, new[-1].end_offset)


async def _settle(connection: Any, run: int, stream: UUID) -> None:
    await lock_streams(connection, [stream])
    ended_us = (await connection.fetchrow(_SQL["run"], run))["ended_us"]
    mine = await connection.fetchrow(_SQL["stream_of_run"], run, stream)
    declared_us = (await declared_until(connection, [stream])).get(stream)
    start_us = mine["started_us"] if declared_us is None else declared_us
    ledgers = await load_ledgers(connection, {stream: start_us})
    ledger = ledgers.by_stream[stream]
    until_us = settle(ledger, start_us, taken_over_us=mine["taken_over_us"], stopped=ended_us is not None)
    await ledgers.write(connection)
    await declare_until(connection, {stream: until_us})


async def _expected_since(connection: Any, stream: UUID) -> int | None:
    row = await connection.fetchrow(_SQL["expected"], stream)
    return None if row is None else row["since_us"]
