"""Marks and tombstones in the PostgreSQL catalog (contract: `storage.catalog.Expiry`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage.postgres_footage import places
from storage.postgres_rows import expiring_of, segment_of, text, tombstone_of
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from storage.model import Expiring, Segment, Tombstone
    from storage.postgres_database import PostgresDatabase
    from storage.postgres_days import Days

_SQL = statements("postgres/expiry")

_EVER_US = 1 << 62  # later than every instant; its negative is earlier


class PostgresExpiry:
    """The `Expiry` of a PostgreSQL catalog."""

    def __init__(self, database: PostgresDatabase, days: Days) -> None:
        self._database = database
        self._days = days

    async def candidates(
        self,
        stream: UUID,
        *,
        marked: bool,
        limit: int,
        ended_by_us: int | None = None,
        ended_after_us: int | None = None,
    ) -> list[Expiring]:
        """See `Expiry.candidates`."""
        by_us = _EVER_US if ended_by_us is None else ended_by_us
        after_us = -_EVER_US if ended_after_us is None else ended_after_us
        statement = _SQL["marked_candidates" if marked else "unmarked_candidates"]
        return [expiring_of(row) for row in await self._database.fetch(statement, stream, by_us, after_us, limit)]

    async def unmarked(self, stream: UUID, *, ended_after_us: int, ended_by_us: int) -> tuple[int, int]:
        """See `Expiry.unmarked`."""
        (row,) = await self._database.fetch(_SQL["unmarked"], stream, ended_by_us, ended_after_us)
        return row["segments"], row["size_bytes"]

    async def mark(self, segment_ids: Sequence[UUID], *, now_us: int, policy: str, reason: str) -> int:
        """See `Expiry.mark`."""
        return len(await self._at("mark", segment_ids, now_us, policy, text(reason)))

    async def unmark(self, segment_ids: Sequence[UUID]) -> int:
        """See `Expiry.unmark`."""
        return len(await self._at("unmark", segment_ids))

    async def purge(self, segment_ids: Sequence[UUID]) -> list[Segment]:
        """See `Expiry.purge`."""
        found = await places(self._database, segment_ids)
        if found is None:
            return []

        async def work(connection: Any) -> list[Any]:
            await connection.execute(_SQL["purge"], *found)
            rows: list[Any] = await connection.fetch(_SQL["purging_at"], *found)
            return rows

        purging = {row["id"]: row for row in await self._database.write(work)}
        return [segment_of(purging[segment_id]) for segment_id in segment_ids if segment_id in purging]

    async def purging(self, limit: int) -> list[Segment]:
        """See `Expiry.purging`."""
        return [segment_of(row) for row in await self._database.fetch(_SQL["purging"], limit)]

    async def tombstone(self, segment_ids: Sequence[UUID], *, now_us: int) -> int:
        """See `Expiry.tombstone`. Days that became empty go with it."""
        gone = [row["start_us"] for row in await self._at("tombstone", segment_ids, now_us)]
        await self._days.sweep(gone)
        return len(gone)

    async def tombstones(self, stream: UUID, from_us: int, to_us: int) -> list[Tombstone]:
        """See `Expiry.tombstones`."""
        return [tombstone_of(row) for row in await self._database.fetch(_SQL["tombstones"], stream, from_us, to_us)]

    async def _at(self, statement: str, segment_ids: Sequence[UUID], *values: Any) -> list[Any]:
        found = await places(self._database, segment_ids)
        return [] if found is None else await self._database.fetch(_SQL[statement], *found, *values)
