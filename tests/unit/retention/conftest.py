"""What the sweeper's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.clock import FakeClock
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_sweeper import CITY, START, Rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """One camera under `keep_max: 62d, keep_min: 60d`, at START."""
    clock = FakeClock(wall_us=START)
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", clock) as catalog:
        rig = Rig(tmp_path, clock, catalog)
        await rig.use(CITY)
        yield rig
