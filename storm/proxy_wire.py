"""The wire between two ends: how long bytes are under way, and how many fit through at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Protocol

from storm.proxy_faults import Conditions

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_BYTES = 1 << 20
"""What may be under way in one direction of one connection; who sends more waits, as with a TCP window."""

CREDIT_S = 0.02
"""A timer fires a little late. So much lateness is made up for, or a narrow wire would be narrower than asked."""

PIECE_S, PIECE_MIN_BYTES = 0.02, 1460
"""A narrow wire passes pieces of that duration and not whole blocks, but none smaller than an Ethernet frame's load."""


class Cancellable(Protocol):
    """A timer."""

    def cancel(self) -> None:
        """Do not fire."""
        ...


class Timers(Protocol):
    """Where time comes from: the event loop, or a test that holds it."""

    def time(self) -> float:
        """Seconds on a clock that never steps."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Cancellable:
        """Call back at that time."""
        ...


class Weather:
    """The conditions of a link as they change, and waiting under them."""

    def __init__(self, timers: Timers) -> None:
        self.now = Conditions()
        self._timers = timers
        self._waiting: set[asyncio.Future[None]] = set()

    def time(self) -> float:
        """Seconds on the clock of the timers."""
        return self._timers.time()

    def change(self, conditions: Conditions) -> None:
        """From now on. Whoever waits works out anew how long."""
        self.now = conditions
        for waiter in list(self._waiting):
            _wake(waiter)

    async def until(self, due_s: Callable[[], float]) -> None:
        """Wait for a time that may move when the conditions change."""
        while (when := due_s()) > self.time():
            waiter = asyncio.get_running_loop().create_future()
            timer = self._timers.call_at(when, partial(_wake, waiter))
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiting.discard(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Lane:
    """One direction of a link, shared by all its connections: one piece at a time, in the order they asked."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self._turn = asyncio.Lock()
        self._free_s = 0.0
        self.passed_bytes = 0

    def piece_bytes(self) -> int:
        """How much to pass at a time."""
        rate = self.weather.now.bits_per_s
        return WINDOW_BYTES if rate is None else max(PIECE_MIN_BYTES, int(rate * PIECE_S / 8))

    async def travel(self, departed_s: float) -> None:
        """Return when what departed then is at the other end."""
        await self.weather.until(lambda: departed_s + self.weather.now.latency_us / 1_000_000)

    async def carry(self, size_bytes: int) -> None:
        """Return when so many bytes have passed."""
        async with self._turn:
            begin_s = max(self._free_s, self.weather.time() - CREDIT_S)
            await self.weather.until(lambda: begin_s + self._duration_s(size_bytes))
            self._free_s = begin_s + self._duration_s(size_bytes)

    def _duration_s(self, size_bytes: int) -> float:
        rate = self.weather.now.bits_per_s
        return 0.0 if rate is None else size_bytes * 8 / rate


class UnderWay:
    """What one end has sent and the other has not got yet, with its time of departure. Never over WINDOW_BYTES."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[float, bytes]] = deque()
        self._arrival, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self.size_bytes = 0

    async def room_bytes(self) -> int:
        """How much more there is room for: at least one byte."""
        await self._room.wait()
        return WINDOW_BYTES - self.size_bytes

    def put(self, departed_s: float, block: bytes) -> None:
        """Bytes leave one end; none at all is the end of them."""
        self._blocks.append((departed_s, block))
        self.size_bytes += len(block)
        self._arrival.set()
        if self.size_bytes >= WINDOW_BYTES:
            self._room.clear()

    async def first(self) -> tuple[float, bytes]:
        """The oldest block, which stays until it is `delivered`."""
        await self._arrival.wait()
        return self._blocks[0]

    def delivered(self) -> None:
        """The oldest block is at the other end."""
        self.size_bytes -= len(self._blocks.popleft()[1])
        self._room.set()
        if not self._blocks:
            self._arrival.clear()
