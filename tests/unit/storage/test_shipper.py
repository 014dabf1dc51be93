"""The way of a segment from the spool into the object store, and of a dead run into the catalog."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from media.errors import CatalogError, GapReason, ObjectStoreError
from storage import journal, layout
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.intake import RECOVER_AGAIN_US
from storage.layout import Layout
from storage.model import SegmentState, main_stream
from storage.secrets import SecretBox
from storage.shipper import Shipper
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import RUN, SECOND, STREAM, T0, SpoolOnDisk, at
from tests.builders_spool import FileSeam
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from storage.model import Segment

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
        """All keys of the object store."""
        return [each.key async for each in self.store.list("v1/")]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An empty data directory."""
    clock = FakeClock(wall_us=T0)
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", clock, SecretBox.at(tmp_path / "key")) as catalog:
        yield House(tmp_path, catalog, clock)


async def test_a_sealed_segment_is_stored_in_one_cycle(house: House) -> None:
    """Registered, linked, verified, stored, and its spool copy gone, while its run goes on recording."""
    run = house.run()
    run.stream_start(0)
    run.gap_close(0)
    content = run.segment(0, 5, 0).read_bytes()
    run.segment(5, 7, 1, sealed=False)
    assert await house.shipper.run_once()
    (row,) = await house.segments()
    assert (row.state, row.sha256, row.size_bytes) == (SegmentState.STORED, sha256(content).digest(), len(content))
    assert (row.start_us, row.end_us, row.samples) == (at(0), at(5), 5)
    assert await house.store.read(row.key, 0, 1 << 20) == content
    assert await house.objects() == [row.key]
    assert [name.endswith(".open") for name in house.spooled()] == [True]
    assert list(await house.catalog.footage.sample_tables([row.id])) == [row.id]


async def test_a_live_runs_given_up_file_is_stored(house: House) -> None:
    """Not only when the run ends, which may be in months; what cannot be copied now is tried again."""
    run = house.run()
    run.stream_start(0)
    run.gap_close(0)
    failed = run.segment(0, 5, 0, sealed=False)
    failed = failed.rename(layout.failed_path(failed, 3))
    with FileSeam().installed() as seam:
        seam.fail("datasync", ".copy", errno.EIO)
        await house.ship()
        await house.ship()
        assert await house.segments() == []
        assert list(house.shipper.state()["faults"]) == [str(failed)]
        house.clock.advance(RECOVER_AGAIN_US)
        await house.ship()
        await house.ship()
    (row,) = await house.segments()
    assert (row.state, row.start_us, row.end_us) == (SegmentState.STORED, at(0), at(5))
    assert house.spooled() == []
    assert house.shipper.state()["faults"] == {}


async def test_nothing_to_do_is_said(house: House) -> None:
    """The loop may rest."""
    assert not await house.shipper.run_once()
    run = house.run()
    run.stream_start(0)
    assert not await house.shipper.run_once()
    run.segment(0, 5, 0)
    assert await house.shipper.run_once()
    assert not await house.shipper.run_once()


async def test_a_segment_sealed_in_the_tick_of_the_last_look_is_found(house: House) -> None:
    """The directory's clock is coarse: an unchanged time does not prove that nothing came."""
    run = house.run()
    first = run.segment(0, 5, 0)
    await house.shipper.run_once()
    told = first.parent.stat()
    run.segment(5, 10, 1)
    os.utime(first.parent, ns=(told.st_atime_ns, told.st_mtime_ns))
    await house.ship()
    assert [row.state for row in await house.segments()] == [SegmentState.STORED] * 2


async def test_the_journal_is_imported_while_the_run_lives(house: House) -> None:
    """An outage is on the timeline before any footage follows it."""
    run = house.run()
    run.stream_start(0)
    run.gap_open(0, GapReason.UNREACHABLE)
    await house.ship()
    assert await house.gaps() == [(0, None, "unreachable")]
    run.gap_close(30)
    await house.ship()
    assert await house.gaps() == [(0, 30, "unreachable")]


async def test_a_dead_run_is_recovered_registered_and_settled(house: House) -> None:
    """What was durable is footage, what was not is a gap from its very end, and the directory goes when all is safe."""
    run = house.run()
    run.stream_start(0)
    run.gap_close(0)
    run.segment(0, 5, 0)
    torn = run.segment(5, 8, 1, sealed=False)
    torn.write_bytes(torn.read_bytes()[:-10])
    run.die()
    await house.ship()
    assert [(row.start_us, row.end_us, row.state) for row in await house.segments()] == [
        (at(0), at(5), SegmentState.STORED),
        (at(5), at(7), SegmentState.STORED),
    ]
    assert await house.gaps() == [(7, None, "crash")]
    await house.ship()
    assert not run.path.exists()


async def test_a_new_run_is_taken_in_beside_the_dead_one(house: House) -> None:
    """The older first: the new start finds the old run's end declared."""
    dead, alive = house.run(), None
    dead.stream_start(0)
    dead.gap_close(0)
    dead.segment(0, 5, 0, sealed=False)
    dead.die()
    alive = house.run(LATER_RUN, start=8)
    alive.stream_start(8)
    alive.gap_close(8.5)
    alive.segment(8.5, 20, 0)
    await house.ship()
    assert [row.start_us for row in await house.segments()] == [at(0), at(8.5)]
    assert await house.gaps() == [(5, 8, "crash"), (8, 8.5, "no_sync")]


async def test_a_clean_stop_leaves_a_shutdown(house: House) -> None:
    """And no directory."""
    run = house.run()
    run.stream_start(0)
    run.gap_close(0)
    run.segment(0, 5, 0)
    run.gap_open(5, GapReason.SHUTDOWN)
    run.end(5.1)
    await house.ship()
    await house.ship()
    assert await house.gaps() == [(5, None, "shutdown")]
    assert list(house.data.spool.iterdir()) == []


async def test_a_restart_repeats_nothing_and_finishes_everything(house: House) -> None:
    """Killed between `stored` and the unlink: the next life reads `stored` back, looks at the object, and unlinks."""
    run = house.run()
    run.stream_start(0)
    path = run.segment(0, 5, 0)
    content = path.read_bytes()
    await house.ship()
    path.write_bytes(content)
    house.restart()
    await house.ship()
    assert house.spooled() == []
    assert len(await house.objects()) == 1


async def test_a_stored_segment_without_an_object_is_healed_from_its_spool_copy(house: House) -> None:
    """The copy is not removed on the catalog's word alone (I3)."""
    run = house.run()
    path = run.segment(0, 5, 0)
    content = path.read_bytes()
    await house.ship()
    (row,) = await house.segments()
    path.write_bytes(content)
    await house.store.delete(row.key)
    house.restart()
    await house.ship()
    await house.ship()
    assert await house.store.read(row.key, 0, 1 << 20) == content
    assert await house.catalog.footage.states([row.id]) == {row.id: SegmentState.STORED}
    assert house.spooled() == []


async def test_a_buried_segment_loses_its_spool_copy(house: House) -> None:
    """Retention deleted it while it still waited for the store: it must not come back."""
    run = house.run()
    run.segment(0, 5, 0)
    house.shipper._uploads._put = _refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(ObjectStoreError):
        await house.shipper.run_once()
    (row,) = await house.segments()
    await house.catalog.expiry.mark([row.id], now_us=at(90), policy="default", reason="old")
    await house.catalog.expiry.purge([row.id])
    await house.catalog.expiry.tombstone([row.id], now_us=at(100))
    house.restart()
    await house.ship()
    assert house.spooled() == []
    assert await house.objects() == []
    assert await house.segments() == []


async def test_an_object_put_while_retention_deleted_it_is_taken_back(house: House) -> None:
    """The put may have arrived after the delete."""
    run = house.run()
    run.segment(0, 5, 0)
    put_file = house.store.put_file

    async def bury_then_put(key: str, path: Path, *, sha256: bytes, size_bytes: int) -> None:
        (row,) = await house.segments()
        await house.catalog.expiry.mark([row.id], now_us=at(90), policy="default", reason="old")
        await house.catalog.expiry.purge([row.id])
        await house.catalog.expiry.tombstone([row.id], now_us=at(100))
        await put_file(key, path, sha256=sha256, size_bytes=size_bytes)

    house.store.put_file = bury_then_put  # type: ignore[method-assign]
    await house.ship()
    assert await house.objects() == []
    assert house.spooled() == []


async def test_one_segment_in_trouble_does_not_stop_the_others(house: House) -> None:
    """Another object under its key is an incident: both copies stay, the rest goes on."""
    run = house.run()
    bad = run.segment(0, 5, 0)
    run.segment(5, 10, 1)
    run.segment(10, 15, 2)
    await house.shipper._intake.run_once()
    row = (await house.segments())[0]
    place = house.data.objects / row.key
    place.parent.mkdir(parents=True)
    place.write_bytes(b"something else")
    await house.ship()
    states = [each.state for each in await house.segments()]
    assert states == [SegmentState.UPLOADING, SegmentState.STORED, SegmentState.STORED]
    assert bad.exists()
    assert place.read_bytes() == b"something else"
    state = house.shipper.state()
    assert (state["failing_segments"], state["backlog_segments"]) == (1, 1)
    assert "exists and has other bytes" in state["failing"][str(row.id)]


async def test_a_store_that_is_down_is_an_error_of_the_cycle_and_of_nothing_else(house: House) -> None:
    """Everything waits, nothing is lost, and it goes on when the store is back."""
    run = house.run()
    paths = [run.segment(start, start + 5, start // 5) for start in range(0, 50, 5)]
    put, house.shipper._uploads._put = house.shipper._uploads._put, _refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(ObjectStoreError, match="none of 10 segments could be stored: the store is down"):
        await house.shipper.run_once()
    assert all(path.exists() for path in paths)
    state = house.shipper.state()
    assert state["backlog_segments"] == 10
    assert state["backlog_bytes"] == sum(path.stat().st_size for path in paths)
    house.shipper._uploads._put = put  # type: ignore[method-assign]
    await house.ship()
    assert len(await house.objects()) == 0, "they rest for a while"
    house.clock.advance(31 * SECOND)
    await house.ship()
    assert len(await house.objects()) == 10
    assert house.shipper.state()["backlog_segments"] == 0


async def test_a_foreign_file_in_a_live_run_is_a_fault_and_stays(house: House) -> None:
    """It is named, nothing is removed, and the others are shipped."""
    run = house.run()
    run.segment(0, 5, 0)
    foreign = run.segment(5, 10, 1)
    foreign.write_bytes(b"not a segment")
    await house.ship()
    assert [row.identity.sequence for row in await house.segments()] == [0]
    faults = house.shipper.state()["faults"]
    assert list(faults) == [str(foreign)]
    assert foreign.read_bytes() == b"not a segment"


async def test_a_segment_under_the_name_of_another_is_a_fault(house: House) -> None:
    """A file's name is not believed against its content."""
    run = house.run()
    first, second = run.segment(0, 5, 0), run.segment(5, 10, 1)
    shutil.copyfile(first, second)
    await house.ship()
    assert [row.identity.sequence for row in await house.segments()] == [0]
    assert "holds segment" in house.shipper.state()["faults"][str(second)]


async def test_a_run_that_cannot_be_read_does_not_stop_the_others(house: House) -> None:
    """A failing disk under one run concerns that run."""
    broken, good = house.run(), house.run(LATER_RUN, start=10)
    broken.stream_start(0)
    good.stream_start(10)
    good.segment(10, 15, 0)
    seam = FileSeam()
    seam.fail("open_read", f"{RUN:016x}", errno.EIO, times=100)
    with seam.installed():
        await house.ship()
    assert [row.state for row in await house.segments()] == [SegmentState.STORED]
    assert str(broken.path) in house.shipper.state()["faults"]
    await house.ship()
    assert house.shipper.state()["faults"] == {}


async def test_a_run_that_nobody_foresaw_does_not_stop_the_others(house: House) -> None:
    """Its journal holds a time that no catalog can: the later run is taken in, the fault is told and tried again."""
    broken = house.run()
    broken.stream_start(0)
    broken.note(journal.gap_close(stream=STREAM, at_us=1 << 70))
    broken.segment(0, 5, 0)
    broken.die()
    good = house.run(LATER_RUN, start=10)
    good.stream_start(10)
    good.segment(10, 15, 0)
    for _ in range(3):
        await house.ship()
        assert [(row.state, row.start_us) for row in await house.segments()] == [(SegmentState.STORED, at(10))]
        assert "OverflowError" in house.shipper.state()["faults"][str(broken.path)]
        house.clock.advance(600 * SECOND)
    records = (broken.path / layout.JOURNAL).read_bytes().splitlines(keepends=True)
    (broken.path / layout.JOURNAL).write_bytes(b"".join(records[:-1]))
    await house.ship()
    assert [row.start_us for row in await house.segments()] == [at(0), at(10)]
    assert house.shipper.state()["faults"] == {}


async def test_a_run_that_fails_rests_longer_each_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds, four, eight, up to five minutes: its journal is not parsed twice a second for months."""
    broken = house.run()
    attempts: list[int] = []

    async def refuse(_run: int) -> int:
        attempts.append(house.clock.boot_us() // SECOND)
        raise ValueError("unforeseen")

    monkeypatch.setattr(house.catalog.gaps, "journal_offset", refuse)
    for _ in range(2000):
        await house.shipper.run_once()
        house.clock.advance(SECOND)
    pauses = [later - before for before, later in pairwise(attempts)]
    assert pauses[:8] == [2, 4, 8, 16, 32, 64, 128, 256]
    assert set(pauses[8:]) == {300}
    assert "unforeseen" in house.shipper.state()["faults"][str(broken.path)]


async def test_footage_of_an_unknown_camera_is_taken_in(house: House) -> None:
    """A spool that comes to a new catalog loses nothing."""
    camera = UUID(int=77, version=4)
    run = house.run()
    run.stream_start(0, stream=main_stream(camera), camera=camera)
    run.segment(0, 5, 0, stream=main_stream(camera), camera=camera)
    run.die()
    await house.ship()
    assert [row.state for row in await house.segments(main_stream(camera))] == [SegmentState.STORED]


async def test_a_spool_copy_that_somebody_removed_is_missing(house: House) -> None:
    """Flagged and told, never silently dropped (I1)."""
    run = house.run()
    path = run.segment(0, 5, 0)
    run.segment(5, 10, 1)
    await house.shipper._intake.run_once()
    path.unlink()
    await house.ship()
    assert [row.state for row in await house.segments()] == [SegmentState.MISSING, SegmentState.STORED]
    assert "neither in the spool nor in the object store" in str(house.shipper.state()["failing"])


async def test_a_catalog_that_was_restored_is_told_again(house: House, tmp_path: Path) -> None:
    """A catalog from before knows neither segment nor journal: both are brought again, without a restart."""
    run = house.run()
    run.stream_start(0)
    run.segment(0, 5, 0)
    put, house.shipper._uploads._put = house.shipper._uploads._put, _refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(ObjectStoreError):
        await house.shipper.run_once()
    house.shipper._uploads._put = put  # type: ignore[method-assign]
    async with await SqliteCatalog.open(tmp_path / "restored.sqlite", house.clock) as restored:
        house.catalog.footage, house.catalog.gaps = restored.footage, restored.gaps
        house.clock.advance(61 * SECOND)
        await house.ship()
        await house.ship()
        assert [row.state for row in await house.segments()] == [SegmentState.STORED]
        assert await restored.gaps.journal_offset(RUN) > 0
    assert house.spooled() == []


async def test_a_catalog_that_is_down_for_a_while_misses_nothing(house: House) -> None:
    """What was listed and could not be registered is listed again, of dead runs too, though nothing changes there."""
    run = house.run()
    run.stream_start(0)
    run.gap_close(0)
    run.segment(0, 5, 0)
    run.die()
    register = house.catalog.footage.register

    async def down(_rows: object) -> None:
        raise CatalogError("the catalog is down")

    house.catalog.footage.register = down  # type: ignore[method-assign]
    for _ in range(5):
        with pytest.raises(CatalogError):
            await house.shipper.run_once()
    assert house.shipper.state()["faults"] == {}, "it is not the segment's fault"
    house.catalog.footage.register = register  # type: ignore[method-assign]
    await house.ship()
    assert [row.state for row in await house.segments()] == [SegmentState.STORED]
    assert await house.gaps() == [(5, None, "crash")]


async def test_a_segment_that_the_catalog_refuses_stays_and_is_told(house: House) -> None:
    """Eleven minutes: no segment is so long. The others go on, alone in a batch or together."""
    run = house.run()
    refused = run.segment(0, 660, 0)
    await house.ship()
    run.segment(660, 665, 1)
    await house.ship()
    assert [row.identity.sequence for row in await house.segments()] == [1]
    assert refused.exists()
    assert "CHECK constraint failed" in house.shipper.state()["faults"][str(refused)]


async def test_a_file_that_could_not_be_read_is_tried_again(house: House) -> None:
    """In a dead run as well, where no new name tells to look."""
    run = house.run()
    path = run.segment(0, 5, 0)
    run.die()
    seam = FileSeam()
    seam.fail("read_at", path.name, errno.EIO, times=100)
    with seam.installed():
        await house.ship()
    assert await house.segments() == []
    house.clock.advance(61 * SECOND)
    await house.ship()
    assert [row.state for row in await house.segments()] == [SegmentState.STORED]
    assert house.shipper.state()["faults"] == {}


async def test_run_goes_on_after_a_failure_and_stops_when_told(house: House) -> None:
    """`run` never fails: it slows down, tells its last error, and goes on."""
    run = house.run()
    stop = asyncio.Event()
    take_in, failures = house.shipper._intake.run_once, iter([CatalogError("the catalog is locked"), ValueError("x")])

    async def failing() -> None:
        for error in failures:
            raise error
        await take_in()

    house.shipper._intake.run_once = failing  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        group.create_task(house.shipper.run(stop))
        await eventually("the first failure", lambda: house.shipper.state()["error"] == "the catalog is locked")
        house.clock.advance(9 * SECOND)
        await eventually("the second failure", lambda: house.shipper.state()["error"] == "ValueError: x")
        run.segment(0, 5, 0)
        house.clock.advance(9 * SECOND)
        await eventually("the segment is shipped", lambda: house.spooled() == [])
        await eventually("the error is over", lambda: house.shipper.state()["error"] is None)
        stop.set()


async def _refuse(_segment: Segment) -> bytes:
    raise ObjectStoreError("the store is down")
