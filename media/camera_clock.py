"""What a camera's own clock says against this host's: from its sender reports (RFC 3550 6.4.1).

A report names an instant by the camera's clock, and comes some time later: waiting behind pictures on a narrow line
only ever delays it. So of the last reports the least delayed one tells the offset. It is shown and alarmed on, and
never orders or times anything: a camera may claim whatever it likes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.rtcp import SenderReport

NTP_ERA_S = 1 << 32
UNIX_EPOCH_S = 2_208_988_800
"""1970 in seconds since 1900."""

MOST_OFFSET_US = 45 * 365 * 86_400 * 1_000_000
"""A camera that lost its battery counts from 2000 or 2010, and should be told of. One that is further off has no clock:
it counts from 1970, or from 1900."""

REPORTS = 12
"""A minute, at the usual interval of 5 s."""

JUMP_US = 500_000
CONFIRMATIONS = 3
"""An offset that differs by more than JUMP_US is believed once so many in a row agree: neither a report that was held
up for long nor a single lie moves it, and a clock that was set is followed within 15 s."""


def instant_us(ntp: int, near_us: int) -> int | None:
    """A 64-bit NTP timestamp as microseconds UTC, of the era next to `near_us`; None for one that tells no time.

    Zero says so by itself (RFC 3550 6.4.1); a small number is an uptime, until 2036 makes it a time (RFC 5905 6).
    """
    near_s = near_us // 1_000_000 + UNIX_EPOCH_S
    seconds = ntp >> 32
    if not ntp or (not seconds >> 31 and near_s < NTP_ERA_S - 86_400):
        return None
    eras = (near_s - seconds + NTP_ERA_S // 2) // NTP_ERA_S
    told_us = (seconds + eras * NTP_ERA_S - UNIX_EPOCH_S) * 1_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
    return told_us if abs(told_us - near_us) <= MOST_OFFSET_US else None


class CameraClock:
    """One session's. `take` each report; `offset_us` is the camera's clock minus ours, None while it is not known."""

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._recent: deque[int] = deque(maxlen=REPORTS)
        self._doubts: list[int] = []
        self.reports = 0
        self.offset_us: int | None = None

    def take(self, report: SenderReport, arrival_us: int) -> None:
        """A report of our source that came at `arrival_us`, UTC. Another source's clock is another clock."""
        self.reports += 1
        if report.ssrc != self._ssrc:
            self._ssrc = report.ssrc
            self._forget()
        told_us = instant_us(report.ntp, arrival_us)
        if told_us is None:
            self._forget()
        else:
            self._learn(told_us - arrival_us)

    def shift(self, step_us: int) -> None:
        """Our own clock was stepped."""
        self._recent = deque((offset_us - step_us for offset_us in self._recent), maxlen=REPORTS)
        self._doubts = [offset_us - step_us for offset_us in self._doubts]
        if self.offset_us is not None:
            self.offset_us -= step_us

    def _forget(self) -> None:
        self._recent.clear()
        self._doubts.clear()
        self.offset_us = None

    def _learn(self, offset_us: int) -> None:
        if self.offset_us is None or abs(offset_us - self.offset_us) <= JUMP_US:
            self._doubts.clear()
            self._recent.append(offset_us)
        else:
            if self._doubts and abs(offset_us - self._doubts[-1]) > JUMP_US:
                self._doubts.clear()
            self._doubts.append(offset_us)
            if len(self._doubts) < CONFIRMATIONS:
                return
            self._recent = deque(self._doubts, maxlen=REPORTS)
            self._doubts.clear()
        self.offset_us = max(self._recent)
