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
from media.h264 import H264Depacketizer
from media.h264_parameters import ParameterSets
from storage import files
from storage.coverage import Interval
from storage.gap_ledger import GapLedger
from storage.journal import read_journal
from storage.spool import PENDING_STREAM_BYTES, SpoolRun
from tests.builders_h264 import PPS, SPS
from tests.builders_recorder import FRAME_US, Rig
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

CAMERAS = 3
PICTURE_BYTES = 40_000  # 8 Mbit/s: a minute of it is 60 MB a camera
MARGIN_BYTES = 1 << 20
"""Of the test itself, and of what a segment's index takes."""


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
    assert held_bytes < CAMERAS * (PENDING_STREAM_BYTES + 2 * PICTURE_BYTES), "fed 180 MB"
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


@pytest.mark.parametrize(
    ("pictures", "picture_bytes", "most_bytes"),
    [(100_000, 10, 16 << 20), (300, 100_000, 16 << 20), (25, 3 << 20, 16 << 20), (25, 8 << 20, 27 << 20)],
)
async def test_all_that_a_camera_has_in_memory_is_within_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: int, picture_bytes: int, most_bytes: int
) -> None:
    """From its packets on: what is put together, the open fragment, and what waits for the disk.

    Of the largest pictures there are three, and buffers that grew are an eighth larger than what is in them.
    """
    valve = Valve(monkeypatch)
    (tmp_path / "spool").mkdir()
    spool = SpoolRun.create(tmp_path / "spool", run=7, host="rec-1", at_us=1, loop=asyncio.get_running_loop())
    rig = Rig(spool=spool)  # type: ignore[arg-type]
    sets = ParameterSets.from_nals([SPS, PPS])
    depacketizer = H264Depacketizer(rig.recorder._on_unit, sets, max_unit_bytes=9 << 20)
    parts = [bytes(60_000)] * (picture_bytes // 60_000) + [bytes(picture_bytes % 60_000)]
    valve.shut()
    gc.collect()
    tracemalloc.start()
    for number in range(pictures):
        depacketizer.push(b"\x7c\x85\x88", 0, 3, number * 3600, False, 0)
        for part in parts:
            depacketizer.push(b"\x7c\x05" + part, 0, len(part) + 2, number * 3600, False, 0)
        depacketizer.push(b"\x7c\x45", 0, 2, number * 3600, True, 0)
        rig.clock.advance(FRAME_US)
        if number % 6 == 0:
            rig.tick()
            await asyncio.sleep(0)
    held_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held_bytes < most_bytes + MARGIN_BYTES
    assert rig.recorder.state()["reason"] == "disk_error"
    assert held_bytes > most_bytes // 2, "what is allowed is used"
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
