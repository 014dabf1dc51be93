"""When the packets of a demuxer are shown, where it does not always say.

FFmpeg's RTSP demuxer gives the first packet of a session no time; multipart JPEG has no times at all, and what FFmpeg
makes up for it (25 frames a second) is not true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMESCALE = 90_000
MOST_HELD_BYTES = 8 << 20


class Demuxed(Protocol):
    """A packet as it was found."""

    @property
    def ticks(self) -> int | None:
        """Its time, if it has one."""
        ...

    @property
    def damaged(self) -> bool:
        """Whether the demuxer says so."""
        ...

    @property
    def payload(self) -> bytes:
        """What is in it."""
        ...


class PacketTimes:
    """One stream's, in units of 1/90000 s.

    A packet without a time is shown as long after the one before as it came after it; one at the very beginning waits
    for the next, which tells where time begins. Where no packet has one (`timed` False), arrival is all there is.
    """

    def __init__(self, *, timed: bool = True) -> None:
        self._timed = timed
        self._held: tuple[Demuxed, int] | None = None
        self._ticks: int | None = None
        self._arrival_us = 0

    def place(self, packet: Demuxed, arrival_us: int) -> Iterator[tuple[int, bytes, bool]]:
        """The packets that can be placed now: time, payload, damage."""
        ticks = packet.ticks if self._timed else _in_ticks(arrival_us)
        if ticks is None and self._ticks is None:
            if self._held is None and len(packet.payload) <= MOST_HELD_BYTES:
                self._held = packet, arrival_us
                return
            ticks = _in_ticks(arrival_us)  # two without a time: there will be none
            self._timed = False
        elif ticks is None:
            assert self._ticks is not None
            ticks = self._ticks + _in_ticks(arrival_us - self._arrival_us)
        if self._held is not None:
            (first, came_us), self._held = self._held, None
            yield ticks - max(1, _in_ticks(arrival_us - came_us)), first.payload, first.damaged
        self._ticks, self._arrival_us = ticks, arrival_us
        yield ticks, packet.payload, packet.damaged


def _in_ticks(microseconds: int) -> int:
    return microseconds * TIMESCALE // 1_000_000
