"""The simulated cameras' own clock.

A camera is another device: when the recording host's clock is stepped (an operator, NTP, a test), the cameras' clocks
are not. So the wall clock is read once, and time goes on from there on the monotonic clock. That also makes frame
numbers, which are derived from this time, strictly rising for the life of a simulator.
"""

from __future__ import annotations

import time


class CameraClock:
    """Microseconds UTC that never step."""

    def __init__(self) -> None:
        self._offset_us = (time.time_ns() - time.monotonic_ns()) // 1000

    def wall_us(self) -> int:
        """UTC now, as the cameras know it."""
        return time.monotonic_ns() // 1000 + self._offset_us
