"""The sweeper over the real catalog and the real directory store, with a clock that is told what time it is."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.identity import SegmentIdentity
from media.url import CameraUrl
from retention.sweeper import Sweeper
from storage.catalog import MAX_BATCH
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.model import DesiredCamera, DesiredSite, Policy, Segment, SegmentState, Tombstone
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_retention import SECOND, days, policy, segment
from tests.mortal import Calls, Mortal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

START = 1_700_000_000 * SECOND
CITY = policy(days(62), days(60))
EVER = 1 << 60


class Rig:
    """A catalog, a store, a clock and one camera; footage is put where a shipper would have put it."""

    def __init__(self, root: Path, clock: FakeClock, catalog: SqliteCatalog) -> None:
        self.root = root
        self.clock = clock
        self.catalog = catalog
        self.store = DirectoryStore(root / "objects")
        self.acceptance = root / "accept-backlog"
        self.stream = UUID(int=0)

    async def use(self, rules: Policy, *, name: str = "gate") -> None:
        """Put the camera under a policy."""
        camera = DesiredCamera(name=name, url=CameraUrl.parse("rtsp://127.0.0.1/cam"), policy=rules.name)
        await self.catalog.inventory.apply([DesiredSite(name="site", cameras=(camera,))], [rules])
        self.stream = (await self.catalog.inventory.camera(name)).stream

    def sweeper(self, calls: Calls | None = None) -> Sweeper:
        """A `keep` that has just been started, and is killed at one of the `calls` to catalog or store."""
        catalog: Any = self.catalog
        store: Any = self.store
        if calls is not None:
            catalog = SimpleNamespace(inventory=catalog.inventory, expiry=Mortal(catalog.expiry, calls))
            store = Mortal(store, calls)
        return Sweeper(catalog, store, self.clock, acceptance=self.acceptance)

    def rows(self, ends_us: Iterable[int]) -> list[Segment]:
        """A minute of footage that ended at each instant, numbered on from what is there."""
        return [
            replace(
                segment(end_us, state=SegmentState.SPOOLED),
                identity=SegmentIdentity(
                    camera=UUID(int=1), stream=self.stream, epoch=1, run=7, sequence=end_us // SECOND
                ),
                sha256=None,
                size_bytes=1000,
            )
            for end_us in ends_us
        ]

    async def record(self, *ends_us: int) -> list[Segment]:
        """Register, upload and store footage."""
        rows = self.rows(ends_us)
        for first in range(0, len(rows), MAX_BATCH):
            batch = rows[first : first + MAX_BATCH]
            await self.catalog.footage.register([(row, b"") for row in batch])
            await self.catalog.footage.begin_upload([row.id for row in batch])
            digests = {}
            for row in batch:
                spooled = self.root / "spooled.mp4"
                spooled.write_bytes(bytes([row.identity.sequence % 251]) * row.size_bytes)
                digests[row.id] = sha256(spooled.read_bytes()).digest()
                await self.store.put_file(row.key, spooled, sha256=digests[row.id], size_bytes=row.size_bytes)
                spooled.unlink()
            await self.catalog.footage.stored(digests)
        return rows

    async def states(self, rows: Iterable[Segment]) -> list[SegmentState]:
        """Where the segments are by now."""
        found = await self.catalog.footage.states([row.id for row in rows])
        return [found[row.id] for row in rows]

    async def tombstones(self) -> list[Tombstone]:
        """All of the camera's."""
        return await self.catalog.expiry.tombstones(self.stream, 0, EVER)

    def objects(self) -> set[str]:
        """The keys that are really in the directory."""
        root = self.root / "objects"
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}

    def at(self, wall_us: int) -> None:
        """Let time pass until then."""
        self.clock.advance(wall_us - self.clock.wall_us())
