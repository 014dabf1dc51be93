"""One scheduler for all cameras: a heap of due times and one timer.

No task and no timer per camera or packet. The timer rests at least `REST_S`, so that what falls due meanwhile goes out
in one turn of the event loop; send times are spread over the frame interval (phases), so a turn never has them all.
"""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from simulator.clock import CameraClock

REST_S = 0.002
"""Nobody sees 2 ms in a frame's time of arrival. With 220 cameras at 25 fps it makes one wake-up of 11 frames."""

MAX_SENDS_PER_TURN = 256
"""After that many the loop looks after its sockets again, however late the rest is."""


class Paced(Protocol):
    """Something that sends frames at its own times."""

    def fire(self, now_us: int) -> int | None:
        """Send the frame that is due; returns when the next one is, or None when nobody wants it."""
        ...


class Pacer:
    """Fires each camera when its next frame is due."""

    def __init__(self, clock: CameraClock) -> None:
        self._clock = clock
        self._due: list[tuple[int, int, Paced]] = []
        self._added = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, camera: Paced, due_us: int) -> None:
        """Fire a camera from then on, until its `fire` returns None."""
        self._added += 1  # breaks ties, and keeps cameras from being compared
        heapq.heappush(self._due, (due_us, self._added, camera))
        self._arm()

    def close(self) -> None:
        """Fire nothing any more."""
        self._due.clear()
        self._disarm()

    def _turn(self) -> None:
        due, wall_us = self._due, self._clock.wall_us
        now_us = wall_us()
        for _ in range(MAX_SENDS_PER_TURN):
            if not due or due[0][0] > now_us:
                break
            _, order, camera = due[0]
            next_us = camera.fire(now_us)
            if next_us is None:
                heapq.heappop(due)
            else:
                heapq.heapreplace(due, (next_us, order, camera))
        self._arm()

    def _arm(self) -> None:
        self._disarm()
        if self._due:
            delay_us = self._due[0][0] - self._clock.wall_us()
            self._timer = asyncio.get_running_loop().call_later(max(REST_S, delay_us / 1_000_000), self._turn)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
