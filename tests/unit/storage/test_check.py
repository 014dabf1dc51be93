"""`check` over a real catalog, store and spool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason
from storage.check import Check, CheckReport
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.layout import Layout
from storage.secrets import SecretBox
from storage.shipper import Shipper
from storage.spool_reader import SpoolReader
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import CAMERA, POLICY, STREAM, T0, SpoolOnDisk, at, desired, site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class House:
    """A data directory with one camera, two minutes of footage, an outage between them and a run that goes on."""

    def __init__(self, root: Path, catalog: SqliteCatalog, clock: FakeClock) -> None:
        self.data, self.catalog, self.clock = Layout(root), catalog, clock
        self.store = DirectoryStore(self.data.objects)

    async def record(self) -> SpoolOnDisk:
        """Record and ship."""
        await self.catalog.inventory.apply([site(desired("gate", id=CAMERA))], [POLICY])
        run = SpoolOnDisk(self.data.spool)
        run.stream_start(0)
        run.gap_close(0)
        run.segment(0, 60, 0)
        run.gap_open(60, GapReason.STALLED)
        run.gap_close(70)
        run.segment(70, 130, 1, span=1)
        run.segment(130, 140, 2, span=1, sealed=False)
        shipper = Shipper(self.catalog, self.store, self.data, self.clock)
        while await shipper.run_once():
            pass
        return run

    async def check(self, *, deep: bool = False) -> CheckReport:
        """Check, as the command does: without the recorder's word on what is durable."""
        return await Check(self.catalog, self.store, SpoolReader(self.data.spool, lambda _: None), self.clock).run(
            deep=deep
        )

    def object_path(self, number: int) -> Path:
        """The file of an object."""
        return sorted(self.data.objects.rglob("*.mp4"))[number]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A data directory."""
    clock = FakeClock(wall_us=T0)
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", clock, SecretBox.at(tmp_path / "key")) as catalog:
        yield House(tmp_path, catalog, clock)


async def test_an_empty_house_is_in_order(house: House) -> None:
    """Nothing is nothing."""
    report = await house.check()
    assert report.ok
    assert str(report).startswith("0 streams")


async def test_a_recording_house_is_in_order(house: House) -> None:
    """Beside a run that goes on, with the figures of what was looked at."""
    await house.record()
    report = await house.check(deep=True)
    assert report.findings == []
    assert (report.streams, report.segments, report.objects, report.hashed) == (1, 2, 2, 2)
    assert (report.spooled, report.gaps) == (1, 1)
    assert report.segment_bytes == report.object_bytes > 0
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


async def test_a_suppressed_gap_row_is_found(house: House) -> None:
    """Silent loss is what this command is for."""
    await house.record()
    await house.catalog.database.write(lambda connection: connection.execute("DELETE FROM gaps"))
    report = await house.check()
    assert [(finding.kind, finding.subject) for finding in report.findings] == [
        ("undeclared_hole", f"stream {STREAM} from {at(60)} to {at(70)} us")
    ]
    assert "neither footage nor a gap for 10.000000 s" in str(report)


async def test_an_object_that_is_gone_or_cut_is_found(house: House) -> None:
    """By asking the store, row by row."""
    await house.record()
    first, second = house.object_path(0), house.object_path(1)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    assert sorted(finding.kind for finding in (await house.check()).findings) == ["object_differs", "object_missing"]


async def test_a_flipped_bit_is_found_by_reading_everything(house: House) -> None:
    """Sizes do not tell; `deep` does."""
    await house.record()
    path = house.object_path(0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert (await house.check()).ok
    report = await house.check(deep=True)
    assert [finding.kind for finding in report.findings] == ["object_differs"]
    assert report.hashed == 2


async def test_foreign_and_unknown_objects_are_found(house: House) -> None:
    """What lies in the store and belongs to nobody."""
    await house.record()
    path = house.object_path(0)
    (path.parent / "notes.txt").write_bytes(b"x")
    path.with_name(path.name.replace("-0.mp4", "-9.mp4")).write_bytes(b"x")
    assert sorted(finding.kind for finding in (await house.check()).findings) == ["object_foreign", "object_unknown"]


async def test_objects_of_a_stream_that_nobody_knows_are_found(house: House) -> None:
    """As after the loss of the catalog."""
    await house.record()
    async with await SqliteCatalog.open(house.data.root / "new.sqlite", house.clock) as other:
        report = await Check(other, house.store, None, house.clock).run()
    assert [finding.kind for finding in report.findings] == ["object_unknown"] * 2


async def test_what_moves_while_it_is_looked_at_is_not_wrong(house: House) -> None:
    """An object that was put after the listing is seen by the second look."""
    await house.record()
    path = house.object_path(0)
    content = path.read_bytes()
    path.unlink()
    segments = house.catalog.footage.segments

    async def put_meanwhile(*args: object, **options: object) -> object:
        path.write_bytes(content)
        return await segments(*args, **options)  # type: ignore[arg-type]

    house.catalog.footage.segments = put_meanwhile  # type: ignore[method-assign,assignment]
    assert (await house.check()).ok
