"""Whether a camera that sends shows anything new, from the sync samples alone.

A sensor never gives the same picture twice: noise moves its lowest bits, and with them nearly every byte that an
encoder makes of an intra picture. A camera whose sensor has died, or whose relay sends its last pictures again and
again, gives equal ones. So once a second at most a sync sample is compared with the last two: not its metadata, which
may hold a running clock, nor its slice header, in which successive pictures differ (H.264 7.4.3, idr_pic_id), which
is also why there are two. 4 KiB of the largest NAL unit are looked at, and all sizes: 10 us for a picture of any size.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from media.access_unit import AccessUnit

LOOK_US = 900_000
STILL_US = 20_000_000
"""So long nothing new is shown before it is said: an alarm is to be out within 30 s."""

REPEATS = 2
"""And so many sync samples that are not new."""

LONG_US = 13_000_000
"""So far apart one is enough: the second would come too late for the alarm, and after so long not a byte of a new
picture is that of an old one."""

_PIECES = 8
_PIECE_BYTES = 512
_HEADER_BYTES = 64
_MOST_UNITS = 256
"""NAL units of a picture that are looked at one by one; one of more is looked at as a whole."""


class PictureWatch:
    """One stream's. `take` its sync samples; then the properties tell since when, on the clock of `at_us`."""

    def __init__(self) -> None:
        self._prints: deque[tuple[int, int]] = deque(maxlen=2)
        self._timestamp = -1
        self._distance_us = 0
        self._follows = False
        self._looked_us = self._new_us = self._ticking_us = 0
        self._repeats = self._stuck = 0

    def take(self, unit: AccessUnit, at_us: int) -> None:
        """A sync sample."""
        if at_us - self._looked_us < LOOK_US and self._looked_us:
            return
        self._distance_us = at_us - self._looked_us if self._follows else 0
        self._looked_us, self._follows = at_us, True
        seen = picture_print(unit.nals)
        if seen in self._prints:
            self._repeats += 1
        else:
            self._prints.append(seen)
            self._new_us, self._repeats = at_us, 0
        if unit.rtp_timestamp == self._timestamp:
            self._stuck += 1
        else:
            self._timestamp, self._ticking_us, self._stuck = unit.rtp_timestamp, at_us, 0

    def begin_session(self) -> None:
        """What comes next may be far from what came before because nothing was sent: a film may begin anew."""
        self._follows = False

    @property
    def still_since_us(self) -> int | None:
        """Since when all pictures are the same; None while they are not."""
        return self._new_us if self._enough(self._repeats, self._new_us) else None

    @property
    def stuck_since_us(self) -> int | None:
        """Since when all timestamps are the same."""
        return self._ticking_us if self._enough(self._stuck, self._ticking_us) else None

    def _enough(self, repeats: int, since_us: int) -> bool:
        if repeats and self._distance_us >= LONG_US:
            return True
        return repeats >= REPEATS and self._looked_us - since_us >= STILL_US


def picture_print(unit: bytes | bytearray) -> tuple[int, int]:
    """What tells a coded picture from another: the bytes of its large NAL units, and a checksum over pieces of one.

    What is no sequence of NAL units behind their lengths (the OBUs of AV1) counts as one, its first half apart.
    """
    start, stop, total = _largest(unit)
    start = min(start + _HEADER_BYTES, stop)
    step = max(_PIECE_BYTES, (stop - start) // _PIECES)
    checksum = 0
    for at in range(stop, start, -step):
        checksum = crc32(unit[max(start, at - _PIECE_BYTES) : at], checksum)
    return total, checksum


def _largest(unit: bytes | bytearray) -> tuple[int, int, int]:
    """Where the largest NAL unit begins and ends, and how long all are that are not much smaller."""
    sizes: list[int] = []
    at = start = stop = 0
    end = len(unit)
    while at + 4 <= end and len(sizes) < _MOST_UNITS:
        size = int.from_bytes(unit[at : at + 4], "big")
        at += 4 + size
        sizes.append(size)
        if size > stop - start:
            start, stop = at - size, at
    if at != end or not sizes:
        return end // 2, end, end
    return start, stop, sum(size for size in sizes if 8 * size > stop - start)
