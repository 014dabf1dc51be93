"""How far a camera's sound and pictures are apart where each is placed in time by its arrival: from sender reports.

A report names an instant of the camera's own clock, and the RTP timestamp of what was taken then (RFC 3550 6.4.1). Both
tracks' reports tell one clock, so they say which sound belongs to which picture. Arrival alone cannot: an encoder may
take longer for a picture than for sound, the same time whenever it is looked at. That time is what is learnt here.

The clock may be wrong, and count from anywhere: nothing but the difference between the two tracks is used. It is
believed within bounds, and only while the reports agree with each other; otherwise arrival is the better witness.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_APART_US = 500_000
"""No encoder keeps pictures half a second longer than sound: reports that say so tell two clocks."""

AT_ONCE_US = 100_000
"""What the very first pair of reports may differ by to be believed at once; any other must be confirmed."""

AGREED_US = 40_000
"""Differences that are closer to each other than a picture lasts say the same."""

CONFIRMATIONS = 3
"""So many pairs of reports in a row must agree on another difference. As many that do not, and none is believed."""

_FRACTIONS = 32  # bits of an NTP timestamp behind its seconds
_SPAN = 1 << 64


class _Told(NamedTuple):
    ntp: int
    wall_us: int


class LipSync:
    """One session's. `apart_us` is how much later sound belongs than its arrival says; 0 while nothing is known."""

    def __init__(self) -> None:
        self.apart_us = 0
        self.known = False
        """Whether the reports are believed."""
        self._told: dict[bool, _Told] = {}  # what each track told last, until both have: then it is used up
        self._doubts: list[int] = []
        self._near_us = AT_ONCE_US

    def take(self, ntp: int, wall_us: int, *, of_sound: bool) -> None:
        """A report of one track: the instant it names, and where in UTC that track's timeline has its RTP timestamp.

        Zero is no time (RFC 3550 6.4.1). It matters little when a report came, as it names an instant by itself.
        """
        if not ntp:
            return
        self._told[of_sound] = _Told(ntp, wall_us)
        if len(self._told) == 2:
            pictures, sound = self._told.pop(False), self._told.pop(True)
            ahead = (sound.ntp - pictures.ntp + _SPAN // 2) % _SPAN - _SPAN // 2  # the era may end between the two
            self._learn(pictures.wall_us - sound.wall_us + (ahead * 1_000_000 >> _FRACTIONS))

    def forget_half(self) -> None:
        """UTC was stepped: what one track told before is not to be compared with what the other tells after."""
        self._told.clear()

    def _learn(self, apart_us: int) -> None:
        if abs(apart_us - self.apart_us) <= self._near_us:
            self._believe(apart_us)
            return
        if not self.known:
            self._near_us = -1  # who began with a doubt must be confirmed
        self._doubts.append(apart_us)
        if len(self._doubts) < CONFIRMATIONS:
            return
        if max(self._doubts) - min(self._doubts) <= AGREED_US and abs(apart_us) <= MOST_APART_US:
            self._believe(apart_us)
        else:
            self.apart_us, self.known, self._near_us = 0, False, -1
            del self._doubts[0]

    def _believe(self, apart_us: int) -> None:
        self.apart_us, self.known, self._near_us = apart_us, True, AGREED_US
        self._doubts.clear()
