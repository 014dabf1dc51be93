"""A camera's own idea of time: its clock runs fast or slow, and its RTP clock is not what it should be. Pure.

Two things go wrong independently of each other.

    Crystal    the quartz: own time against true time. It paces frames, stamps them and is told in sender reports: they
               all drift together, as with a real camera whose crystal is off. What it gains stays when it is well.
    RtpClock   what is written into RTP headers and sender reports only: it jumps or stands still, frames go on.

Frame numbers belong to own time: a camera that has gained a second sends each frame a second early. The log of sent
frames has the true time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.access_unit import StreamParameters
    from simulator.codec import Codec
    from simulator.source import CodedFrame, Source, Times

_MILLION = 1_000_000


class Crystal:
    """Own time as a function of true time: pieces of straight lines, continuous, rising."""

    def __init__(self) -> None:
        self._since_us = 0
        self._offset_us = 0
        self._ppm = 0

    def run(self, ppm: int, now_us: int) -> None:
        """Drift from now on."""
        self._offset_us = self.own_us(now_us) - now_us
        self._since_us, self._ppm = now_us, ppm

    def own_us(self, true_us: int) -> int:
        """What the camera's clock shows at a true time, from the last change on."""
        return true_us + self._offset_us + (true_us - self._since_us) * self._ppm // _MILLION

    def true_us(self, own_us: int) -> int:
        """The first true time at which the camera's clock shows it."""
        elapsed_us = own_us - self._offset_us - self._since_us
        return self._since_us + -(-elapsed_us * _MILLION // (_MILLION + self._ppm))


class DriftingTimetable:
    """A timetable in own time, asked and answering in true time."""

    def __init__(self, timetable: Times, crystal: Crystal) -> None:
        self.own = timetable
        self._crystal = crystal

    def first_from(self, wall_us: int) -> int:
        """The first frame due at or after a true time."""
        number = self.own.first_from(self._crystal.own_us(wall_us))
        return number if self.due_us(number) >= wall_us else number + 1

    def due_us(self, number: int) -> int:
        """When a frame is sent."""
        return self._crystal.true_us(self.own.due_us(number))

    def presented_us(self, number: int) -> int:
        """When what a frame shows was seen."""
        return self._crystal.true_us(self.own.presented_us(number))

    def presented_rtp(self, number: int) -> int:
        """The RTP clock runs on the same crystal: nominal steps, sent at another pace."""
        return self.own.presented_rtp(number)


class DriftingSource:
    """A source whose camera's clock is a crystal's."""

    def __init__(self, source: Source, crystal: Crystal) -> None:
        self._source = source
        self._crystal = crystal

    @property
    def timetable(self) -> Times:
        """That of the source, in true time."""
        return DriftingTimetable(self._source.timetable, self._crystal)

    @property
    def codec(self) -> Codec:
        """Of the source."""
        return self._source.codec

    @property
    def parameters(self) -> StreamParameters:
        """Of the source."""
        return self._source.parameters

    def next_sync(self, number: int) -> int:
        """Of the source: frames are numbered in own time."""
        return self._source.next_sync(number)

    def produce(self, number: int, deliver: Callable[[int, CodedFrame], None]) -> None:
        """Of the source."""
        self._source.produce(number, deliver)


class RtpClock:
    """What is written for an instant of the RTP clock."""

    def __init__(self) -> None:
        self._shift_ticks = 0
        self._frozen = False
        self._frozen_ticks: int | None = None

    def shift(self, ticks: int) -> None:
        """Jump, ahead or back, for good."""
        self._shift_ticks += ticks

    def freeze(self) -> None:
        """Stand still at what is written next."""
        self._frozen = True

    def thaw(self) -> None:
        """Go on where it would be by now."""
        self._frozen = False
        self._frozen_ticks = None

    def written(self, ticks: int) -> int:
        """What goes into headers and reports for an instant."""
        written = ticks + self._shift_ticks
        if not self._frozen:
            return written
        if self._frozen_ticks is None:
            self._frozen_ticks = written
        return self._frozen_ticks
