"""The assignments file follows the catalog."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from ingest.assignments import Assignment, read_assignments
from media.errors import KeyUnfit
from media.url import CameraUrl
from server.assigner import Assigner
from server.catalog_access import open_catalog
from server.settings import parse_settings
from server.settings_catalog import CatalogAddress
from storage.clock import FakeClock
from storage.key_file import GivenKeys
from storage.layout import Layout
from storage.model import DesiredCamera, main_stream
from storage.secrets import SecretBox
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET = "hunter2-canary"
GATE = UUID("00000000-0000-4000-8000-00000000000a")
CONFIG = f"""\
segments: {{seconds: 30}}
sites:
  - name: harbour
    networks: [10.17.0.0/24]
    cameras:
      - {{name: gate, id: {GATE}, url: "rtsp://u:{SECRET}@10.17.0.1/x", bitrate: 4M, audio: true}}
      - {{name: pier, url: rtsp://10.17.0.2/x, enabled: false}}
"""


class Following:
    """An assigner at work on a data directory."""

    def __init__(self, data: Layout, clock: FakeClock) -> None:
        self.data = data
        self.clock = clock

    def assignments(self) -> dict[str, Assignment]:
        """What the file says, by name."""
        if not self.data.assignments.exists():
            return {}
        return {one.name: one for one in read_assignments(self.data.assignments, SecretBox.at(self.data.key))}

    async def become(self, *names: str) -> dict[str, Assignment]:
        """Wait until exactly these cameras are assigned, letting the time pass."""

        def met() -> bool:
            self.clock.advance(1_000_000)
            return set(self.assignments()) == set(names)

        await eventually(f"{names} are assigned", met)
        return self.assignments()


@asynccontextmanager
async def following(root: Path, config: str = CONFIG) -> AsyncIterator[Following]:
    """An assigner that runs with the block."""
    data, clock, stop = Layout(root), FakeClock(), asyncio.Event()
    settings = parse_settings(config, file="h.yaml", environment={})
    running = asyncio.ensure_future(Assigner(settings=settings, data=data, clock=clock).run(stop))
    try:
        yield Following(data, clock)
    finally:
        stop.set()
        await running


async def test_enabled_cameras_are_assigned_with_what_record_needs(tmp_path: Path) -> None:
    """The URL with its credentials, the networks of the site, the length of segments; sealed and private."""
    async with following(tmp_path) as at_work:
        gate = (await at_work.become("gate"))["gate"]
        assert gate == Assignment(
            audio=True,
            stream=main_stream(GATE),
            camera=GATE,
            name="gate",
            epoch=gate.epoch,
            url=CameraUrl.parse(f"rtsp://u:{SECRET}@10.17.0.1/x"),
            segment_us=30_000_000,
            bitrate_bps=4_000_000,
            networks=("10.17.0.0/24",),
        )
        assert SECRET not in at_work.data.assignments.read_text()
        assert at_work.data.assignments.stat().st_mode & 0o777 == 0o600


async def test_cameras_that_come_and_go_are_followed(tmp_path: Path) -> None:
    """What another process changes in the catalog is in the file within a second."""
    async with following(tmp_path) as at_work:
        await at_work.become("gate")
        async with open_catalog(CatalogAddress(), at_work.data) as catalog:
            tower = DesiredCamera(name="tower", url=CameraUrl.parse("rtsp://10.17.0.9/x"))
            await catalog.inventory.add(tower, site="harbour")
            await at_work.become("gate", "tower")
            await catalog.inventory.remove("gate")
            await at_work.become("tower")


async def test_the_file_is_left_alone_while_nothing_changes(tmp_path: Path) -> None:
    """A recorder that watches the file is not woken for nothing."""
    async with following(tmp_path) as at_work:
        await at_work.become("gate")
        before = at_work.data.assignments.stat()
        for _ in range(5):
            await at_work.become("gate")
        after = at_work.data.assignments.stat()
        assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


async def test_another_key_seals_the_file_too(tmp_path: Path) -> None:
    """Without a restart, so that the key before it is needed nowhere on this host."""
    async with following(tmp_path) as at_work:
        before = await at_work.become("gate")
        old, new = at_work.data.key.read_text(), tmp_path / "key.new"
        new.touch(0o600)
        new.write_text("22" * 32 + "\n" + old)
        new.replace(at_work.data.key)
        alone = SecretBox(GivenKeys("22" * 32, "test"))

        def sealed_by_it() -> bool:
            at_work.clock.advance(1_000_000)
            with suppress(KeyUnfit):
                return read_assignments(at_work.data.assignments, alone) == list(before.values())
            return False

        await eventually("the file is sealed by the new key", sealed_by_it)


@pytest.mark.parametrize("damage", ["", "{", None])
async def test_a_file_that_somebody_damaged_is_written_again(tmp_path: Path, damage: str | None) -> None:
    """A recorder that starts reads nothing else."""
    async with following(tmp_path) as at_work:
        await at_work.become("gate")
        if damage is None:
            at_work.data.assignments.unlink()
        else:
            at_work.data.assignments.write_text(damage)

        def restored() -> bool:
            at_work.clock.advance(1_000_000)
            return at_work.data.assignments.exists() and at_work.data.assignments.stat().st_size > len(damage or "")

        await eventually("the file is back", restored)
        assert set(at_work.assignments()) == {"gate"}


async def test_a_catalog_that_fails_changes_nothing_and_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last assignments stand; once the catalog is back, it is followed again."""
    async with following(tmp_path) as at_work:
        await at_work.become("gate")
        with closing(sqlite3.connect(at_work.data.catalog)) as vandal:
            vandal.execute("ALTER TABLE cameras RENAME TO gone")
            vandal.commit()

            def complained() -> bool:
                at_work.clock.advance(1_000_000)
                return "assignments_not_followed" in capsys.readouterr().out

            await eventually("a complaint", complained)
            assert set(at_work.assignments()) == {"gate"}
            vandal.execute("ALTER TABLE gone RENAME TO cameras")
            vandal.execute("UPDATE cameras SET enabled = 1 WHERE name = 'pier'")
            vandal.commit()
        await at_work.become("gate", "pier")  # and the configuration is not applied a second time


@pytest.mark.parametrize("config", ["", "sites: []\n"])
async def test_no_camera_is_a_valid_state(tmp_path: Path, config: str) -> None:
    """An empty file is written, so that `record` knows."""
    async with following(tmp_path, config) as at_work:
        await eventually("a file", at_work.data.assignments.exists)
        assert at_work.assignments() == {}
