"""How fast a camera's clock runs against the host's.

Jitter only ever delays a frame, so the least-delayed frames of successive windows lie on a line, and its slope is the
difference of the rates. A line that was congested for a while lifts a window or two out of it: of the last slopes the
median counts.
"""

from __future__ import annotations

from collections import deque

WINDOW_US = 5_000_000
SLOPES = 3

NOTABLE_PPM = 1_000
"""What is less is left to the slew of 500 ppm and more. A crystal is off by 100; beyond this a clock is wrong."""

MOST_PPM = 100_000
"""A clock that is off by more than a tenth is not followed: it stands still, crawls or races."""


class ClockRate:
    """`observe` about once a second; `ppm` is how much longer than claimed a camera's second is, 0 unless notable."""

    def __init__(self) -> None:
        self._window_us = 0
        self._least_us = 0
        self._earlier: tuple[int, int] | None = None  # where the window before began, and its least delay
        self._slopes: deque[int] = deque(maxlen=SLOPES)
        self.ppm = 0

    def observe(self, delay_us: int, arrival_us: int) -> None:
        """The least-delayed of the latest frames came so much later than its camera's clock says (any fixed origin)."""
        if not self._window_us:
            self._window_us, self._least_us = arrival_us, delay_us
        elif arrival_us - self._window_us < WINDOW_US:
            self._least_us = min(self._least_us, delay_us)
        else:
            self._turn()
            self._window_us, self._least_us = arrival_us, delay_us

    def shift(self, step_us: int) -> None:
        """The clock that arrivals are told in was stepped."""
        self._window_us += step_us
        if self._earlier is not None:
            self._earlier = self._earlier[0] + step_us, self._earlier[1]

    def _turn(self) -> None:
        if self._earlier is not None:
            began_us, least_us = self._earlier
            later_us, elapsed_us = self._least_us - least_us, self._window_us - began_us
            self._slopes.append(later_us * 1_000_000 // max(1, elapsed_us - later_us))  # for a second of the camera's
            if len(self._slopes) == SLOPES:
                median = sorted(self._slopes)[SLOPES // 2]
                self.ppm = median if NOTABLE_PPM < abs(median) <= MOST_PPM else 0
        self._earlier = self._window_us, self._least_us
