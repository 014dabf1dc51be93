"""The archive that playback is asked about, in each object store: the answers are the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.clock import HostClock
from storage.s3_store import S3Store
from tests.builders_playback import NOON_US, Archive
from tests.ceph_server import shared_ceph
from tests.s3_server import shared_rclone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from storage.objects import ObjectStore

HOUR_US = 3_600_000_000


@pytest.fixture(params=["directory", "ceph", "rclone"])
async def archive(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Archive]:
    """An archive whose clock stands an hour after noon."""
    store: ObjectStore | None = None
    if request.param == "ceph":
        store = S3Store(shared_ceph().address(prefix="city/"), HostClock())
    elif request.param == "rclone":
        store = S3Store(shared_rclone().address(prefix="city/"), HostClock())
    made = await Archive.create(tmp_path, now_us=NOON_US + HOUR_US, enabled_at_us=NOON_US - HOUR_US, store=store)
    yield made
    await made.close()
