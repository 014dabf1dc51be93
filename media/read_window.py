"""A file that is looked at here and there: bounded reads, neighbouring looks for the price of one."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ReadAt = Callable[[int, int], bytes]
"""Offset and length to `length` bytes of the file; fewer only at its end."""

_SEARCH_BYTES = 1 << 20
_PEEK_BYTES = 4096
"""Holds a commit box and the moof behind it, so that a walk through a segment costs one read a fragment."""


class ReadWindow:
    """The file up to a size, read through two small windows: one at the moof, one at the commit box behind it."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self.size_bytes = 0
        self._windows: list[tuple[int, bytes]] = []

    def resize(self, size_bytes: int) -> None:
        """The file is this long by now; what was read before may have been its end."""
        self.size_bytes = size_bytes
        self.forget()

    def forget(self) -> None:
        """Let go of what was read: a server keeps one of these for each open segment."""
        self._windows.clear()

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes, none of them past the end."""
        length = min(length, self.size_bytes - offset)
        return self._read_at(offset, length) if length > 0 else b""

    def peek(self, offset: int, length: int) -> bytes:
        """The same by way of a window, so that neighbouring looks cost one read."""
        for start, content in self._windows:
            if start <= offset and offset + length <= start + len(content):
                return content[offset - start : offset - start + length]
        content = self.read(offset, max(length, _PEEK_BYTES))
        self._windows = [(offset, content), *self._windows[:1]]
        return content[:length]

    def small_box(self, at: int) -> bytes:
        """The bytes of the box at this place; none when its size is over 4 KiB."""
        size = int.from_bytes(self.peek(at, 4), "big")
        return self.peek(at, size) if size <= _PEEK_BYTES else b""

    def find_all(self, mark: bytes, start: int) -> Iterator[int]:
        """Each place of `mark` from `start` on."""
        while start < self.size_bytes:
            window = self.peek(start, _SEARCH_BYTES)
            found = window.find(mark)
            while found >= 0:
                yield start + found
                found = window.find(mark, found + 1)
            if len(window) < len(mark):
                return
            start += len(window) - len(mark) + 1

    def sha256(self, offset: int, length: int) -> bytes:
        """The hash of a range; of a shorter one, and so another, where the file ends early."""
        digest = sha256()
        for start in range(offset, offset + length, _SEARCH_BYTES):
            digest.update(self.read(start, min(_SEARCH_BYTES, offset + length - start)))
        return digest.digest()
