"""Where the key comes from that seals camera credentials: a file, or text that somebody gave.

A key is 32 bytes in hex. There may be several, each on a line of its own (or after a comma): the first one seals, all
of them open, so that a key can be changed while everything runs. A file is read again when it has changed.

A file that others may read, or that belongs to somebody else, is refused: what they could read is no secret, and what
they could write would be theirs. A lost key is never replaced by itself (`SecretBox`): nothing would open any more.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from media.errors import KeyUnfit
from storage import files

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32
MOST_KEYS = 16
_MOST_BYTES = 4096
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeySource(Protocol):
    """Where keys come from. `name` says it in an error."""

    name: str

    def keys(self) -> tuple[bytes, ...]:
        """The keys, the one that seals first; none if there is none yet. KeyUnfit if what is there is no key."""
        ...

    def create(self) -> None:
        """Make a key, unless somebody else was first. KeyUnfit where that is a person's business."""
        ...


class KeyFile:
    """A file with keys. `made_by_us`: it is created when the first text is to be sealed."""

    def __init__(self, path: Path, *, made_by_us: bool = True) -> None:
        self.name = f"the key file {path}"
        self._path = path
        self._made_by_us = made_by_us
        self._known: tuple[tuple[int, ...], tuple[bytes, ...]] | None = None

    def keys(self) -> tuple[bytes, ...]:
        """See `KeySource.keys`. What was read once stays valid while the file is away: recording goes on."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return () if self._known is None else self._known[1]
        except OSError as error:
            raise KeyUnfit(f"{self.name} cannot be read: {error.strerror}") from None
        seen = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode, status.st_uid)
        if self._known is None or self._known[0] != seen:
            self._known = (seen, self._read())
        return self._known[1]

    def create(self) -> None:
        """See `KeySource.create`."""
        if not self._made_by_us:
            raise KeyUnfit(f"there is no {self.name.removeprefix('the ')}", hint=HOW_TO_MAKE)
        _create(self._path, os.urandom(KEY_BYTES).hex().encode() + b"\n")

    def _read(self) -> tuple[bytes, ...]:
        try:
            fd = files.open_read(self._path if self._made_by_us else self._path.resolve())
            try:
                self._require_private(os.fstat(fd))
                content = files.read_at(fd, 0, _MOST_BYTES + 1)
            finally:
                files.close(fd)
        except OSError as error:
            raise KeyUnfit(f"{self.name} cannot be read: {error.strerror}") from None
        return parse(content.decode("ascii", "replace"), self.name)

    def _require_private(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise KeyUnfit(f"{self.name} is not a file")
        trusted = {0, os.geteuid()}
        if os.geteuid() == 0:  # an operator's `sudo hulta`, over the data of the service
            trusted.add(self._path.parent.stat().st_uid)
        if status.st_uid not in trusted:
            raise KeyUnfit(f"{self.name} belongs to user {status.st_uid}", hint=f"chown it to user {os.geteuid()}")
        if status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise KeyUnfit(f"{self.name} is open to others (mode {mode:04o})", hint=f"chmod 600 {self._path}")


class GivenKeys:
    """Keys as text, from the environment."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._keys = parse(text, name)

    def keys(self) -> tuple[bytes, ...]:
        """See `KeySource.keys`."""
        return self._keys

    def create(self) -> None:
        """See `KeySource.create`: never needed, there is one."""


HOW_TO_MAKE = "`openssl rand -hex 32` makes one; if there was one, restore it: what it sealed opens with no other"


def parse(text: str, name: str) -> tuple[bytes, ...]:
    """Keys from text. KeyUnfit names the source and never repeats the text."""
    found = []
    for word in text.replace(",", "\n").split():
        try:
            found.append(bytes.fromhex(word))
        except ValueError:
            found.append(b"")
    if not 1 <= len(found) <= MOST_KEYS or any(len(key) != KEY_BYTES for key in found):
        raise KeyUnfit(
            f"{name} is not a key of {KEY_BYTES} bytes in hex",
            hint="restore it from a backup: without it the stored camera credentials cannot be read",
        )
    return tuple(found)


def _create(path: Path, content: bytes) -> None:
    """Write a key under a name of its own, then link it into place: nobody ever reads half a key."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    fd = files.create_exclusive(draft, mode=0o600)
    try:
        files.append(fd, [content], 0)
        files.datasync(fd)
    finally:
        files.close(fd)
    with suppress(FileExistsError):  # another process was first; its key counts
        files.link(draft, path)
    files.unlink(draft)
    files.sync_directory(path.parent)
