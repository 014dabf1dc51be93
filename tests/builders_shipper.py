"""A data directory with everything that ships, and what one sees of it from outside."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from media.errors import ObjectStoreError
from storage import store_ownership
from storage.catalog_journal import is_journal_key
from storage.directory_store import DirectoryStore
from storage.layout import Layout
from storage.shipper import Shipper
from tests.builders_catalog import RUN, SECOND, STREAM, T0, SpoolOnDisk, at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from storage.clock import FakeClock
    from storage.model import Segment
    from storage.sqlite_catalog import SqliteCatalog

LATER_RUN = 0x5678


class House:
    """A data directory with everything that ships."""

    def __init__(self, root: Path, catalog: SqliteCatalog, clock: FakeClock) -> None:
        self.data, self.catalog, self.clock = Layout(root), catalog, clock
        self.store = DirectoryStore(self.data.objects)
        self.shipper = Shipper(catalog, self.store, self.data, clock)

    def restart(self) -> None:
        """A new process: nothing is remembered."""
        self.shipper = Shipper(self.catalog, self.store, self.data, self.clock)

    def run(self, number: int = RUN, *, start: float = 0) -> SpoolOnDisk:
        """A run that records."""
        return SpoolOnDisk(self.data.spool, number, start=start)

    async def ship(self) -> None:
        """Cycles until nothing is left to do."""
        for _ in range(20):
            if not await self.shipper.run_once():
                return
        raise AssertionError("never done")

    async def segments(self, stream: UUID = STREAM) -> list[Segment]:
        """All segments of a stream."""
        return await self.catalog.footage.segments(stream, T0 - 1000 * SECOND, at(1_000_000))

    async def gaps(self, stream: UUID = STREAM) -> list[tuple[float, float | None, str]]:
        """All gaps of a stream in seconds after T0."""
        rows = await self.catalog.gaps.gaps(stream, T0 - 1000 * SECOND, at(1_000_000))
        return [
            ((row.start_us - T0) / SECOND, None if row.end_us is None else (row.end_us - T0) / SECOND, row.reason.value)
            for row in rows
        ]

    def spooled(self) -> list[str]:
        """The names of all segment files in the spool."""
        return sorted(path.name for path in self.data.spool.glob("*/*/*"))

    async def objects(self) -> list[str]:
        """All keys of the object store but those of the catalog journal and of its owner."""
        keys = [each.key async for each in self.store.list("v1/")]
        return [key for key in keys if not is_journal_key(key) and key != store_ownership.KEY]

    @contextmanager
    def store_down(self) -> Iterator[None]:
        """No put succeeds meanwhile."""
        put, self.shipper._uploads._put = self.shipper._uploads._put, _refuse  # type: ignore[method-assign,assignment]
        yield
        self.shipper._uploads._put = put  # type: ignore[method-assign]


async def _refuse(_segment: Segment) -> bytes:
    raise ObjectStoreError("the store is down")
