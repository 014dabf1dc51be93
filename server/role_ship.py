"""`ship`: spool to object store to catalog."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from server.catalog_access import open_catalog
from server.spool_access import claim_spools, spools_to_read
from server.store_access import open_store
from storage.shipper import Shipper
from storage.spool_ownership import Spools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.role import Surroundings


@asynccontextmanager
async def part(around: Surroundings) -> AsyncIterator[Shipper]:
    """The shipper of this data directory's spool."""
    spools = claim_spools(around.settings, around.data, spools_to_read(around.data))
    place, clock = around.settings.store, around.clock
    async with (
        open_catalog(around.settings.catalog, around.data, clock) as catalog,
        open_store(place, around.data, clock) as store,
    ):
        absent = {path: str(error) for path, error in spools.refused.items()}
        yield Shipper(catalog, store, around.data, clock, Spools(list(spools.here), absent))
