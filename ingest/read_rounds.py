"""All cameras' sockets are read in common rounds, instead of waking up for what each of them sends.

A camera sends a picture every 40 ms or so, and each one that wakes an idle process costs more than to read it: 250
wakes a second of 10 cameras are 27 rounds. Between rounds the kernel keeps what comes, as it does for any reader that
is busy: its buffers begin at 128 KiB of TCP and grow by what is read (tcp(7), tcp_rmem), and a picture that is larger
than that comes in as many reads as it takes, one after the other. Figures: docs/decisions/0103.

What a round costs the time of arrival: media is timed by the frame that came with the least delay
(`media.timeline`), and rounds drift through the phases of every usual frame rate, so that among a hundred frames
one had hardly to wait.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[], bool]

ROUND_S = 0.037
"""Less than a frame at 25 a second, so that whoever watches live waits no longer than the encoder does. A prime number
of milliseconds: no camera's interval is in step with it, or all of its frames could be late by a whole round."""

READS_A_TURN = 32
"""Then the event loop looks after everything else: 3 ms of 220 cameras."""


class ReadRounds:
    """Those of a process. Sockets join and leave at any time, on the event loop."""

    def __init__(self) -> None:
        self._readers: dict[int, Read] = {}
        self._waiting: deque[int] = deque()  # sockets whose turn in this round is still to come
        self._again: deque[int] = deque()  # those that had more
        self._readable: select.epoll | None = None
        self._timer: asyncio.Handle | None = None
        self._due_s = 0.0

    def join(self, fd: int, read: Read) -> None:
        """Call `read` in each round that finds the socket readable; it says whether more is there already.

        The socket must `leave` before it is closed, and be read by nobody else.
        """
        if self._readable is None:
            self._readable = select.epoll()
        self._readable.register(fd, select.EPOLLIN)
        self._readers[fd] = read
        if self._timer is None:
            self._due_s = asyncio.get_running_loop().time()
            self._rest()

    def leave(self, fd: int) -> None:
        """Read it no longer."""
        assert self._readable is not None
        self._readable.unregister(fd)
        del self._readers[fd]
        if not self._readers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def resting(self) -> bool:
        """Whether nobody is in it: then nothing wakes the process."""
        return self._timer is None

    def _begin(self) -> None:
        assert self._readable is not None
        self._waiting.extend(fd for fd, _events in self._readable.poll(0, len(self._readers)))
        self._again.clear()
        self._go_on()

    def _go_on(self) -> None:
        """A turn. Who has more is read again when all others were, until the next round is due: so nobody keeps it."""
        waiting, readers = self._waiting, self._readers
        for _ in range(min(READS_A_TURN, len(waiting))):
            fd = waiting.popleft()
            read = readers.get(fd)  # None: it has left in this round
            if read is not None and read():
                self._again.append(fd)
        loop = asyncio.get_running_loop()
        late = loop.time() >= self._due_s + ROUND_S
        if not waiting and not late:
            self._waiting, self._again = self._again, waiting
        if not readers:
            self._timer = None
        elif self._waiting:
            self._timer = loop.call_soon(self._go_on)
        else:
            self._rest()

    def _rest(self) -> None:
        """Until the next round; one that would have begun by now is left out."""
        loop = asyncio.get_running_loop()
        self._due_s = max(self._due_s + ROUND_S, loop.time())
        self._timer = loop.call_at(self._due_s, self._begin)
