"""The shipper in trouble: one thing that is wrong stops nothing else, loses nothing, and is told."""

from __future__ import annotations

import asyncio
import errno
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from media.errors import CatalogError, ObjectStoreError
from storage import journal, layout
from storage.model import SegmentState
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import RUN, SECOND, STREAM, at
from tests.builders_shipper import LATER_RUN, House
from tests.builders_spool import FileSeam
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


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


async def test_a_store_that_is_down_is_an_error_of_the_cycle_and_of_nothing_else(house: House) -> None:
    """Everything waits, nothing is lost, and it goes on when the store is back."""
    run = house.run()
    paths = [run.segment(start, start + 5, start // 5) for start in range(0, 50, 5)]
    told = "none of 10 segments could be stored: the store is down"
    with house.store_down(), pytest.raises(ObjectStoreError, match=told):
        await house.shipper.run_once()
    assert all(path.exists() for path in paths)
    state = house.shipper.state()
    assert state["backlog_segments"] == 10
    assert state["backlog_bytes"] == sum(path.stat().st_size for path in paths)
    assert state["failing_segments"] == 0, "it is the store, not they"
    await house.ship()
    assert len(await house.objects()) == 10, "as soon as it is back"
    assert house.shipper.state()["backlog_segments"] == 0


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


async def test_one_lost_answer_lets_no_later_run_overtake(house: House) -> None:
    """A run is asked for once more, as the one that came after it would declare everything before itself."""
    earlier = house.run()
    earlier.stream_start(0)
    earlier.gap_close(2)
    earlier.segment(2, 5, 0)
    earlier.die()
    house.run(LATER_RUN, start=12).stream_start(12)
    asked = house.catalog.gaps.journal_offset

    async def lose_one(_run: int) -> int:
        house.catalog.gaps.journal_offset = asked  # type: ignore[method-assign]
        raise CatalogError("the answer is lost")

    house.catalog.gaps.journal_offset = lose_one  # type: ignore[method-assign]
    await house.ship()
    assert await house.gaps() == [(0, 2, "no_sync"), (5, 12, "crash"), (12, None, "no_sync")]
    assert house.shipper.state()["faults"] == {}


async def test_a_catalog_that_was_restored_is_told_again(house: House, tmp_path: Path) -> None:
    """A catalog from before knows neither segment nor journal: both are brought again, without a restart."""
    run = house.run()
    run.stream_start(0)
    run.segment(0, 5, 0)
    with house.store_down(), pytest.raises(ObjectStoreError):
        await house.shipper.run_once()
    async with await SqliteCatalog.open(tmp_path / "restored.sqlite", house.clock) as restored:
        house.catalog.footage, house.catalog.gaps = restored.footage, restored.gaps
        house.clock.advance(61 * SECOND)
        await house.ship()
        await house.ship()
        assert [row.state for row in await house.segments()] == [SegmentState.STORED]
        assert await restored.gaps.journal_offset(RUN) > 0
    assert house.spooled() == []


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

    def failed(error: str) -> bool:
        """And waits: who lets time pass earlier lets it pass in vain."""
        return house.shipper.state()["error"] == error and house.clock.sleepers > 0

    async with asyncio.TaskGroup() as group:
        group.create_task(house.shipper.run(stop))
        await eventually("the first failure", lambda: failed("the catalog is locked"))
        house.clock.advance(9 * SECOND)
        await eventually("the second failure", lambda: failed("ValueError: x"))
        run.segment(0, 5, 0)
        house.clock.advance(9 * SECOND)
        await eventually("the segment is shipped", lambda: house.spooled() == [])
        await eventually("the error is over", lambda: house.shipper.state()["error"] is None)
        stop.set()
