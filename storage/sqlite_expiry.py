"""Marks and tombstones in the SQLite catalog (contract: `storage.catalog.Expiry`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.sqlite_rows import expiring_of, segment_of, tombstone_of
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection
    from uuid import UUID

    from storage.model import Expiring, Segment, Tombstone
    from storage.sqlite_database import Database

_SQL = statements("expiry")

_EVER_US = 1 << 62  # later than every instant; its negative is earlier


class SqliteExpiry:
    """The `Expiry` of a SQLite catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        bounds = {
            "stream": stream.bytes,
            "limit": limit,
            "ended_by_us": _EVER_US if ended_by_us is None else ended_by_us,
            "ended_after_us": -_EVER_US if ended_after_us is None else ended_after_us,
        }
        statement = _SQL["marked_candidates" if marked else "unmarked_candidates"]
        return await self._database.read(
            lambda connection: [expiring_of(row) for row in connection.execute(statement, bounds)]
        )

    async def unmarked(self, stream: UUID, *, ended_after_us: int, ended_by_us: int) -> tuple[int, int]:
        """See `Expiry.unmarked`."""
        bounds = {"stream": stream.bytes, "ended_after_us": ended_after_us, "ended_by_us": ended_by_us}
        row = await self._database.read(lambda connection: connection.execute(_SQL["unmarked"], bounds).fetchone())
        return row["segments"], row["size_bytes"]

    async def mark(self, segment_ids: Sequence[UUID], *, now_us: int, policy: str, reason: str) -> int:
        """See `Expiry.mark`."""
        return await self._change("mark", segment_ids, {"now_us": now_us, "policy": policy, "reason": reason})

    async def unmark(self, segment_ids: Sequence[UUID]) -> int:
        """See `Expiry.unmark`."""
        return await self._change("unmark", segment_ids, {})

    async def purge(self, segment_ids: Sequence[UUID]) -> list[Segment]:
        """See `Expiry.purge`."""

        def write(connection: Connection) -> list[Segment]:
            purging = []
            for segment_id in segment_ids:
                connection.execute(_SQL["purge"], {"id": segment_id.bytes})
                purging += connection.execute(_SQL["purging_row"], {"id": segment_id.bytes}).fetchall()
            return [segment_of(row) for row in purging]

        return await self._database.write(write)

    async def purging(self, limit: int) -> list[Segment]:
        """See `Expiry.purging`."""
        return await self._database.read(
            lambda connection: [segment_of(row) for row in connection.execute(_SQL["purging"], {"limit": limit})]
        )

    async def tombstone(self, segment_ids: Sequence[UUID], *, now_us: int) -> int:
        """See `Expiry.tombstone`."""

        def write(connection: Connection) -> int:
            buried = 0
            for segment_id in segment_ids:
                connection.execute(_SQL["bury"], {"id": segment_id.bytes, "now_us": now_us})
                buried += connection.execute(_SQL["remove"], {"id": segment_id.bytes}).rowcount
            return buried

        return await self._database.write(write)

    async def tombstones(self, stream: UUID, from_us: int, to_us: int) -> list[Tombstone]:
        """See `Expiry.tombstones`."""
        bounds = {"stream": stream.bytes, "from_us": from_us, "to_us": to_us}
        return await self._database.read(
            lambda connection: [tombstone_of(row) for row in connection.execute(_SQL["tombstones"], bounds)]
        )

    async def _change(self, statement: str, segment_ids: Sequence[UUID], values: dict[str, int | str]) -> int:
        def write(connection: Connection) -> int:
            rows = ({"id": segment_id.bytes, **values} for segment_id in segment_ids)
            return connection.executemany(_SQL[statement], rows).rowcount

        return await self._database.write(write)
