"""Several disks of one recorder: who is recorded where, which disk is given up, and what that costs."""

from __future__ import annotations

import asyncio
import errno
import secrets
import threading
from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from ingest import disks as disks_module
from ingest.disks import Disk, DiskSet
from media.errors import GapReason, SpoolError
from media.identity import SegmentIdentity
from storage import files, journal
from storage.clock import FakeClock
from tests.builders_spool import FileSeam
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from storage.spool import SpoolRun

SECOND = 1_000_000
STREAMS = [UUID(int=number) for number in range(1, 401)]
NOTE = journal.gap_open(stream=STREAMS[0], at_us=1, reason=GapReason.STALLED)


class Rack:
    """Two disks, which are directories here, and what was written down about them."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.paths = [root / "a", root / "b"]
        self.retired: dict[Path, str] = {}
        self.disks = DiskSet(
            self.paths, host="rec-1", clock=self.clock, retire=lambda path, why: self.retired.update({path: why})
        )
        self.disks.open(secrets.randbits(62))

    def on(self, path: Path) -> list[UUID]:
        """The streams that are recorded there."""
        return [stream for stream in STREAMS if self.disks.run_for(stream).directory.parent == path]

    def run(self, path: Path) -> SpoolRun:
        """The run there."""
        return self.disks.run_for(self.on(path)[0])

    async def write(self, run: SpoolRun) -> None:
        """A record, until the disk has answered."""
        answered = asyncio.Event()
        run.note(NOTE, lambda _: answered.set())
        await asyncio.wait_for(answered.wait(), 10)

    async def fail(self, seam: FileSeam, path: Path) -> None:
        """A file there fails, of a stream of its own."""
        run = self.run(path)
        seam.fail("create_exclusive", f"{run.directory}/", errno.EIO)
        failed = asyncio.Event()
        identity = next_segment(run, self.on(path)[0])
        run.open_segment(identity, b"x").append([b"y"], lambda _: failed.set())
        await asyncio.wait_for(failed.wait(), 10)


def next_segment(run: SpoolRun, stream: UUID) -> SegmentIdentity:
    """One that the run has not had."""
    return SegmentIdentity(camera=UUID(int=9), stream=stream, epoch=1, run=run.run, sequence=run.errors)


@pytest.fixture
async def rack(tmp_path: Path) -> AsyncIterator[Rack]:
    """In use."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    rack = Rack(tmp_path)
    yield rack
    await rack.disks.close(at_us=1)


async def test_streams_are_shared_out_and_stay_where_they_are(rack: Rack, tmp_path: Path) -> None:
    """About half of them each; the next process does the same."""
    shares = [rack.on(path) for path in rack.paths]
    assert all(len(share) > 150 for share in shares)
    later = Rack(tmp_path)
    assert [later.on(path) for path in rack.paths] == shares
    await later.disks.close(at_us=2)


def test_a_larger_disk_has_more_streams(tmp_path: Path) -> None:
    """In proportion."""
    small, large = Disk(tmp_path / "small"), Disk(tmp_path / "large")
    small.size_bytes, large.size_bytes = 1 << 40, 3 << 40
    chosen = Counter(
        max((small, large), key=lambda disk: disks_module._preference(stream, disk)).path.name for stream in STREAMS
    )
    assert 260 < chosen["large"] < 340


async def test_the_second_error_retires_a_disk_and_moves_its_streams_alone(rack: Rack) -> None:
    """One may happen. The new run is newer than all others, and what failed is written down."""
    bad, good = rack.paths
    stay, move = rack.on(good), rack.on(bad)
    before = {path: rack.run(path) for path in rack.paths}
    with FileSeam().installed() as seam:
        await rack.fail(seam, bad)
        assert rack.disks.look() == set()
        rack.clock.advance(2 * SECOND)
        assert rack.disks.look() == set(), "one error"
        await rack.fail(seam, bad)
    assert rack.disks.look() == {before[bad]}
    assert set(rack.on(good)) == {*stay, *move}
    new = rack.disks.run_for(move[0])
    assert new is not before[good]
    assert new.order_us > max(run.order_us for run in before.values())
    await eventually("it is written down", lambda: bad in rack.retired)
    assert "errors within 10 minutes" in rack.retired[bad]
    assert [bool(disk["retired"]) for disk in rack.disks.state()] == [True, False]


async def test_errors_that_are_far_apart_retire_nothing(rack: Rack) -> None:
    """Nor do many files that fail with one error of the disk."""
    bad = rack.paths[0]
    with FileSeam().installed() as seam:
        for _ in range(3):
            await rack.fail(seam, bad)
        assert rack.disks.look() == set()
        rack.clock.advance(601 * SECOND)
        await rack.fail(seam, bad)
    assert rack.disks.look() == set()


async def test_the_last_disk_is_never_given_up(rack: Rack) -> None:
    """Errors of files cost what they cost; a run that cannot go on ends the process, which begins a new one."""
    bad, last = rack.paths
    with FileSeam().installed() as seam:
        for path in (bad, last):
            for _ in range(2):
                await rack.fail(seam, path)
                rack.disks.look()
                rack.clock.advance(2 * SECOND)
        assert [bool(disk["retired"]) for disk in rack.disks.state()] == [True, False]
        seam.fail("datasync", str(rack.run(last).directory / "journal"), errno.EIO)
        await rack.write(rack.run(last))
        with pytest.raises(SpoolError, match="journal"):
            rack.disks.look()


async def test_a_disk_that_hangs_is_left_while_another_answers(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten seconds; it is not written down, as disks that hang may be sound. Where all hang none is left."""
    hung, good = rack.paths
    runs = {path: rack.run(path) for path in rack.paths}
    stuck, real = {hung, good}, files.datasync
    go_on = threading.Event()
    of_fd = {run._journal._fd: path for path, run in runs.items()}

    def datasync(fd: int) -> None:
        if of_fd.get(fd) in stuck:
            go_on.wait(30)
        real(fd)

    monkeypatch.setattr(files, "datasync", datasync)
    for run in runs.values():
        run.note(NOTE)
    for _ in range(120):
        rack.clock.advance(SECOND // 4)
        assert rack.disks.look() == set(), "all hang"
    stuck.discard(good)
    go_on.set()
    await eventually("both answer", lambda: not any(run.pending_bytes for run in runs.values()))
    rack.disks.look()
    go_on.clear()
    runs[hung].note(NOTE)
    given_up: set[SpoolRun] = set()
    for _ in range(41):
        rack.clock.advance(SECOND // 4)
        given_up |= rack.disks.look()
    assert given_up == {runs[hung]}
    assert rack.retired == {}
    go_on.set()


async def test_runs_after_a_clock_that_went_back_are_newer_than_those_of_every_disk(tmp_path: Path) -> None:
    """A stream may have been on the other one before, which may not be in use any more."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = Rack(tmp_path)
    newest_us = max(before.run(path).order_us for path in before.paths)
    await before.disks.close(at_us=1)
    clock = FakeClock(wall_us=1000)
    for used, refused in ((["a", "b"], {}), (["a"], {tmp_path / "b": "it failed"})):
        disks = DiskSet([tmp_path / name for name in used], host="", clock=clock, refused=refused)
        disks.open(secrets.randbits(62))
        orders = {disks.run_for(stream).order_us for stream in STREAMS}
        assert min(orders) > newest_us
        newest_us = max(orders)
        await disks.close(at_us=2)


async def test_nobody_moves_where_no_new_run_can_begin(rack: Rack) -> None:
    """An older run would stand before what is left; it is tried again."""
    bad, good = rack.paths
    left = rack.run(bad)
    with FileSeam().installed() as seam:
        for _ in range(2):
            await rack.fail(seam, bad)
            assert rack.disks.look() == set()
            rack.clock.advance(2 * SECOND)
            seam.fail("make_directory", f"{good}/.unborn-", errno.ENOSPC)
    assert not any(disk["retired"] for disk in rack.disks.state())
    rack.clock.advance(11 * SECOND)
    assert rack.disks.look() == {left}


async def test_a_disk_that_cannot_begin_is_left_out(tmp_path: Path) -> None:
    """It is told; without any other one, recording does not begin."""
    (tmp_path / "a").write_text("no directory")
    (tmp_path / "b").mkdir()
    rack = Rack(tmp_path)
    assert set(rack.on(tmp_path / "b")) == set(STREAMS)
    assert [(disk["path"], bool(disk["retired"])) for disk in rack.disks.state()] == [
        (str(tmp_path / "b"), False),
        (str(tmp_path / "a"), True),
    ]
    await rack.disks.close(at_us=1)
    with pytest.raises(SpoolError, match="Not a directory"):
        DiskSet([tmp_path / "a"], host="", clock=FakeClock()).open(1)
