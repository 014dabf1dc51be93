"""Real disks of a few megabytes, mounted for a test: what is full there is full, what is unmounted is gone."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def in_memory(point: Path, size_bytes: int) -> Iterator[Path]:
    """A tmpfs of this size. Skips the test where none may be mounted."""
    point.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size_bytes}", "none", point)
    try:
        yield point
    finally:
        unmount(point)


class Ext4Disk:
    """An ext4 file system in a file."""

    def __init__(self, image: Path, size_bytes: int) -> None:
        self.image = image
        with image.open("wb") as file:
            file.truncate(size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True, capture_output=True)

    @contextmanager
    def mounted(self, point: Path, *options: str) -> Iterator[Path]:
        """For the length of a block. Skips the test where nothing may be mounted."""
        point.mkdir(parents=True, exist_ok=True)
        _mount("-o", ",".join(("loop", *options)), self.image, point)
        try:
            yield point
        finally:
            unmount(point)


def unmount(point: Path) -> None:
    """Now if nobody has a file open there, else when the last one is closed."""
    subprocess.run(["umount", "--lazy", point], check=True, capture_output=True)


def _mount(*words: str | Path) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
