"""What the spool's disk can do, measured for half a second on a thread of its own, while recording begins beside it.

A group commit asks two things of a disk: to take so many bytes a second, and so many syncs. A hard disk of 160 MB/s
takes the bytes of 220 cameras and does some 50 syncs a second where they need 228: so both are measured, as the commit
does them, with fdatasync on as many threads. The files have no name while they are written: a kill leaves nothing.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import structlog

from storage import files
from storage.clock import HostClock
from storage.group_commit import SYNC_THREADS

if TYPE_CHECKING:
    from pathlib import Path

    from storage.clock import Clock

PHASE_US = 250_000  # each of the two; what is begun then is finished
MOST_BYTES = 32 << 20
ROOM = 100
"""At most a hundredth of what is free is written: a probe must not be what fills the disk."""

_SYNC_BYTES = 4096
_BLOCK_BYTES = 1 << 20
_MOST_SYNCS = 5000  # a thread; a disk that does more in a quarter of a second is fast enough

log = structlog.get_logger()


class DiskRate(NamedTuple):
    """What a disk did, or should do, in a second."""

    bytes_per_s: int
    syncs_per_s: int


class DiskProbe:
    """One measurement. `rate` is None until it is done, and if the disk refused it."""

    def __init__(self, spool: Path) -> None:
        self.rate: DiskRate | None = None
        self._spool = spool

    def start(self) -> None:
        """Measure on a thread that no end of the process waits for: a disk that hangs may hang it."""
        threading.Thread(target=self._run, name="probe", daemon=True).start()

    def _run(self) -> None:
        try:
            self.rate = measure(self._spool, HostClock())
        except OSError as error:
            log.warning("disk_probe_failed", error=str(error))


def measure(spool: Path, clock: Clock) -> DiskRate:
    """Measure both for `PHASE_US` each. Blocks; OSError."""
    with ThreadPoolExecutor(SYNC_THREADS, "probe") as threads:
        began_us = clock.boot_us()
        counts = threads.map(lambda number: _sync_often(spool, number, clock, began_us + PHASE_US), range(SYNC_THREADS))
        syncs_per_s = sum(counts) * 1_000_000 // max(1, clock.boot_us() - began_us)
    return DiskRate(_write_much(spool, clock), syncs_per_s)


def _sync_often(spool: Path, number: int, clock: Clock, until_us: int) -> int:
    """How many small appends were made durable; one at least, however late this thread came to its turn."""
    fd = _nameless(spool, f"probe-{number}")
    try:
        block = bytes(_SYNC_BYTES)
        for count in range(_MOST_SYNCS):
            if count and clock.boot_us() >= until_us:
                return count
            files.append(fd, [block], count * _SYNC_BYTES)
            files.datasync(fd)
        return _MOST_SYNCS
    finally:
        files.close(fd)


def _write_much(spool: Path, clock: Clock) -> int:
    """Bytes a second, made durable a megabyte at a time; 0 where there is no room to try."""
    fd = _nameless(spool, "probe-bytes")
    try:
        most = min(MOST_BYTES, files.free_bytes(fd) // ROOM)
        began_us, written = clock.boot_us(), 0
        block = memoryview(bytes(range(256)) * (_BLOCK_BYTES // 256))
        while written + _BLOCK_BYTES <= most and (not written or clock.boot_us() < began_us + PHASE_US):
            written += files.append(fd, [block], written)
            files.datasync(fd)
        return written * 1_000_000 // max(1, clock.boot_us() - began_us)
    finally:
        files.close(fd)


def _nameless(spool: Path, name: str) -> int:
    path = spool / f".{name}.{threading.get_native_id()}"
    fd = files.create_exclusive(path)
    files.unlink(path)
    return fd
