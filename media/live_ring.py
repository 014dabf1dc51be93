"""The newest access units of a stream, shared by everybody who watches it live, and bounded.

A viewer is a position in the ring, so what is kept does not grow with their number. It holds the current group of
pictures and the one before it, in no more than a number of bytes: a viewer who comes begins at once with the newest
sync sample, and one who is too slow finds that its position is gone and goes on at the newest sync sample, too.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_GROUPS = 2
MOST_UNITS = 10_000
"""A flood of tiny units costs more than their bytes say."""

Item = TypeVar("Item")


class LiveRing(Generic[Item]):
    """Units numbered one by one, of which the last ones are there. What was before the first has negative numbers."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        """May be changed at any time; holds from the next unit on."""
        self._items: deque[tuple[Item, int]] = deque()
        self._syncs: deque[int] = deque()
        self.size_bytes = 0
        self.start = 0
        """The number of the oldest unit that is there."""

    @property
    def end(self) -> int:
        """The number that the next unit will get."""
        return self.start + len(self._items)

    @property
    def newest_sync(self) -> int | None:
        """The number of the newest sync sample, if it is there."""
        return self._syncs[-1] if self._syncs else None

    def __getitem__(self, number: int) -> Item:
        return self._items[number - self.start][0]

    def append(self, item: Item, size_bytes: int, *, sync: bool) -> None:
        """A new unit. The newest one is always there, however large it is."""
        if sync:
            self._syncs.append(self.end)
        self._items.append((item, size_bytes))
        self.size_bytes += size_bytes
        while len(self._syncs) > MOST_GROUPS:
            self._forget(self._syncs[1])
        while len(self._items) > 1 and (self.size_bytes > self.most_bytes or len(self._items) > MOST_UNITS):
            self._forget(self.start + 1)

    def prepend(self, items: Sequence[tuple[Item, int, bool]]) -> bool:
        """Units from before the first one: each with its size, and whether it is a sync sample.

        All of them or, where there is no room for that, none: the rest would be of no use without the first.
        """
        size_bytes = sum(size for _, size, _ in items)
        if self.size_bytes + size_bytes > self.most_bytes or len(self._items) + len(items) > MOST_UNITS:
            return False
        for item, size, sync in reversed(items):
            self._items.appendleft((item, size))
            self.start -= 1
            if sync:
                self._syncs.appendleft(self.start)
        self.size_bytes += size_bytes
        return True

    def resume(self, position: int | None) -> int | None:
        """Where a viewer goes on that has come to `position`, None for one that begins.

        At its position while that is there, else at the newest sync sample. None: at the next one.
        """
        if position is not None and position >= self.start:
            return position
        return self.newest_sync

    def _forget(self, until: int) -> None:
        while self.start < until:
            self.size_bytes -= self._items.popleft()[1]
            self.start += 1
        while self._syncs and self._syncs[0] < self.start:
            self._syncs.popleft()
