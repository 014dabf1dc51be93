"""A file that only the commit thread of its spool touches: created, appended to, synced, sealed, closed, in that order.

It never retries. The first operation that fails decides: the error is kept, the descriptor is closed, and everything
asked of the file from then on has failed with that error. After a failed fdatasync the kernel has marked the lost pages
clean (ext4, XFS and Btrfs alike), so a second fdatasync would return 0 for bytes that are not on the disk.
A full disk is another matter where it refuses the bytes and not their sync: nothing that was taken is in doubt. Then
the file is cut behind its last whole part, which is synced with the rest of the round and announced; it takes nothing
more, and its name says that it only lacks its end.

What the file holds is left to recovery, which believes nothing but complete, hashed fragments. The file's name says so
from then on, and how many of its fragments were announced before: a reader must not count the others, and recovery must
not sync it either. The new name needs no sync. It matters as long as the page cache shows what the disk may not have,
and it ends with it.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from media.errors import SpoolError
from storage import files, layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from storage.files import Buffer


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class CommitFile:
    """One file of the spool. Its methods note an OSError in `error` instead of raising it.

    `names` are the directories whose sync makes the file's name durable: the group commit syncs them and takes them
    out, and nothing in the file counts as durable before.
    """

    __slots__ = (
        "_announced",
        "_fd",
        "_parts",
        "_reserve_bytes",
        "_reserved_to",
        "error",
        "full",
        "names",
        "path",
        "size_bytes",
    )

    def __init__(self, path: Path, *, reserve_bytes: int = 0) -> None:
        self.path = path
        self._reserve_bytes = reserve_bytes
        self._reserved_to = 0
        self.error: SpoolError | None = None
        self.full: SpoolError | None = None
        """Why it takes no more, where all that it took before is good."""
        self.names: set[Path] = set()
        self.size_bytes = 0
        self._fd = -1
        self._parts = 0
        self._announced = 0

    @classmethod
    def adopt(cls, path: Path, fd: int, size_bytes: int, *, reserve_bytes: int = 0) -> CommitFile:
        """A file that exists, durably, and is handed over with its descriptor."""
        file = cls(path, reserve_bytes=reserve_bytes)
        file._fd, file.size_bytes, file._parts = fd, size_bytes, 1
        return file

    @property
    def usable(self) -> bool:
        """Open and without an error."""
        return self.error is None and self._fd >= 0

    def create(self, head: Sequence[Buffer]) -> None:
        """Create the file, and its directory if it is the first in there, and write its head."""
        if self.error is not None:
            return
        directory = self.path.parent
        try:
            with contextlib.suppress(FileExistsError):
                files.make_directory(directory)
                self.names.add(directory.parent)
            self._fd = files.create_exclusive(self.path)
            self.names.add(directory)
            self.size_bytes = files.append(self._fd, head, 0)
        except OSError as error:
            self.fail(error)

    def append(self, buffers: Sequence[Buffer]) -> None:
        """Write at the end."""
        if self.error is not None or self.full is not None:
            return
        if self._fd < 0:
            self.fail(OSError(errno.EBADF, "it is closed"))
            return
        try:
            self.size_bytes += files.append(self._fd, buffers, self.size_bytes)
            self._parts += 1
        except OSError as error:
            self._refused(error)
            return
        self._keep_reserve()

    def _refused(self, error: OSError) -> None:
        """Bytes were not taken. On a full disk cut off what was; what came before is synced and announced as ever."""
        if error.errno not in FULL or self._parts == 0:
            self.fail(error)
            return
        try:
            files.truncate(self._fd, self.size_bytes)
        except OSError as worse:
            self.fail(worse)
            return
        self.full = self._told(error)

    def _keep_reserve(self) -> None:
        """Keep room behind the end, so that what must be said about a full disk can still be written.

        Best effort: a file system that cannot reserve, or is full already, only loses the reserve.
        """
        if self.size_bytes + self._reserve_bytes // 2 >= self._reserved_to and self._reserve_bytes:
            self._reserved_to = self.size_bytes + self._reserve_bytes
            with contextlib.suppress(OSError):
                files.reserve(self._fd, self.size_bytes, self._reserve_bytes)

    def datasync(self) -> None:
        """Make what was written durable."""
        if not self.usable:
            return
        try:
            files.datasync(self._fd)
        except OSError as error:
            self.fail(error)

    def settle(self) -> None:
        """The round is over: what was appended without an error is durable, name and all."""
        if self.error is None:
            self._announced = self._parts
            if self.full is not None and self._fd >= 0:
                self._close()
                self._rename_open(layout.cut_path(self.path, self._announced))

    def seal(self, target: Path) -> None:
        """Give a synced file its final name, and close it."""
        if not self.usable or self.full is not None:
            return
        try:
            files.rename(self.path, target)
        except OSError as error:
            self.fail(error)
            return
        self.path = target
        self.names.add(target.parent)
        self._close()

    def release(self) -> None:
        """Close the file as it is. Without one whole part after its head there is nothing to recover: it goes."""
        if not self.usable or self.full is not None:
            return
        self._close()
        self._unlink_if_bare()

    def fail(self, error: OSError) -> None:
        """Keep the first error and let go of the file."""
        if self.error is not None:
            return
        self.error = self._told(error)
        if self._fd >= 0:
            self._close()
            self._set_aside()

    def _told(self, error: OSError) -> SpoolError:
        code = errno.errorcode.get(error.errno or 0, "?")
        told = SpoolError(f"{self.path}: {error.strerror or error} ({code})")
        told.__cause__ = error
        return told

    def _set_aside(self) -> None:
        if self._parts == 0:
            self._unlink_if_bare()
        else:
            self._rename_open(layout.failed_path(self.path, self._announced))

    def _rename_open(self, target: Path) -> None:
        """Let the name of a segment say what became of it; a journal keeps its own."""
        if self.path.name.endswith(layout.OPEN_SUFFIX):
            with contextlib.suppress(OSError):  # a disk that takes no names any more: readers go by the mark alone
                files.rename(self.path, target)
                self.path = target

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):  # all that counts was synced, or has failed already
            files.close(fd)

    def _unlink_if_bare(self) -> None:
        """A full disk must not fill with files that hold nothing: recording is tried again every few seconds."""
        if self._parts == 0:
            with contextlib.suppress(OSError):  # recovery finds it and says so
                files.unlink(self.path)
