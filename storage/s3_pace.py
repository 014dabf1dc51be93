"""How many uploads an S3 server gets at once: as many as it takes.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): one more after as many went well as may be under
way, half as many after an answer that asks for less. So a server that serves many hosts shares itself out among them.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 4


class Pace:
    """The limit, for threads. At most `most`, at least one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(FIRST, most))
        self._under_way = 0
        self._from_before = 0  # under way since before the last decrease: what they are told was answered by it
        self._turn = threading.Condition()

    @property
    def limit(self) -> int:
        """Uploads at once."""
        return int(self._limit)

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Wait for a turn and have it for the length of a block; an exception is no success."""
        with self._turn:
            self._turn.wait_for(lambda: self._under_way < self.limit)
            self._under_way += 1
        gain = 0
        try:
            yield
            gain = 1
        finally:
            with self._turn:
                self._under_way -= 1
                self._from_before = max(0, self._from_before - 1)
                self._limit = min(self._most, self._limit + gain / self._limit)
                self._turn.notify_all()

    def slower(self) -> None:
        """The server asks for less. Several say so of one burst: it counts once."""
        with self._turn:
            if not self._from_before:
                self._limit = max(1.0, self._limit / 2)
                self._from_before = self._under_way
