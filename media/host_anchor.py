"""UTC on the host's boot clock, which never steps."""

from __future__ import annotations

STEP_US = 500_000
"""A disagreement above this is a step of a clock, below it drift or jitter."""

SLEW_PPM = 500
"""How fast an offset is corrected: 30 ms a minute, below what a player or a viewer notices."""


class HostAnchor:
    """wall = boot + offset, slewed, and re-anchored when the wall clock steps."""

    def __init__(self, boot_us: int, wall_us: int) -> None:
        self._offset_us = wall_us - boot_us
        self._observed_us = boot_us

    def wall_us(self, boot_us: int) -> int:
        """UTC in microseconds at an instant of the boot clock."""
        return boot_us + self._offset_us

    def observe(self, boot_us: int, wall_us: int) -> int:
        """Compare with the wall clock. Returns the step in microseconds when it stepped, else 0."""
        error_us = wall_us - boot_us - self._offset_us
        elapsed_us = boot_us - self._observed_us
        self._observed_us = boot_us
        if abs(error_us) > STEP_US:
            self._offset_us += error_us
            return error_us
        limit_us = elapsed_us * SLEW_PPM // 1_000_000
        self._offset_us += max(-limit_us, min(limit_us, error_us))
        return 0
