"""The catalog of a real run, and what its object store tells of it (I6)."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

import pytest

from storage.catalog_journal import PREFIX
from storage.catalog_journal_reader import Replay, replay
from storage.clock import FakeClock, HostClock
from storage.directory_store import DirectoryStore
from storage.layout import Layout
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog_journal import require_agreement, tell
from tests.product import running, simulated

pytestmark = pytest.mark.scenario


def wait_until_some_expired(catalog: Path) -> None:
    """Until segments were recorded, stored, kept for as long as the policy says, and deleted."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(sqlite3.OperationalError):  # not made yet
            connection = sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)
            try:
                (tombstones,) = connection.execute("SELECT count(*) FROM tombstones").fetchone()
            finally:
                connection.close()
            if tombstones >= 2:
                return
        time.sleep(0.1)
    raise AssertionError("nothing was deleted")


def cut(data: Path, position: int) -> None:
    """Lose one of the objects."""
    sorted((data / "objects" / PREFIX).rglob("*.gz"))[position].unlink()


async def compare(data: Path, *, lost: int | None = None) -> Replay:
    """The journal of a run that has ended, read back and held against its catalog."""
    layout = Layout(data)
    box, clock, store = SecretBox.at(layout.key), HostClock(), DirectoryStore(layout.objects)
    async with await SqliteCatalog.open(layout.catalog, clock, box) as catalog:
        await tell(catalog, store, FakeClock(wall_us=clock.wall_us()))  # what the last minute has left
        if lost is not None:
            cut(data, lost)
        told = await require_agreement(catalog, store, box) if lost is None else await replay(store)
    store.close()
    return told


def test_the_journal_of_a_run_is_its_catalog(tmp_path: Path) -> None:
    """Every camera with its login, every gap and every tombstone; and an object that is lost is noticed."""
    with simulated("--username", "u", "--password", "p:w") as (url,):
        cameras = {
            "gate": {"url": url, "username": "u", "password": "p:w"},
            "dead": {"url": "rtsp://u:x%40y@127.0.0.1:1/"},
        }
        data = tmp_path / "data"
        with running(tmp_path, cameras, segment_s=1, keep_max="4s"):
            wait_until_some_expired(data / "catalog.sqlite")
    assert list((data / "objects" / PREFIX).rglob("*.gz")), "the run itself has written"
    told = asyncio.run(compare(data))
    assert {record["name"] for record in told.of("camera")} == {"gate", "dead"}
    assert "refused" in {record["reason"] for record in told.of("gap")}
    assert told.of("tombstone")
    assert told.of("run")
    written = b"".join(path.read_bytes() for path in (data / "objects" / PREFIX).rglob("*.gz"))
    assert b"p:w" not in written
    assert asyncio.run(compare(data, lost=0)).faults != []
