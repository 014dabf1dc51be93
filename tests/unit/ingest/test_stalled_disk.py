"""A disk that takes nothing for a minute, through the real group commit: memory is capped, and every loss declared."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from media.errors import GapReason
from media.fmp4_read import fragment_samples, scan
from storage import files
from storage.coverage import Interval
from storage.gap_ledger import GapLedger
from storage.journal import read_journal
from storage.spool import PENDING_STREAM_BYTES, SpoolRun
from tests.builders_recorder import FRAME_US, Rig
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

CAMERAS = 3
PICTURE_BYTES = 40_000  # 8 Mbit/s: a minute of it is 60 MB a camera
FRAGMENT_BYTES = 2 << 20


class Valve:
    """fdatasync as the disk has it: shut, it does not return."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._open.set()
        real = files.datasync
        monkeypatch.setattr(files, "datasync", lambda fd: self._pass(real, fd))

    def _pass(self, real: Callable[[int], None], fd: int) -> None:
        self._open.wait()
        real(fd)

    def shut(self) -> None:
        """From now on."""
        self._open.clear()

    def open(self) -> None:
        """It takes what waits."""
        self._open.set()


def stored(run: Path, stream: UUID) -> list[tuple[int, Interval]]:
    """How many frames each durable fragment holds, and when."""
    found = []
    for path in sorted((run / str(stream)).iterdir(), key=lambda path: int(path.name.split(".")[2])):
        content = path.read_bytes()
        segment = scan(lambda at, n, c=content: c[at : at + n], len(content), verify=True)  # type: ignore[misc]
        for fragment in segment.fragments:
            commit = fragment.commit
            _, samples = fragment_samples(content[commit.offset : fragment.data_offset - 8])
            found.append((len(samples), Interval(commit.wall_us, commit.end_wall_us)))
    return found


def declared(run: Path, stream: UUID, footage: list[Interval]) -> GapLedger:
    """The gaps that the journal tells of a stream."""
    content = (run / "journal").read_bytes()
    ledger = GapLedger(stream, (), ())
    for record in read_journal(lambda at, n: content[at : at + n], len(content)).records:
        fields: dict[str, Any] = record.fields
        if fields.get("stream") != str(stream):
            continue
        if record.kind == "stream_start":
            ledger.start(fields["at_us"], since_us=None, reason=GapReason.SHUTDOWN)
        elif record.kind == "gap_open":
            ledger.open(fields["at_us"], GapReason(fields["reason"]), fields["detail"])
        elif record.kind == "gap_close":
            ledger.close(fields["at_us"])
    for interval in footage:
        ledger.cover(interval)
    return ledger


async def test_a_disk_that_stalls_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 MiB a camera wait, and no more; what came before is durable, what could not wait is a gap, then it goes on."""
    valve = Valve(monkeypatch)
    loop = asyncio.get_running_loop()
    (tmp_path / "spool").mkdir()
    spool = SpoolRun.create(tmp_path / "spool", run=7, host="rec-1", at_us=1, loop=loop)
    rigs = [Rig(spool=spool, stream=UUID(int=100 + number)) for number in range(CAMERAS)]  # type: ignore[arg-type]
    start_us = rigs[0].clock.wall_us()

    async def play(seconds: int) -> None:
        for _ in range(seconds * 4):
            for rig in rigs:
                rig.feed(6, PICTURE_BYTES)
                rig.clock.advance(250_000 - 6 * FRAME_US)
                rig.tick()
            await asyncio.sleep(0)

    await play(4)
    await eventually("all is durable", lambda: all(not rig.recorder.state()["pending_bytes"] for rig in rigs))
    valve.shut()
    gc.collect()
    tracemalloc.start()
    await play(60)
    held_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held_bytes < CAMERAS * (PENDING_STREAM_BYTES + 2 * FRAGMENT_BYTES), "fed 180 MB"
    assert held_bytes > CAMERAS * PENDING_STREAM_BYTES * 3 // 4, "what is allowed is used"
    assert {rig.recorder.state()["reason"] for rig in rigs} == {"disk_error"}
    valve.open()
    await eventually("it has caught up", lambda: all(not rig.recorder.state()["pending_bytes"] for rig in rigs))
    await play(8)
    end_us = rigs[0].clock.wall_us()
    for rig in rigs:
        rig.recorder.stop()
    await spool.close(end_us)
    for rig in rigs:
        _check(spool.directory, rig, start_us, end_us)


@pytest.mark.parametrize(("pictures", "picture_bytes"), [(400, 100_000), (25, 3 << 20), (25, 8 << 20)])
async def test_the_largest_pictures_of_a_camera_are_pinned_within_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: int, picture_bytes: int
) -> None:
    """Nothing is given back until it is durable; beyond 16 MiB there are the fragment that filled it and another."""
    valve = Valve(monkeypatch)
    (tmp_path / "spool").mkdir()
    spool = SpoolRun.create(tmp_path / "spool", run=7, host="rec-1", at_us=1, loop=asyncio.get_running_loop())
    rig = Rig(spool=spool)  # type: ignore[arg-type]
    rig.gop = 7
    valve.shut()
    gc.collect()
    tracemalloc.start()
    for _ in range(pictures):
        rig.feed(1, picture_bytes)
        rig.tick()
        await asyncio.sleep(0)
    held_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    largest_bytes = FRAGMENT_BYTES + picture_bytes
    assert rig.recorder.state()["reason"] == "disk_error"
    assert PENDING_STREAM_BYTES * 3 // 4 < held_bytes < PENDING_STREAM_BYTES + 2 * largest_bytes + picture_bytes
    valve.open()
    await eventually("it has caught up", lambda: not rig.recorder.state()["pending_bytes"])
    rig.recorder.stop()
    await spool.close(rig.clock.wall_us())


def _check(run: Path, rig: Rig, start_us: int, end_us: int) -> None:
    fragments = stored(run, rig.assignment.stream)
    footage = [interval for _, interval in fragments]
    assert rig.recorder.state()["state"] == "recording"
    assert footage[0].start_us == start_us
    ledger = declared(run, rig.assignment.stream, footage)
    gaps = [gap for gap in ledger.gaps if gap.start_us < end_us]
    assert [gap.reason for gap in gaps if gap.end_us != gap.start_us][:1] == [GapReason.DISK_ERROR]
    assert sum(count for count, _ in fragments) > 25 * 20, "what waited was not thrown away"
    lost_us = sum((gap.end_us or end_us) - gap.start_us for gap in gaps)
    covered_us = sum(interval.end_us - interval.start_us for interval in footage)
    assert abs(lost_us + covered_us - (end_us - start_us)) < 1_100_000, "every instant is footage or a gap"
    assert 30_000_000 < lost_us < 61_000_000
