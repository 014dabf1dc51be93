"""Opening the catalog that the configuration names, with the key of its credentials."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from server.key_access import secret_box
from storage.clock import HostClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.settings_catalog import CatalogAddress
    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.layout import Layout


@asynccontextmanager
async def open_catalog(place: CatalogAddress, data: Layout, clock: Clock | None = None) -> AsyncIterator[Catalog]:
    """The catalog, begun if there is none, for the length of a block. CatalogError if it cannot be reached or used."""
    address, clock, box = place.postgres, clock or HostClock(), secret_box(data)
    if address is None:
        from storage.sqlite_catalog import SqliteCatalog  # noqa: PLC0415 - each host needs one of the two

        catalog: Catalog = await SqliteCatalog.open(data.catalog, clock, box)
    else:
        from storage.postgres_catalog import PostgresCatalog  # noqa: PLC0415 - as above

        catalog = await PostgresCatalog.open(address, clock, box)
    try:
        yield catalog
    finally:
        await catalog.close()
