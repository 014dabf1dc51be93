"""Changes on their way into journal objects, in the SQLite catalog (contract: `storage.catalog.Outbox`).

The marks are written by triggers (storage/sql/migrations/0007_outbox.sql), in the transaction of the change itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from storage.catalog_journal import MOST_MARKS, Batch, JournalHead, JournalObject
from storage.catalog_journal_rows import Mark
from storage.model import Backlog
from storage.statements import statements

if TYPE_CHECKING:
    from sqlite3 import Connection

    from storage.sqlite_database import Database

_SQL = statements("outbox")


class SqliteOutbox:
    """The `Outbox` of a SQLite catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def backlog(self) -> Backlog:
        """See `Outbox.backlog`."""

        def read(connection: Connection) -> Backlog:
            nouns = [noun for (noun,) in connection.execute(_SQL["backlog"], {"limit": MOST_MARKS})]
            composed = connection.execute(_SQL["composed"]).fetchone() is not None
            return Backlog(changes=len(nouns), nouns=frozenset(nouns), composed=composed)

        return await self._database.read(read)

    async def head(self) -> JournalHead:
        """See `Outbox.head`."""
        return await self._database.read(_head)

    async def compose(self, *, writer: int, now_us: int) -> JournalObject | None:
        """See `Outbox.compose`."""
        return await self._database.write(lambda connection: _compose(connection, writer, now_us))

    async def written(self, sequence: int) -> None:
        """See `Outbox.written`."""
        await self._database.write(lambda connection: connection.execute(_SQL["written"], {"sequence": sequence}))


def _head(connection: Connection) -> JournalHead:
    row = connection.execute(_SQL["head"]).fetchone()
    return JournalHead(**{**dict(row), "catalog": UUID(bytes=row["catalog"])})


def _compose(connection: Connection, writer: int, now_us: int) -> JournalObject | None:
    row = connection.execute(_SQL["composed"]).fetchone()
    if row is not None:
        return JournalObject(**dict(row))
    batch = Batch()
    for row in connection.execute(_SQL["marks"], {"limit": MOST_MARKS}).fetchall():
        if batch.full:
            break
        mark = Mark(**{**dict(row), "id": None if row["id"] is None else UUID(bytes=row["id"])})
        told = None if batch.knows(mark) else connection.execute(_SQL[f"told_{mark.noun}"], dict(row)).fetchone()
        batch.add(mark, told)
    connection.executemany(_SQL["forget"], ({"number": number} for number in batch.numbers))
    composed = batch.composed(_head(connection), writer=writer, at_us=now_us)
    if composed is None:
        return None
    new, head = composed
    connection.execute(_SQL["compose"], {"sequence": new.sequence, "key": new.key, "content": new.content})
    moved = {"sequence": head.sequence, "sha256": head.sha256, "composed_us": head.composed_us}
    connection.execute(_SQL["move_head"], moved)
    return new
