"""Opening what the data directory holds: the catalog with its key, and the object store."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from server.key_access import secret_box
from storage.clock import HostClock
from storage.sqlite_catalog import SqliteCatalog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.layout import Layout


@asynccontextmanager
async def open_catalog(data: Layout, clock: Clock | None = None) -> AsyncIterator[Catalog]:
    """The catalog of a data directory, created if there is none, for the length of a block."""
    catalog = await SqliteCatalog.open(data.catalog, clock or HostClock(), secret_box(data))
    try:
        yield catalog
    finally:
        await catalog.close()
