"""A local directory as object store: an object is a file under its key, hard-linked from the spool.

On one disk a put is a second name for the same bytes: nothing is written twice, and the hash of the spool file is the
hash of the object. Across disks the file is copied under a draft name, synced, compared with its hash, and linked.
Either way a name appears only when all its bytes are durable, and the name itself is durable on return.
"""

from __future__ import annotations

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from media.errors import ObjectConflict, ObjectMissing, ObjectStoreError
from storage import files
from storage.objects import ObjectStat, require_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

T = TypeVar("T")

_BLOCK_BYTES = 1 << 20
_NO_OBJECT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL}  # EINVAL: there, but not a regular file
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}  # another disk, or a filesystem without hard links
_THREADS = 4
_MAX_DURABLE = 10_000  # directories remembered as durable


class _Entry(NamedTuple):
    """A key and the size of its object, or a key prefix that ends in "/" and None."""

    name: str
    size_bytes: int | None


class DirectoryStore:
    """The `ObjectStore` below one directory, which is created with the first object."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(_THREADS, "objects")
        self._drafts = 0
        self._durable: set[Path] = set()

    async def put_file(self, key: str, path: Path, *, sha256: bytes, size_bytes: int) -> None:
        """See `ObjectStore.put_file`."""
        self._drafts += 1
        draft = self._drafts
        await self._run(key, lambda target: self._put(target, path, sha256, size_bytes, draft))

    async def put_bytes(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put_bytes`."""
        self._drafts += 1
        draft = self._drafts
        await self._run(key, lambda target: self._put_bytes(target, content, draft))

    async def stat(self, key: str) -> ObjectStat:
        """See `ObjectStore.stat`."""
        return await self._run(key, lambda path: ObjectStat(key=key, size_bytes=_size_bytes(path)))

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """See `ObjectStore.read`."""
        return await self._run(key, lambda path: _read(path, offset, length))

    async def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        await self._run(key, self._delete)

    async def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See `ObjectStore.list`. One directory is read at a time."""
        waiting = [_Entry(prefix.rpartition("/")[0] + "/", None)]
        while waiting:
            entry = waiting.pop()
            if entry.size_bytes is not None:
                yield ObjectStat(key=entry.name, size_bytes=entry.size_bytes)
                continue
            place = entry.name.rstrip("/")
            found = await self._run(place, lambda path: _entries(path, self._root), may_be_root=True)
            waiting += [each for each in found if each.name.startswith(prefix) or prefix.startswith(each.name)]

    def state(self) -> Mapping[str, Any]:
        """See `ObjectStore.state`."""
        return {"place": str(self._root), "warnings": ()}

    def close(self) -> None:
        """Finish what was begun."""
        self._threads.shutdown(wait=True)

    async def _run(self, key: str, work: Callable[[Path], T], *, may_be_root: bool = False) -> T:
        """Run `work` on the path of a key, on a thread of the store, and say its errors in the store's terms."""
        path = self._root if may_be_root and not key else self._path(key)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, path)
        except OSError as error:
            if error.errno in _NO_OBJECT:
                raise ObjectMissing(f"no object {key}") from error
            raise ObjectStoreError(f"object {key}: {error.strerror}") from error

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*require_key(key))

    def _put(self, target: Path, source: Path, digest: bytes, size_bytes: int, draft: int) -> None:
        self._make_directories(target.parent)
        try:
            files.link(source, target)
        except FileExistsError:
            _require_same(target, source, digest, size_bytes)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise ObjectStoreError(f"{source} cannot become {target}: {error.strerror}") from error
            _copy(target, source, digest, target.with_name(f".draft-{os.getpid()}-{draft}"))
        if (actual_bytes := _size_bytes(target)) != size_bytes:
            raise ObjectStoreError(f"{target} has {actual_bytes} bytes instead of {size_bytes}")
        files.sync_directory(target.parent)

    def _put_bytes(self, target: Path, content: bytes, number: int) -> None:
        self._make_directories(target.parent)
        draft = target.with_name(f".draft-{os.getpid()}-{number}")
        with suppress(FileNotFoundError):
            files.unlink(draft)  # of a process with this number that died here
        fd = files.create_exclusive(draft)
        try:
            files.append(fd, [content], 0)
            files.datasync(fd)
        finally:
            files.close(fd)
        try:
            with suppress(FileExistsError):
                files.link(draft, target)
            _require_same(target, draft, sha256(content).digest(), len(content))
        finally:
            files.unlink(draft)
        files.sync_directory(target.parent)

    def _make_directories(self, place: Path) -> None:
        """Make a directory and those above it, with durable names: also those of one that another process made."""
        if place in self._durable and place.is_dir():
            return
        if place != self._root:
            self._make_directories(place.parent)
        with suppress(FileExistsError):
            files.make_directory(place)
        files.sync_directory(place.parent)
        if len(self._durable) >= _MAX_DURABLE:
            self._durable.clear()
        self._durable.add(place)

    def _delete(self, path: Path) -> None:
        """Remove a file, and the directories that are empty without it: a camera's hours do not pile up for ever."""
        with suppress(FileNotFoundError, NotADirectoryError):
            files.unlink(path)
            files.sync_directory(path.parent)
        for parent in path.parents:
            if parent == self._root:
                break
            try:
                files.remove_directory(parent)
            except FileNotFoundError:
                continue
            except OSError:  # not empty
                break


def _size_bytes(path: Path) -> int:
    fd = files.open_read(path)
    try:
        return files.size_bytes(fd)
    finally:
        files.close(fd)


def _read(path: Path, offset: int, length: int) -> bytes:
    fd = files.open_read(path)
    try:
        return files.read_at(fd, offset, length)
    finally:
        files.close(fd)


def _require_same(target: Path, source: Path, digest: bytes, size_bytes: int) -> None:
    """Accept an object that is there already if it is the same file, or another one with the same bytes."""
    if target.samefile(source):
        return
    if _size_bytes(target) != size_bytes or _sha256(target) != digest:
        raise ObjectConflict(f"{target} exists and has other bytes", hint="neither copy was touched; compare them")


def _sha256(path: Path) -> bytes:
    fd = files.open_read(path)
    try:
        digest, offset = sha256(), 0
        while block := files.read_at(fd, offset, _BLOCK_BYTES):
            digest.update(block)
            offset += len(block)
        return digest.digest()
    finally:
        files.close(fd)


def _copy(target: Path, source: Path, digest: bytes, draft: Path) -> None:
    with suppress(FileNotFoundError):
        files.unlink(draft)  # of a process with this number that died here
    try:
        _write_draft(draft, source)
        if _sha256(draft) != digest:
            raise ObjectStoreError(f"{source} does not have the bytes that its hash says", hint="is the disk failing?")
        with suppress(FileExistsError):
            files.link(draft, target)
        _require_same(target, draft, digest, _size_bytes(draft))
    finally:
        with suppress(FileNotFoundError):
            files.unlink(draft)


def _write_draft(draft: Path, source: Path) -> None:
    fd_in = files.open_read(source)
    try:
        fd_out = files.create_exclusive(draft)
        try:
            offset = 0
            while block := files.read_at(fd_in, offset, _BLOCK_BYTES):
                offset += files.append(fd_out, [block], offset)
            files.datasync(fd_out)
        finally:
            files.close(fd_out)
    finally:
        files.close(fd_in)


def _entries(place: Path, root: Path) -> list[_Entry]:
    """What is directly below a directory, in the reverse order of the keys. Drafts are not objects."""
    entries: list[_Entry] = []
    try:
        found = list(os.scandir(place))
    except (FileNotFoundError, NotADirectoryError):
        return entries
    for entry in found:
        name = entry.path[len(f"{root}/") :]
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            entries.append(_Entry(f"{name}/", None))
            continue
        with suppress(FileNotFoundError):  # deleted meanwhile
            entries.append(_Entry(name, entry.stat().st_size))
    return sorted(entries, reverse=True)
