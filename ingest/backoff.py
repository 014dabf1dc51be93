"""When to try a camera again, and how many at once: after a switch reboots, 220 cameras come back in one moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ingest.disposable import Processes
from ingest.read_rounds import ReadRounds
from ingest.teardown import Farewells
from media.errors import GapReason

if TYPE_CHECKING:
    import random

    from storage.clock import Clock

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 8.0
REFUSED_LOGIN_RETRY_S = 300.0
"""Cameras lock an account after a handful of wrong passwords. A changed configuration retries at once."""

UNHURRIED = frozenset({GapReason.NO_MEDIA, GapReason.STALLED, GapReason.NO_SYNC})
"""Reasons that took 8 s and more to find. To wait another 8 s would spare the camera nothing and cost footage."""

FLOOD_RETRY_S = 10.0
"""A flood takes time from all cameras until it is noticed, and the next one comes with the next session."""

CONNECTS_PER_SECOND = 50
HANDSHAKES = 32


class Backoff:
    """Full jitter: the first retry within 0.5 s, then within min(8 s, 2^n).

    Always soon after a failure that took its time to find, later after a flood or a refused login.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0

    def succeeded(self) -> None:
        """Footage arrived: the next failure starts over."""
        self._failures = 0

    def failed(self, reason: GapReason) -> float:
        """Seconds to wait after a failure for this reason."""
        self._failures += 1
        if reason is GapReason.AUTH:
            return REFUSED_LOGIN_RETRY_S * self._rng.uniform(1.0, 1.1)
        if reason is GapReason.FLOOD:
            return FLOOD_RETRY_S * self._rng.uniform(1.0, 1.5)
        quick = self._failures == 1 or reason in UNHURRIED
        bound = FIRST_RETRY_S if quick else min(LONGEST_RETRY_S, 2.0 ** (self._failures - 1))
        return self._rng.uniform(0, bound)


class Herd:
    """What all cameras of a process share: limits, and the rounds in which they are read.

    Connects are spaced; RTSP handshakes are counted only once TCP is connected, so that dead cameras, which hang in
    connect, take no place from live ones.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_us = 0
        self.handshakes = asyncio.Semaphore(HANDSHAKES)
        self.farewells = Farewells(self.turn)
        self.rounds = ReadRounds()
        self.processes = Processes()

    async def turn(self) -> None:
        """Wait for this camera's turn to connect."""
        now_us = self._clock.boot_us()
        self._next_us = max(now_us, self._next_us + 1_000_000 // CONNECTS_PER_SECOND)
        if self._next_us > now_us:
            await self._clock.sleep((self._next_us - now_us) / 1_000_000)
