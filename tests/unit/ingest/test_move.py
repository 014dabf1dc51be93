"""A recorder that goes on on another disk: every instant is footage or a gap `disk_error`, in the catalog, too."""

from __future__ import annotations

import asyncio
import errno
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason
from storage.clock import FakeClock
from storage.coverage import Interval
from storage.directory_store import DirectoryStore
from storage.layout import Layout
from storage.secrets import SecretBox
from storage.shipper import Shipper
from storage.spool import SpoolRun
from storage.spool_ownership import Spools
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_recorder import Rig
from tests.builders_spool import FileSeam
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000


def begin(spool: Path, number: int, at_us: int, after_us: int = 0) -> SpoolRun:
    """A run of its own disk."""
    loop = asyncio.get_running_loop()
    return SpoolRun.create(spool, run=number, host="rec-1", at_us=at_us, loop=loop, after_us=after_us)


async def settled(*runs: SpoolRun) -> None:
    """The disks have answered all."""
    await eventually("the disks have answered", lambda: not any(run.pending_bytes for run in runs))


async def declared(root: Path, spools: list[Path], rig: Rig) -> tuple[list[Interval], list[tuple[str, Interval]]]:
    """What the catalog has of the stream once all is shipped: footage, and gaps that are over."""
    data, clock = Layout(root), FakeClock(wall_us=rig.clock.wall_us())
    async with await SqliteCatalog.open(data.catalog, clock, SecretBox.at(data.key)) as catalog:
        shipper = Shipper(catalog, DirectoryStore(data.objects), data, clock, Spools(spools))
        while await shipper.run_once():
            pass
        stream, end = rig.assignment.stream, clock.wall_us() + SECOND
        rows = await catalog.footage.segments(stream, 0, end)
        gaps = await catalog.gaps.gaps(stream, 0, end)
    footage = [Interval(row.start_us, row.end_us) for row in rows]
    return footage, [(gap.reason.value, Interval(gap.start_us, gap.end_us)) for gap in gaps if gap.end_us is not None]


@pytest.mark.parametrize("failing", [False, True])
async def test_nothing_is_undeclared_after_a_move(tmp_path: Path, failing: bool) -> None:
    """Footage before and after it, and between them one gap, which names the disk: no longer than what is missing."""
    spools = [tmp_path / "a", tmp_path / "b"]
    with FileSeam(sync=False).installed() as seam:
        first = begin(spools[0], 1, 1)
        rig = Rig(spool=first)  # type: ignore[arg-type]
        rig.feed(110)
        await settled(first)
        if failing:
            seam.fail("datasync", str(spools[0]), errno.EIO, times=1000)
            rig.feed(30)
            await settled(first)
            rig.feed(30)  # another segment is open there, while the gap that the first error made is
        second = begin(spools[1], 2, rig.clock.wall_us(), first.order_us)
        rig.recorder.move(second)
        rig.feed(101)
        await settled(first, second)
        assert rig.recorder.state()["durable"]["run"] == f"{2:016x}"
        rig.recorder.stop()
        for run in (first, second):
            await run.close(at_us=rig.clock.wall_us())
    footage, gaps = await declared(tmp_path, spools, rig)
    assert {reason for reason, _ in gaps} == {"disk_error"}
    whole = sorted([*footage, *(gap for _, gap in gaps)])
    assert [
        Interval(one.end_us, other.start_us) for one, other in pairwise(whole) if one.end_us != other.start_us
    ] == []
    assert sum(part.end_us - part.start_us for part in footage) >= 6 * SECOND
    missing = sum(gap.end_us - gap.start_us for _, gap in gaps)
    assert missing <= (4 if failing else 2) * SECOND, "the fragments that failed, and the wait for a sync sample"


async def test_a_camera_that_is_away_is_still_away_after_a_move(tmp_path: Path) -> None:
    """The disk is not why: one gap, with the reason it had."""
    spools = [tmp_path / "a", tmp_path / "b"]
    first = begin(spools[0], 1, 1)
    rig = Rig(spool=first)  # type: ignore[arg-type]
    rig.feed(50)
    rig.lose_session(GapReason.UNREACHABLE)
    rig.clock.advance(60 * SECOND)
    second = begin(spools[1], 2, rig.clock.wall_us(), first.order_us)
    rig.recorder.move(second)
    rig.clock.advance(60 * SECOND)
    rig.frame = (rig.frame // rig.gop + 1) * rig.gop
    rig.feed(50)
    await settled(first, second)
    rig.recorder.stop()
    for run in (first, second):
        await run.close(at_us=rig.clock.wall_us())
    footage, gaps = await declared(tmp_path, spools, rig)
    assert [reason for reason, _ in gaps] == ["unreachable"]
    (away,) = (gap for _, gap in gaps)
    assert (away.start_us, away.end_us) == (footage[0].end_us, footage[-1].start_us)


async def test_a_segment_on_a_disk_that_is_not_here_is_not_missing(tmp_path: Path) -> None:
    """It waits; with the disk it is stored."""
    spools = [tmp_path / "a", tmp_path / "b"]
    run = begin(spools[1], 1, 1)
    rig = Rig(spool=run)  # type: ignore[arg-type]
    rig.feed(101)
    rig.recorder.stop()
    await run.close(at_us=rig.clock.wall_us())
    data, clock = Layout(tmp_path), FakeClock(wall_us=rig.clock.wall_us())
    async with await SqliteCatalog.open(data.catalog, clock, SecretBox.at(data.key)) as catalog:
        store = DirectoryStore(data.objects)
        whole = Shipper(catalog, store, data, clock, Spools(spools))
        await whole._intake.run_once()
        without = Shipper(catalog, store, data, clock, Spools(spools[:1], {spools[1]: "not mounted"}))
        with pytest.raises(Exception, match="not mounted"):
            await without.run_once()
        states = [row.state.value for row in await catalog.footage.segments(rig.assignment.stream, 0, 1 << 60)]
        assert set(states) == {"uploading"}
        clock.advance(60 * SECOND)
        while await whole.run_once():
            pass
        states = [row.state.value for row in await catalog.footage.segments(rig.assignment.stream, 0, 1 << 60)]
        assert set(states) == {"stored"}


async def test_a_disk_that_cannot_be_listed_keeps_no_other_one_from_being_shipped(tmp_path: Path) -> None:
    """It is told as a fault, until it can be."""
    spools = [tmp_path / "a", tmp_path / "b"]
    begun = [begin(spool, number, number) for number, spool in enumerate(spools, start=1)]
    rig = Rig(spool=begun[1])  # type: ignore[arg-type]
    rig.feed(101)
    rig.recorder.stop()
    for run in begun:
        await run.close(at_us=rig.clock.wall_us())
    data, clock = Layout(tmp_path), FakeClock(wall_us=rig.clock.wall_us())
    async with await SqliteCatalog.open(data.catalog, clock, SecretBox.at(data.key)) as catalog:
        shipper = Shipper(catalog, DirectoryStore(data.objects), data, clock, Spools(spools))
        with FileSeam(sync=False).installed() as seam:
            seam.fail("names", spools[0], errno.EIO, times=1000)
            while await shipper.run_once():
                pass
            assert shipper.state()["faults"] == {str(spools[0]): "Input/output error"}
        states = [row.state.value for row in await catalog.footage.segments(rig.assignment.stream, 0, 1 << 60)]
        assert set(states) == {"stored"}
        await shipper.run_once()
        assert shipper.state()["faults"] == {}
