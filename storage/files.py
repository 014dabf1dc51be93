"""Every file operation of the spool and of the directory object store, and nothing else.

One module, because what must never be lost is decided here: the order of writes, syncs and renames. Fault injection
and power-loss models replace these functions by name (`OPERATIONS`), so callers use them as `files.datasync(fd)` and
never import them one by one. Everything blocks: call it from a thread that may.

Python's buffered files are not used. On a full disk `os.write` may take a part of the bytes without raising, and a
buffered file raises a second time in `close()`. `append` loops until all bytes are taken or an error says why not.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Buffer = bytes | bytearray | memoryview

OPERATIONS = (
    "append",
    "close",
    "create_exclusive",
    "datasync",
    "disk_room",
    "free_bytes",
    "link",
    "link_count",
    "lock",
    "make_directory",
    "names",
    "open_directory",
    "open_read",
    "open_write",
    "read_at",
    "remove_directory",
    "rename",
    "reserve",
    "size_bytes",
    "sync_directory",
    "truncate",
    "unlink",
)

_IOV_MAX = 1024  # Linux: buffers per writev(2)
_FALLOC_FL_KEEP_SIZE = 0x01
_libc = ctypes.CDLL(None, use_errno=True)


def create_exclusive(path: Path, *, mode: int = 0o640) -> int:
    """Create a file that must not exist; a descriptor to read and write it. Its name is not durable yet."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)


def open_read(path: Path) -> int:
    """Open a regular file to read it; anything else is refused (a FIFO would block, a link may lead elsewhere)."""
    return _regular(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), path)


def open_write(path: Path) -> int:
    """Open an existing regular file to read and write it."""
    return _regular(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), path)


def _regular(fd: int, path: Path) -> int:
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def open_directory(path: Path) -> int:
    """Open a directory, to lock it."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def close(fd: int) -> None:
    """Close a descriptor. What must be durable was synced before; an error here says nothing new."""
    os.close(fd)


def append(fd: int, buffers: Sequence[Buffer], offset: int) -> int:
    """Write all buffers at `offset`, the end of the file as its only writer knows it; the number of bytes written.

    The position is explicit, so a failed or short write can never shift what follows.
    """
    start = offset
    views = [memoryview(buffer) for buffer in buffers if len(buffer)]
    while views:
        taken = os.pwritev(fd, views[:_IOV_MAX], offset)
        if taken == 0:
            raise OSError(errno.EIO, "the file takes no more bytes")
        offset += taken
        views = _after(views, taken)
    return offset - start


def _after(views: list[memoryview], taken: int) -> list[memoryview]:
    """What is left of `views` after their first `taken` bytes."""
    for index, view in enumerate(views):
        if taken < len(view):
            return [view[taken:], *views[index + 1 :]]
        taken -= len(view)
    return []


def reserve(fd: int, start: int, length: int) -> None:
    """Reserve room on the disk without changing the file's size, so that later writes there cannot meet a full disk."""
    # os.posix_fallocate changes the size, and writes zeros where the file system cannot reserve.
    if _libc.fallocate(fd, _FALLOC_FL_KEEP_SIZE, ctypes.c_int64(start), ctypes.c_int64(length)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def truncate(fd: int, size: int) -> None:
    """Cut the file to `size` bytes."""
    os.ftruncate(fd, size)


def datasync(fd: int) -> None:
    """Make the file's bytes and size durable. After an error nothing about the file is known: never call it again."""
    os.fdatasync(fd)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path) -> None:
    """Create a directory in an existing one."""
    path.mkdir(mode=0o750)


def remove_directory(path: Path) -> None:
    """Remove an empty directory."""
    path.rmdir()


def names(path: Path) -> list[str]:
    """What a directory holds, in order."""
    return sorted(entry.name for entry in path.iterdir())


def rename(source: Path, target: Path) -> None:
    """Rename, replacing what is there. Durable only after `sync_directory` of both parents."""
    source.rename(target)


def link(source: Path, target: Path) -> None:
    """Give a file a second name that must not exist."""
    target.hardlink_to(source)


def unlink(path: Path) -> None:
    """Remove a name."""
    path.unlink()


def lock(fd: int, *, shared: bool = False) -> bool:
    """Try to lock an open file or directory; False if somebody else holds it. Ends when the descriptor is closed."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def size_bytes(fd: int) -> int:
    """The size of an open file."""
    return os.fstat(fd).st_size


def free_bytes(fd: int) -> int:
    """What the file system of an open file still takes from us."""
    status = os.fstatvfs(fd)
    return status.f_bavail * status.f_frsize


def disk_room(path: Path) -> tuple[int, int]:
    """Size and free bytes of the disk that a directory is on, without what is reserved for root."""
    status = os.statvfs(path)
    used = status.f_blocks - status.f_bfree
    return (used + status.f_bavail) * status.f_frsize, status.f_bavail * status.f_frsize


def link_count(fd: int) -> int:
    """How many names an open file has: more than one when the object store holds it, too."""
    return os.fstat(fd).st_nlink


def read_at(fd: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes from `offset`; fewer only at the end of the file."""
    first = os.pread(fd, length, offset)
    if len(first) == length or not first:
        return first
    parts = [first]
    taken = len(first)
    while taken < length and (part := os.pread(fd, length - taken, offset + taken)):
        parts.append(part)
        taken += len(part)
    return b"".join(parts)
