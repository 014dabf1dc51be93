"""Where recovery puts what it takes out of the spool: durable here before it goes there, for it may be evidence.

    <data>/quarantine/<run>/<stream>/<file>.<start>-<end>.<hash>.torn    bytes start..end of a segment's file
    <data>/quarantine/<run>/<stream>/<file>                              a whole file (or directory) that is no segment

Of a spool on a disk of its own, what is no regular file (a directory, a pipe, a link) has its quarantine there,
`<data>/spool/quarantine/...`: it cannot be copied, and would stand in the way for ever.

A torn piece is named by its content, so a recovery that is run again keeps it once. Nothing here is ever read back by
the product, and nothing removes it but a person.
"""

from __future__ import annotations

import contextlib
import errno
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING

from storage import files, layout

if TYPE_CHECKING:
    from pathlib import Path

_COPY_BYTES = 1 << 20
_UNFINISHED = ".unfinished"


class Quarantine:
    """The quarantine directory. Only one recovery works in a run's part of it: the one that holds the run's lock."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, fd: int, start: int, end: int, *, of: Path) -> Path:
        """Copy bytes start..end of an open file, durably; where they are."""
        place = self._place(of)
        unfinished = place / f"{of.name}.{start}-{end}{_UNFINISHED}"
        digest = _copy(fd, start, end, unfinished)
        kept = place / f"{of.name}.{start}-{end}.{digest[:16]}.torn"
        files.rename(unfinished, kept)
        files.sync_directory(place)
        return kept

    def move(self, path: Path) -> Path:
        """Take a file or directory out of the spool; where it is now. OSError if it stays where it was."""
        place = self._place(path)
        kept = self._free_name(place, path.name)
        try:
            files.rename(path, kept)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return self._move_across(path, kept)
        files.sync_directory(place)
        files.sync_directory(path.parent)
        return kept

    def _move_across(self, path: Path, kept: Path) -> Path:
        """The spool is a disk of its own. What cannot be copied as a file goes into a quarantine on that disk."""
        if path.is_file() and not path.is_symlink():
            self._copy_across(path, kept)
            files.sync_directory(path.parent)
            return kept
        here = Quarantine(path.parents[2] / layout.QUARANTINE)
        if here._root == self._root:  # renamed across disks within one: somebody has mounted something there
            raise OSError(errno.EXDEV, "it is on a disk of its own", str(path))
        return here.move(path)

    @staticmethod
    def _copy_across(path: Path, kept: Path) -> None:
        """Copy, make durable, then remove."""
        fd = files.open_read(path)
        try:
            unfinished = kept.with_name(kept.name + _UNFINISHED)
            _copy(fd, 0, files.size_bytes(fd), unfinished)
            files.rename(unfinished, kept)
            files.sync_directory(kept.parent)
        finally:
            files.close(fd)
        files.unlink(path)

    def _place(self, path: Path) -> Path:
        """The directory for what comes from the same directory of the spool; its names are durable."""
        place = self._root
        for directory in (self._root, place := place / path.parent.parent.name, place / path.parent.name):
            with contextlib.suppress(FileExistsError):
                files.make_directory(directory)
            files.sync_directory(directory.parent)
        return place / path.parent.name

    @staticmethod
    def _free_name(place: Path, name: str) -> Path:
        taken = set(files.names(place))
        return place / next(free for number in count() if (free := f"{name}.{number}" if number else name) not in taken)


def _copy(fd: int, start: int, end: int, target: Path) -> str:
    """Write bytes start..end of `fd` to `target`, durably but for the name; their SHA-256 in hex."""
    with contextlib.suppress(FileNotFoundError):
        files.unlink(target)  # of a copy that was not finished
    digest = sha256()
    copy = files.create_exclusive(target)
    try:
        for offset in range(start, end, _COPY_BYTES):
            piece = files.read_at(fd, offset, min(_COPY_BYTES, end - offset))
            digest.update(piece)
            files.append(copy, [piece], offset - start)
        files.datasync(copy)
    finally:
        files.close(copy)
    return digest.hexdigest()
