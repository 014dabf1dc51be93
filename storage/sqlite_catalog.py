"""The embedded catalog: one SQLite file in the data directory (contract: `storage.catalog.Catalog`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Self

from storage.secrets import SecretBox
from storage.sqlite_database import Database
from storage.sqlite_expiry import SqliteExpiry
from storage.sqlite_footage import SqliteFootage
from storage.sqlite_gaps import SqliteGaps
from storage.sqlite_inventory import SqliteInventory
from storage.sqlite_outbox import SqliteOutbox

if TYPE_CHECKING:
    from pathlib import Path

    from storage.clock import Clock


class SqliteCatalog:
    """Inventory, footage, gaps, expiry and outbox over one database. Several processes may have it open at once."""

    def __init__(self, database: Database, clock: Clock, box: SecretBox | None, key: Path) -> None:
        self.database = database
        self.inventory = SqliteInventory(database, clock, cache(lambda: box or SecretBox.at(key)))
        self.footage = SqliteFootage(database)
        self.gaps = SqliteGaps(database)
        self.expiry = SqliteExpiry(database)
        self.outbox = SqliteOutbox(database)

    @classmethod
    async def open(cls, path: Path, clock: Clock, box: SecretBox | None = None) -> Self:
        """Open the catalog, created if there is none. Without a box, credentials are sealed by the key beside it."""
        return cls(await Database.open(path), clock, box, path.with_name("key"))

    async def close(self) -> None:
        """See `Catalog.close`."""
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
