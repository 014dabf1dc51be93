"""Making a sealed name durable where a directory may not keep names any more.

After a failed fsync of a directory the kernel calls the names it lost clean, and the next fsync returns 0 for nothing.
So a directory is synced no more once that failed, and the name goes where the run itself would go on: to the stream's
next directory (docs/decisions/0071). This holds for the life of a process; the next one knows it by that directory.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from storage import files, layout

if TYPE_CHECKING:
    from pathlib import Path

_LOST: set[Path] = set()
"""Directories whose sync failed in this process."""


def keep_name(path: Path) -> Path:
    """Make the name of a file in a stream's directory durable; where it is then. OSError if no directory keeps it."""
    try:
        _sync_names(path.parent)
    except OSError:
        successor = next(iter(layout.directories_after(path.parent)), None)
        if successor is None:
            raise
        _make_durable(successor)
        files.rename(path, successor / path.name)
        return keep_name(successor / path.name)
    return path


def _make_durable(directory: Path) -> None:
    """Make a directory, unless the run did; one whose own name cannot be made durable is none."""
    made = False
    with contextlib.suppress(FileExistsError):
        files.make_directory(directory)
        made = True
    try:
        _sync_names(directory.parent)
    except OSError:
        if made:
            files.remove_directory(directory)
        raise


def _sync_names(directory: Path) -> None:
    if directory in _LOST:
        raise OSError(errno.EIO, "its names could not be made durable before", str(directory))
    try:
        files.sync_directory(directory)
    except OSError:
        _LOST.add(directory)
        raise
