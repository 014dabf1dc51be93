"""The catalog of a city: one PostgreSQL database for any number of hosts (contract: `storage.catalog.Catalog`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from storage import postgres_schema
from storage.postgres_database import PostgresDatabase
from storage.postgres_days import Days
from storage.postgres_expiry import PostgresExpiry
from storage.postgres_footage import PostgresFootage
from storage.postgres_gaps import PostgresGaps
from storage.postgres_inventory import PostgresInventory
from storage.postgres_outbox import PostgresOutbox

if TYPE_CHECKING:
    from storage.clock import Clock
    from storage.postgres_address import PostgresAddress
    from storage.secrets import SecretBox


class PostgresCatalog:
    """Inventory, footage, gaps, expiry and outbox over one database."""

    def __init__(self, database: PostgresDatabase, clock: Clock, box: SecretBox) -> None:
        days = Days(database)
        self.database = database
        self.inventory = PostgresInventory(database, clock, lambda: box)
        self.footage = PostgresFootage(database, days)
        self.gaps = PostgresGaps(database)
        self.expiry = PostgresExpiry(database, days)
        self.outbox = PostgresOutbox(database)

    @classmethod
    async def open(cls, address: PostgresAddress, clock: Clock, box: SecretBox) -> Self:
        """Open the catalog, begun if the database is empty, migrated if it is older."""
        database = await PostgresDatabase.open(address)
        try:
            await postgres_schema.migrate(database)
            await postgres_schema.require_whole(database)
        except BaseException:
            await database.close()
            raise
        return cls(database, clock, box)

    async def close(self) -> None:
        """See `Catalog.close`."""
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
