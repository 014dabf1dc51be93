"""The way of a segment from the spool into the object store, and of a dead run into the catalog."""

from __future__ import annotations

import errno
import os
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from media.errors import GapReason, ObjectStoreError
from storage import layout
from storage.intake import RECOVER_AGAIN_US
from storage.model import SegmentState, main_stream
from tests.builders_catalog import at
from tests.builders_shipper import LATER_RUN, House
from tests.builders_spool import FileSeam

if TYPE_CHECKING:
    from pathlib import Path


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


async def test_a_segment_in_a_later_directory_is_stored(house: House) -> None:
    """Where its run went on with the stream."""
    run = house.run()
    run.stream_start(0)
    path = run.segment(0, 5, 0)
    home = layout.directories_after(path.parent)[0]
    home.mkdir()
    path.rename(home / path.name)
    run.die()
    await house.ship()
    assert [row.state for row in await house.segments()] == [SegmentState.STORED]
    assert house.spooled() == []
    await house.ship()
    assert not run.path.exists()


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
    with house.store_down(), pytest.raises(ObjectStoreError):
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


async def test_footage_of_an_unknown_camera_is_taken_in(house: House) -> None:
    """A spool that comes to a new catalog loses nothing."""
    camera = UUID(int=77, version=4)
    run = house.run()
    run.stream_start(0, stream=main_stream(camera), camera=camera)
    run.segment(0, 5, 0, stream=main_stream(camera), camera=camera)
    run.die()
    await house.ship()
    assert [row.state for row in await house.segments(main_stream(camera))] == [SegmentState.STORED]
