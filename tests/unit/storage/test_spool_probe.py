"""What a disk can do, measured for a moment."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from storage.clock import FakeClock
from storage.group_commit import SYNC_THREADS
from storage.spool_probe import PHASE_US, DiskProbe, measure
from tests.builders_spool import FileSeam
from tests.small_disk import in_memory
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

LOOK_US = 10_000


class PassingClock(FakeClock):
    """Each look at it takes 10 ms, whichever thread looks."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = threading.Lock()

    def boot_us(self) -> int:
        """Later than the last time."""
        with self._turns:
            self.advance(LOOK_US)
            return super().boot_us()


def test_a_probe_ends_when_its_time_is_over_and_leaves_nothing(tmp_path: Path) -> None:
    """However slow the disk is: at most one sync of each thread is begun in the last moment."""
    with FileSeam().installed() as seam:
        rate = measure(tmp_path, PassingClock())
    assert list(tmp_path.iterdir()) == []
    syncs = [event for event in seam.events if event.operation == "datasync"]
    assert 2 <= len(syncs) <= 2 * PHASE_US // LOOK_US + SYNC_THREADS
    assert rate.syncs_per_s > 0
    assert rate.bytes_per_s > 0
    assert all(event.path.name.startswith(".probe-") for event in syncs)


def test_every_write_is_made_durable_before_it_counts(tmp_path: Path) -> None:
    """The page cache takes gigabytes a second of any disk."""
    with FileSeam().installed() as seam:
        measure(tmp_path, PassingClock())
    per_file: dict[Path, list[str]] = {}
    for event in seam.events:
        if event.operation in {"append", "datasync"}:
            per_file.setdefault(event.path, []).append(event.operation)
    for operations in per_file.values():
        assert operations == ["append", "datasync"] * (len(operations) // 2)


def test_a_disk_with_little_room_is_spared(tmp_path: Path) -> None:
    """A hundredth of what is free, and nothing where that is less than a megabyte."""
    with in_memory(tmp_path / "disk", 8 << 20) as disk, FileSeam().installed() as seam:
        assert measure(disk, PassingClock()).bytes_per_s == 0
    assert not [event for event in seam.events if len(event.written) > 1 << 16]


async def test_a_disk_that_refuses_is_no_reason_not_to_record(tmp_path: Path) -> None:
    """It is said; the figures stay unknown."""
    probe = DiskProbe(tmp_path)
    with FileSeam().installed() as seam, capture_logs() as said:
        seam.fail("datasync", "probe", errno.EIO, times=100)
        probe.start()
        await eventually("the probe to end", lambda: said)
    assert [line["event"] for line in said] == ["disk_probe_failed"]
    assert probe.rate is None
