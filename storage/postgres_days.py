"""The partitions of the PostgreSQL catalog: one for each day on which segments began, made before they come.

A day that nobody has made yet (older footage, a clock that is wrong) is made before the rows are written, in a
transaction of its own. Old ones go once they are empty, at a moment when nobody has to wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from media.errors import CatalogError
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.postgres_database import PostgresDatabase

_SQL = statements("postgres/schema")

log = structlog.get_logger(__name__)

DAY_US = 86_400_000_000
AHEAD = 2
"""So many days after the newest one have partitions already: none has to be made at midnight."""


class Days:
    """Which days this process knows to be there."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._known: set[int] = set()
        self._swept: int | None = None

    async def make(self, starts_us: Iterable[int]) -> None:
        """Partitions for segments that begin then, and for the days to come."""
        days = {start_us // DAY_US for start_us in starts_us}
        days |= {max(days) + ahead for ahead in range(1, AHEAD + 1)} if days else set()
        missing = sorted(days - self._known)
        if missing:

            async def work(connection: Any) -> None:
                await connection.execute(_SQL["days_alone"])
                await connection.execute(_SQL["make_days"], missing)

            await self._database.write(work)
            self._known |= days

    def forget(self) -> None:
        """Another process dropped one."""
        self._known.clear()

    async def sweep(self, deleted_us: Iterable[int]) -> None:
        """Drop empty partitions before the day of segments that were deleted; looked at once for each such day.

        When somebody is at work for so long that it would have to wait, it is left for the next call; so it is when it
        fails, as what was asked for is done, but then that is said.
        """
        newest = max((start_us // DAY_US for start_us in deleted_us), default=None)
        if newest is None or (self._swept is not None and newest <= self._swept):
            return

        async def work(connection: Any) -> int:
            for statement in ("days_alone", "hurry"):
                await connection.execute(_SQL[statement])
            dropped: int = await connection.fetchval(_SQL["drop_empty_days"], newest)
            return dropped

        try:
            dropped = await self._database.write(work)
        except CatalogError as error:
            if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                log.warning("days_not_dropped", error=str(error), hint=error.hint or None)
            return
        if dropped:
            self.forget()
        self._swept = newest
