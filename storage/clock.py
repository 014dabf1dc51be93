"""The clock port: the only place of the product that asks the system for the time.

`wall_us` is microseconds UTC since 1970 and may step. `boot_us` is microseconds since the host started, goes on in
suspend (CLOCK_BOOTTIME) and never steps. `FakeClock` passes the same contract and never waits: tests advance it.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from typing import Protocol


class Clock(Protocol):
    """Time and waiting, passed in wherever either is needed."""

    def wall_us(self) -> int:
        """Microseconds UTC since 1970-01-01; may step forwards and backwards."""
        ...

    def boot_us(self) -> int:
        """Microseconds since the host started; never steps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on the boot clock."""
        ...


class HostClock:
    """The host's clocks."""

    def wall_us(self) -> int:
        """CLOCK_REALTIME."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1000

    def boot_us(self) -> int:
        """CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it counts suspended time."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    async def sleep(self, seconds: float) -> None:
        """Sleep in the event loop."""
        await asyncio.sleep(seconds)


class FakeClock:
    """A clock that stands still until it is told to go on; sleepers wake when their time has come."""

    def __init__(self, wall_us: int = 1_800_000_000_000_000, boot_us: int = 1_000_000_000) -> None:
        self._wall_us = wall_us
        self._boot_us = boot_us
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._count = 0

    def wall_us(self) -> int:
        """The wall time it was told."""
        return self._wall_us

    def boot_us(self) -> int:
        """The boot time it was told."""
        return self._boot_us

    @property
    def sleepers(self) -> int:
        """How many wait for a time to come. Who is about to wait is not among them."""
        return len(self._sleepers)

    def advance(self, microseconds: int) -> None:
        """Let both clocks run, and wake whoever slept until now."""
        self._wall_us += microseconds
        self._boot_us += microseconds
        while self._sleepers and self._sleepers[0][0] <= self._boot_us:
            heapq.heappop(self._sleepers)[2].set()

    def step(self, microseconds: int) -> None:
        """Step the wall clock alone, as an operator or NTP does."""
        self._wall_us += microseconds

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has covered `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        due = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self._boot_us + round(seconds * 1_000_000), self._count, due))
        await due.wait()
