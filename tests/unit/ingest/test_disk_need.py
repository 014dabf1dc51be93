"""Whether a disk can keep up with its cameras, said with the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from structlog.testing import capture_logs

from ingest.assignments import Assignment
from ingest.disk_need import DiskNeed, needed, shortfall
from storage.spool_probe import DiskRate

if TYPE_CHECKING:
    from pathlib import Path


def _cameras(count: int, bitrate_bps: int | None = 4_000_000) -> list[Assignment]:
    return [
        Assignment(
            stream=UUID(int=number), camera=UUID(int=number), name="gate", epoch=1, url=None, bitrate_bps=bitrate_bps
        )
        for number in range(count)
    ]


def test_what_cameras_need() -> None:
    """220 of 4 Mbit/s: 110 MB/s; a sync a second each, and two for each segment of a minute."""
    assert needed(_cameras(220)) == DiskRate(110_000_000, 228)
    assert needed(_cameras(220, None)) == DiskRate(110_000_000, 228)
    assert needed([]) == DiskRate(0, 0)


def test_a_disk_with_room_to_spare_is_not_mentioned() -> None:
    """70 % of what was measured counts; what was not measured is no reason."""
    need = DiskRate(70_000_000, 70)
    assert shortfall(need, DiskRate(100_000_000, 100)) == ""
    assert shortfall(need, DiskRate(0, 100)) == ""
    assert shortfall(DiskRate(70_000_001, 70), DiskRate(100_000_000, 100))
    assert shortfall(DiskRate(70_000_000, 71), DiskRate(100_000_000, 100))


def test_what_will_not_fit_is_said_with_its_figures() -> None:
    """Bytes, syncs or both: a hard disk takes the bytes and not the syncs."""
    need = needed(_cameras(220))
    text = shortfall(need, DiskRate(180_000_000, 50))
    assert "228 syncs/s (it did 50 syncs/s)" in text
    assert "MB/s" not in text
    text = shortfall(need, DiskRate(40_000_000, 50))
    assert "110.0 MB/s (it did 40.0 MB/s) and 228 syncs/s" in text


def test_it_is_said_once_and_again_when_it_changes(tmp_path: Path) -> None:
    """And taken back when cameras go."""
    disk = DiskNeed(tmp_path)
    disk.assign(_cameras(220))
    with capture_logs() as said:
        disk.look()
        disk._probe.rate = DiskRate(110_000_000, 50)
        disk.look()
        disk.look()
        disk.assign(_cameras(100))
        disk.look()
        disk.assign(_cameras(2))
        disk.look()
    assert [line["event"] for line in said] == ["disk_too_slow"] * 2
    assert disk.state() == {
        "measured_bytes_per_s": 110_000_000,
        "measured_syncs_per_s": 50,
        "needed_bytes_per_s": 1_000_000,
        "needed_syncs_per_s": 3,
        "warning": "",
    }
