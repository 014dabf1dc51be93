"""When each frame of a camera is due, as a pure function of its number.

A camera's frames are numbered from 1970-01-01 on: frame `number` belongs to a wall time, whether the simulator ran
then or not. A restarted simulator therefore goes on with higher numbers, and any number of cameras stay in step with
the clock on the wall without keeping any state.

The pattern of one lap (one frame for a live camera, a whole loop for a file) repeats forever without a seam. Times
inside are ticks of `time_base` seconds; everything is integer arithmetic on absolute ticks, so nothing drifts.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RTP_CLOCK_RATE = 90_000
"""RFC 6184 section 8.2.1: H.264 always uses 90 kHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """The times of one lap in decode order.

    `send_ticks` starts at 0, does not fall and stays below `length_ticks`. `present_ticks` counts from the lap's
    earliest frame. A frame that is shown before one sent earlier (B-frames) cannot leave the camera before it was
    seen: `lead_ticks` is how long after its beginning the lap's first frame is sent.
    """

    send_ticks: Sequence[int]
    present_ticks: Sequence[int]
    lead_ticks: int
    length_ticks: int
    time_base: Fraction

    @property
    def length_us(self) -> int:
        """The lap's length."""
        return self.length_ticks * self.time_base.numerator * 1_000_000 // self.time_base.denominator


class Timetable:
    """A lap laid on the wall clock, `phase_us` late so that many cameras do not all send at once."""

    def __init__(self, lap: Lap, phase_us: int = 0) -> None:
        self._lap = lap
        self.phase_us = phase_us
        self._frames = len(lap.send_ticks)
        self._us_num, self._us_den = lap.time_base.numerator * 1_000_000, lap.time_base.denominator
        self._rtp_num = lap.time_base.numerator * RTP_CLOCK_RATE

    def first_from(self, wall_us: int) -> int:
        """The first frame due at or after a wall time."""
        ticks = -((self.phase_us - wall_us) * self._us_den // self._us_num) - self._lap.lead_ticks
        laps, rest = divmod(ticks, self._lap.length_ticks)
        return laps * self._frames + bisect_left(self._lap.send_ticks, rest)

    def due_us(self, number: int) -> int:
        """When a frame is sent."""
        laps, index = divmod(number, self._frames)
        ticks = laps * self._lap.length_ticks + self._lap.lead_ticks + self._lap.send_ticks[index]
        return ticks * self._us_num // self._us_den + self.phase_us

    def presented_us(self, number: int) -> int:
        """The wall time that a frame shows; never after it is due."""
        return self._presented(number) * self._us_num // self._us_den + self.phase_us

    def presented_rtp(self, number: int) -> int:
        """The same on the RTP clock, unbounded: a session adds its offset and takes 32 bits."""
        return self._presented(number) * self._rtp_num // self._us_den

    def _presented(self, number: int) -> int:
        laps, index = divmod(number, self._frames)
        return laps * self._lap.length_ticks + self._lap.present_ticks[index]


def lap_of(present_ticks: Sequence[int], length_ticks: int, time_base: Fraction) -> Lap:
    """The lap of frames that are shown at these times, given in decode order from any start.

    Decode times are the sorted presentation times: the n-th frame is sent when the n-th picture is due. A frame that is
    sent before one shown earlier has been seen by then, so everything leaves later by the longest way a frame is sent
    ahead.
    """
    start = min(present_ticks)
    present = [ticks - start for ticks in present_ticks]
    send = sorted(present)
    lead = max(shown - sent for shown, sent in zip(present, send, strict=True))
    return Lap(send_ticks=send, present_ticks=present, lead_ticks=lead, length_ticks=length_ticks, time_base=time_base)


def steady_lap(fps: int, frames: int = 1) -> Lap:
    """A lap of a camera that sends each frame as soon as it has seen it."""
    steps = range(frames)
    return Lap(send_ticks=steps, present_ticks=steps, lead_ticks=0, length_ticks=frames, time_base=Fraction(1, fps))
