"""What the tests of spool, recovery and shipper share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.clock import FakeClock
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import T0
from tests.builders_recovery import Disk
from tests.builders_shipper import House
from tests.builders_spool import FileSeam

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def seam() -> Iterator[FileSeam]:
    """Every file operation of the test, in order."""
    with FileSeam().installed() as seam:
        yield seam


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An empty data directory."""
    clock = FakeClock(wall_us=T0)
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", clock, SecretBox.at(tmp_path / "key")) as catalog:
        yield House(tmp_path, catalog, clock)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """An empty data directory."""
    return Disk(tmp_path)
