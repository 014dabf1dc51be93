"""Changes on their way into journal objects, in the PostgreSQL catalog (contract: `storage.catalog.Outbox`).

The marks are written by triggers (storage/sql/postgres/migrations/0002_outbox.sql), in the transaction of the change.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from storage.catalog_journal import MOST_MARKS, Batch, JournalHead, JournalObject
from storage.catalog_journal_rows import Mark
from storage.model import Backlog
from storage.statements import statements

if TYPE_CHECKING:
    from storage.postgres_database import PostgresDatabase

_SQL = statements("postgres/outbox")


class PostgresOutbox:
    """The `Outbox` of a PostgreSQL catalog."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def backlog(self) -> Backlog:
        """See `Outbox.backlog`."""

        async def work(connection: Any) -> Backlog:
            nouns = [row["noun"] for row in await connection.fetch(_SQL["backlog"], MOST_MARKS)]
            composed = await connection.fetchrow(_SQL["composed"]) is not None
            return Backlog(changes=len(nouns), nouns=frozenset(nouns), composed=composed)

        return await self._database.read(work)

    async def head(self) -> JournalHead:
        """See `Outbox.head`."""
        return JournalHead(**dict((await self._database.fetch(_SQL["head"]))[0]))

    async def compose(self, *, writer: int, now_us: int) -> JournalObject | None:
        """See `Outbox.compose`."""
        return await self._database.write(partial(_compose, writer=writer, now_us=now_us))

    async def written(self, sequence: int) -> None:
        """See `Outbox.written`."""
        await self._database.fetch(_SQL["written"], sequence)


async def _compose(connection: Any, writer: int, now_us: int) -> JournalObject | None:
    before = JournalHead(**dict(await connection.fetchrow(_SQL["lock_head"])))
    row = await connection.fetchrow(_SQL["composed"])
    if row is not None:
        return JournalObject(**dict(row))
    batch = Batch()
    for each in await connection.fetch(_SQL["marks"], MOST_MARKS):
        if batch.full:
            break
        mark = Mark(**dict(each))
        batch.add(mark, None if batch.knows(mark) else await _told(connection, mark))
    await connection.execute(_SQL["forget"], batch.numbers)
    composed = batch.composed(before, writer=writer, at_us=now_us)
    if composed is None:
        return None
    new, head = composed
    await connection.execute(_SQL["compose"], new.sequence, new.key, new.content)
    await connection.execute(_SQL["move_head"], head.sequence, head.sha256, head.composed_us)
    return new


async def _told(connection: Any, mark: Mark) -> Any:
    """The row that a mark points to, by those of its fields that are set; the order is that of the statements."""
    fields = (mark.id, mark.name, mark.start_us, mark.run, mark.event)
    return await connection.fetchrow(_SQL[f"told_{mark.noun}"], *(value for value in fields if value is not None))
