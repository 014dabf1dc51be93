"""The implementations that each contract suite runs against. A new one joins here, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.clock import FakeClock, HostClock
from storage.directory_store import DirectoryStore
from storage.s3_store import S3Store
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import T0
from tests.ceph_server import shared_ceph
from tests.postgres_server import empty_catalog
from tests.s3_server import shared_rclone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from storage.catalog import Catalog
    from storage.objects import ObjectStore


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at T0."""
    return FakeClock(wall_us=T0)


@pytest.fixture(params=["sqlite", "postgres"])
async def catalog(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Catalog]:
    """Each implementation of the catalog, empty."""
    box = SecretBox.at(tmp_path / "key")
    if request.param == "postgres":
        async with empty_catalog(clock, box) as opened:
            yield opened
    else:
        async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", clock, box) as opened:
            yield opened


@pytest.fixture(params=["directory", "ceph", "rclone"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    """Each implementation of the object store, empty; that of S3 with two servers that have nothing in common."""
    opened: ObjectStore
    if request.param == "directory":
        opened = DirectoryStore(tmp_path / "objects")
    elif request.param == "ceph":
        opened = S3Store(shared_ceph().address(prefix="city/north/"), HostClock())
    else:
        opened = S3Store(shared_rclone().address(prefix="city/north/"), HostClock())
    yield opened
    opened.close()
