"""A disk for the spool alone, small and real, that a storm may fill: nobody else's is ever filled.

It is an ext4 file system in a file below the storm's directory, mounted where the product has its spool. How full it is
is looked at ten times a second: this, and not what the product says about it, is what explains a gap `spool_full`.
"""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storm.facts import Interval
from storm.plan import StormFailed
from storm.waiting import wall_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FULL_PERCENT = 94
"""At 95 % footage may be given up; one less, for what happens between two looks."""

LOOK_S = 0.1
_FILLER = "not-of-the-recorder"


class SpoolDisk:
    """The disk while it is mounted at `point`."""

    def __init__(self, point: Path) -> None:
        self._filler = point / _FILLER
        self._point = point
        self._stop = threading.Event()
        self._full: list[Interval] = []
        self._since_us: int | None = None

    def fill(self, left_bytes: int) -> Callable[[], None]:
        """Take all but so much of what is free. What is returned gives it back, once or more often. OSError."""
        status = os.statvfs(self._point)
        taken = status.f_bavail * status.f_frsize - left_bytes
        if taken > 0:  # otherwise it is as full already
            with self._filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, taken)
        return lambda: self._filler.unlink(missing_ok=True)

    @property
    def full(self) -> list[Interval]:
        """When it was full so far."""
        since_us = self._since_us
        return [*self._full, *([] if since_us is None else [Interval(since_us, wall_us())])]

    def watch(self) -> None:
        """Look until `stop`."""
        while not self._stop.wait(LOOK_S):
            now_us = wall_us()
            if self._used_percent() < FULL_PERCENT:
                if self._since_us is not None:
                    self._full.append(Interval(self._since_us, now_us))
                self._since_us = None
            elif self._since_us is None:
                self._since_us = now_us

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _used_percent(self) -> float:
        """As `df` counts."""
        status = os.statvfs(self._point)
        used = status.f_blocks - status.f_bfree
        return 100 * used / (used + status.f_bavail)


@contextmanager
def spool_disk(image: Path, point: Path, size_bytes: int) -> Iterator[SpoolDisk]:
    """A new disk at `point` for the length of a block. StormFailed where none can be made or mounted."""
    point.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(size_bytes)
    _carry_out("mkfs.ext4", "-q", "-F", "-m", "0", image)
    _carry_out("mount", "-o", "loop", image, point)
    disk = SpoolDisk(point)
    watching = threading.Thread(target=disk.watch, name="spool disk", daemon=True)
    try:
        watching.start()
        yield disk
    finally:
        disk.stop()
        watching.join()
        _carry_out("umount", "--lazy", point)  # somebody may look into it: it is gone when they are
        image.unlink()


def _carry_out(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own command line
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.strerror if isinstance(error, OSError) else error.stderr.strip()
        hint = "a disk can be mounted by root alone, and not in every container"
        raise StormFailed(f"--spool-disk: {command[0]}: {said}", hint=hint) from None
