"""What one stream keeps in memory until it is durable, within its own bound and that of all streams of a disk.

Counted is what waits for the disk, the open fragment, and the picture that is being put together, taken to be as large
as the one before it. It is counted as memory: a buffer that grows is allocated an eighth larger than it need be
(CPython, Objects/bytearrayobject.c), and each costs something beside its bytes.

What is to come is asked for in advance, as much as the fragment before took: then a unit costs one comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import spool

if TYPE_CHECKING:
    from storage.spool import SpoolRun

UNIT_BYTES = 320
"""Of a unit beside its bytes: the object, its place in lists, its time and size as numbers, its row in the tables of
the segment."""

LARGE_PICTURES = 3
"""Of the largest pictures less would not do: one is on its way to the disk, one waits for the next to say how long it
is shown, and that one is being put together. From pictures of 4.7 MB on they are more than what a stream may keep."""


class KeptBytes:
    """One stream's account. `blocked`: nothing more is kept until the disk has caught up."""

    def __init__(self, run: SpoolRun) -> None:
        self._spool = run
        self.pending_bytes = 0
        """What waits for the disk, as the disk will have it."""
        self.blocked = False
        self._waiting = 0  # the same as memory
        self._open = self._unit = 0  # bytes of the open fragment, its last unit among them; and of that one
        self._granted = self._enough = 0  # memory that it may grow to, the next unit with it; and in bytes
        self._before = 0  # bytes that the fragment before had grown to

    def admits(self, unit_bytes: int) -> bool:
        """Whether there is room for a unit and for the next one; if not, nothing is kept from then on."""
        self._unit = unit_bytes + UNIT_BYTES
        self._open += self._unit
        if self._open + self._unit <= self._enough or self._grant():
            return True
        self.forget()
        self.blocked = True
        return False

    def queue(self, size_bytes: int, buffers: int, *, pictures: bool) -> None:
        """A fragment goes to the disk. The last unit may belong to the next one."""
        self.pending_bytes += size_bytes
        self._wait(_memory(size_bytes, buffers))
        if pictures:
            self._before, self._open = self._open, self._unit
            self._resize(0)

    def settled(self, size_bytes: int, buffers: int) -> None:
        """It is durable, or lost."""
        self.pending_bytes -= size_bytes
        self._wait(-_memory(size_bytes, buffers))

    def forget(self) -> None:
        """There is no open fragment: what came was not kept."""
        self._open = 0
        self._resize(0)

    def recover(self) -> None:
        """Keep again, once half of what is allowed is free."""
        if self.blocked and self.pending_bytes < self._spool.allowance_bytes // 2:
            self.blocked = False

    def _grant(self) -> bool:
        """Ask for as much as the fragment before took, or at least for what is needed now."""
        needed = _memory(self._open + self._unit)
        most = max(spool.PENDING_STREAM_BYTES, LARGE_PICTURES * _memory(self._unit))
        most = min(most, self._spool.rest_bytes + self._granted) - self._waiting
        if needed > most:
            return False
        self._resize(min(most, max(needed, _memory(self._before + self._unit))))
        return True

    def _resize(self, memory: int) -> None:
        self._spool.kept_bytes += memory - self._granted
        self._granted, self._enough = memory, memory * 8 // 9

    def _wait(self, memory: int) -> None:
        self._waiting += memory
        self._spool.kept_bytes += memory


def _memory(size_bytes: int, buffers: int = 0) -> int:
    return size_bytes + (size_bytes >> 3) + buffers * UNIT_BYTES
