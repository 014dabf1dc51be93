"""Where a stream's timestamps lie in time.

Three clocks meet here. The camera's RTP clock orders and spaces its frames (32 bits, wraps, may jump). The host's boot
clock says when a frame arrived and never steps. UTC is what people ask for. `HostAnchor` ties UTC to the boot clock,
`StreamTimeline` ties one stream's RTP clock to UTC.

Jitter only ever delays a frame, so the least-delayed frame of the last seconds tells the true offset. The offset is
moved slowly (at most 500 ppm) so that durations stay the camera's; the frame times already written never change.
"""

from __future__ import annotations

STEP_US = 500_000
"""A disagreement above this is a step of a clock, below it drift or jitter."""

SLEW_PPM = 500
"""How fast an offset is corrected: 30 ms a minute, below what a player or a viewer notices."""

FAST_SLEW_PPM = 10_000
"""How fast it is corrected once it is off by FAST_SLEW_ABOVE_US: crystals off by thousands of ppm exist."""

FAST_SLEW_ABOVE_US = 100_000

WINDOW_US = 10_000_000
"""The least-delayed frame is looked for in the last one to two windows."""

BACKWARD_LIMIT_US = 2_000_000
"""Presentation times go back by a few frames where there are B-frames. Further back is a jump."""


LATE_US = 10_000_000
"""No network holds a frame back for so long in a session that lives: the camera's clock stands still, or crawls."""


class HostAnchor:
    """UTC on the boot clock: wall = boot + offset, slewed, and re-anchored when the wall clock steps."""

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


class StreamTimeline:
    """One session's RTP timestamps as ticks that never wrap or jump, and where they lie in UTC.

    `place` is called for each access unit, `settle` once per fragment. Between two calls of `settle` the mapping is
    fixed: wall = anchor + ticks since the anchor.
    """

    def __init__(self, timescale: int, not_before_us: int = 0) -> None:
        self._timescale = timescale
        self._not_before_us = not_before_us
        self._previous_timestamp = -1
        self._pts_ticks = 0
        self._highest_ticks = 0
        self._arrival_us = 0
        self._anchor_ticks = 0
        self._anchor_us = 0
        self._settled = False
        self._window_start_us = 0
        self._least_delay_us = self._earlier_least_delay_us = 0
        self.jumps = 0

    def place(self, timestamp: int, arrival_us: int) -> int:
        """The presentation time in ticks of a unit with this RTP timestamp that arrived at `arrival_us` (UTC).

        A jump of the camera's clock is taken out: the unit is placed by its arrival instead, and `jumps` rises, so
        that the caller can start a new span at the next sync sample without losing a frame.
        """
        if self._previous_timestamp < 0:
            return self._start(timestamp, arrival_us)
        step = (timestamp - self._previous_timestamp) & 0xFFFFFFFF
        pts_ticks = self._pts_ticks + (step - (1 << 32) if step >> 31 else step)
        delay_us = arrival_us - self.wall_us(pts_ticks)
        if delay_us < -STEP_US or (self._highest_ticks - pts_ticks) > self._ticks(BACKWARD_LIMIT_US):
            pts_ticks = self._highest_ticks + max(1, self._ticks(arrival_us - self._arrival_us))
            delay_us = arrival_us - self.wall_us(pts_ticks)
            self.jumps += 1
        elif delay_us > LATE_US:
            pts_ticks += self._ticks(delay_us)
            delay_us = 0
            self.jumps += 1
        self._previous_timestamp = timestamp
        self._pts_ticks = pts_ticks
        self._highest_ticks = max(self._highest_ticks, pts_ticks)
        self._arrival_us = arrival_us
        self._least_delay_us = min(self._least_delay_us, delay_us)
        return pts_ticks

    def wall_us(self, pts_ticks: int) -> int:
        """UTC of a presentation time, by the mapping in force."""
        return self._anchor_us + (pts_ticks - self._anchor_ticks) * 1_000_000 // self._timescale

    def settle(self, pts_ticks: int) -> int:
        """Move the anchor to `pts_ticks`, correcting it by what was learnt since; returns its wall time.

        The first call sets the mapping outright: nothing has been written with it yet.
        """
        elapsed_us = (pts_ticks - self._anchor_ticks) * 1_000_000 // self._timescale
        error_us = self._least_delay() if self._settled else self._least_delay_us
        if self._settled:
            ppm = SLEW_PPM if abs(error_us) < FAST_SLEW_ABOVE_US else FAST_SLEW_PPM
            limit_us = max(0, elapsed_us) * ppm // 1_000_000
            error_us = max(-limit_us, min(limit_us, error_us))
        anchor_us = max(self._anchor_us + elapsed_us + error_us, self._not_before_us)
        moved_us = anchor_us - (self._anchor_us + elapsed_us)
        self._least_delay_us -= moved_us
        self._earlier_least_delay_us -= moved_us
        self._anchor_ticks, self._anchor_us = pts_ticks, anchor_us
        self._settled = True
        self._turn_window()
        return anchor_us

    def shift(self, step_us: int) -> None:
        """The wall clock was stepped: what is placed from now on lies `step_us` later. Call it where a span starts."""
        self._anchor_us += step_us
        self._arrival_us += step_us
        self._window_start_us += step_us
        self._not_before_us = 0

    @property
    def settled(self) -> bool:
        """Whether the mapping has been used for something written."""
        return self._settled

    def _start(self, timestamp: int, arrival_us: int) -> int:
        self._previous_timestamp = timestamp
        self._arrival_us = self._anchor_us = self._window_start_us = arrival_us
        return 0

    def _ticks(self, microseconds: int) -> int:
        return microseconds * self._timescale // 1_000_000

    def _least_delay(self) -> int:
        return min(self._least_delay_us, self._earlier_least_delay_us)

    def _turn_window(self) -> None:
        if self._arrival_us - self._window_start_us < WINDOW_US:
            return
        self._window_start_us = self._arrival_us
        self._earlier_least_delay_us = self._least_delay_us
        self._least_delay_us = self._arrival_us - self.wall_us(self._pts_ticks)
