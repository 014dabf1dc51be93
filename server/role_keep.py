"""`keep`: retention."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from retention.sweeper import Sweeper
from server.catalog_access import open_catalog
from storage.directory_store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.role import Surroundings

ACCEPTANCE = "accept-deletion"


@asynccontextmanager
async def part(around: Surroundings) -> AsyncIterator[Sweeper]:
    """The sweeper over the whole catalog."""
    async with open_catalog(around.data, around.clock) as catalog:
        store = DirectoryStore(around.data.objects)
        yield Sweeper(catalog, store, around.clock, acceptance=around.data.root / ACCEPTANCE)
