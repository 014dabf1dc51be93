"""Opening the object store that the configuration names."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from storage.directory_store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.settings_store import StoreAddress
    from storage.clock import Clock
    from storage.layout import Layout
    from storage.objects import ObjectStore


@asynccontextmanager
async def open_store(store: StoreAddress, data: Layout, clock: Clock) -> AsyncIterator[ObjectStore]:
    """The object store, for the length of a block. Nothing is asked of it yet: it may be away."""
    opened = made_store(store, data, clock)
    try:
        yield opened
    finally:
        await asyncio.to_thread(opened.close)


def links_of(store: StoreAddress, opened: ObjectStore) -> Callable[[str], str] | None:
    """What signs links to objects, where the configuration offers them and the store has any."""
    link: Callable[[str], str] | None = getattr(opened, "link", None)
    return link if store.links else None


def made_store(store: StoreAddress, data: Layout, clock: Clock) -> ObjectStore:
    """The same for callers that close it."""
    address = store.s3
    if address is None:
        return DirectoryStore(data.objects)
    from storage.s3_store import S3Store  # noqa: PLC0415 - 30 MB and 0.2 s that a directory does without

    return S3Store(address, clock)
