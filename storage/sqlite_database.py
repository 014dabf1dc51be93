"""One SQLite file, used by several processes at once, off the event loop.

Writes run one after another on a thread of their own, each as one `BEGIN IMMEDIATE` transaction of at most 1000 rows:
a deferred one that reads first and then writes fails at once with "database is locked" when another process wrote in
between, and a long one stalls the other processes. Reads run beside them, each in a transaction of its own, so that
several statements see one state. WAL with `synchronous=FULL`: what is committed survives a power cut.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from media.errors import CatalogError
from storage import sqlite_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Work = Callable[[sqlite3.Connection], "T"]

T = TypeVar("T")

MAX_ROWS = 1000
READERS = 2
BUSY_TIMEOUT_MS = 10_000
_CACHE_KIB = 32_768


class Database:
    """Connections and their threads. `largest_write_rows` is the most rows one transaction changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer = ThreadPoolExecutor(1, "catalog-write")
        self._readers = ThreadPoolExecutor(READERS, "catalog-read")
        self.largest_write_rows = 0

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open or create the file, and bring its schema up to date. CatalogError if it is newer or not a catalog."""
        database = cls(path)

        def prepare() -> None:
            path.touch(0o600)  # it knows every camera; SQLite gives its other files the mode of this one
            sqlite_schema.migrate(database._connection(), path)

        try:
            await database._run(database._writer, prepare)
        except BaseException:
            await database.close()
            raise
        return database

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a reading thread, in a transaction that sees one state."""

        def reading() -> T:
            connection = self._connection()
            with _transaction(connection, "BEGIN"):
                return work(connection)

        return await self._run(self._readers, reading)

    async def write(self, work: Work[T]) -> T:
        """Run `work` on the writing thread, in one transaction: all of it is durable on return, or nothing happened."""

        def writing() -> T:
            connection = self._connection()
            before = connection.total_changes
            with _transaction(connection, "BEGIN IMMEDIATE"):
                answer = work(connection)
            self.largest_write_rows = max(self.largest_write_rows, connection.total_changes - before)
            return answer

        return await self._run(self._writer, writing)

    async def close(self) -> None:
        """Finish what was begun, then close the file."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for pool in (self._writer, self._readers):
            pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except (sqlite3.Error, OSError) as error:
            raise CatalogError(f"catalog {self._path}: {error}", hint=_hint(error)) from error

    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False
            )
            self._connections.append(connection)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _hint(error: Exception) -> str:
    if "locked" in str(error):
        return f"another process has been writing for {BUSY_TIMEOUT_MS // 1000} s"
    if "malformed" in str(error) or "not a database" in str(error):
        return "restore the file from a backup; footage in the object store is not affected"
    return ""
