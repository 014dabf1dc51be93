"""What is learned of a camera while its packets come: sizes, rates, distances, clocks. No I/O.

Rates are measured by the camera's own timestamps between the first and the last sync sample, where it sent two: a
stream that begins with a second of the past, or stops for a moment, is still measured right. Otherwise, or where those
timestamps stand still, by arrival.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.camera_clock import CameraClock
from media.errors import CodecError

if TYPE_CHECKING:
    from media.access_unit import AccessUnit
    from media.rtcp import SenderReport
    from media.track import Track
    from storage.clock import Clock

TIMESCALE = 90_000
LONGEST_BURST_US = 30_000_000
"""Cameras begin with what they have: up to a group of pictures at once."""


class Observation:
    """Of one session, from its first unit on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.track: Track | None = None
        self.undescribed = ""
        """What is wrong with the parameters, where no file can describe them."""
        self.first_sync: bytes | None = None
        """The unit of the first sync sample whose track is known."""
        self.units = self.frames = self.syncs = self.lost_packets = self.reports = 0
        self.reorders = self.clock_unset = False
        self.clock_offset_us: int | None = None
        self._camera_clock = CameraClock()
        self._ticks = self._highest = self._last_sync = 0  # since the first sync sample
        self._timestamp = -1
        self._began_us = self._arrived_us = self._last_sync_us = 0
        self._bytes = self._synced_frames = self._synced_bytes = 0

    def take(self, unit: AccessUnit) -> None:
        """One more unit."""
        self.units += 1
        self.lost_packets += unit.lost_packets
        if unit.parameters is not None:
            self._describe(unit)
        if self.first_sync is None:
            if not unit.sync or self.track is None:
                return
            self.first_sync = bytes(unit.nals)
            self._began_us = self._clock.boot_us()
        self._place(unit.rtp_timestamp)
        if unit.sync:
            self.syncs += 1
            self._last_sync, self._last_sync_us = self._ticks, self._clock.boot_us()
            self._synced_frames, self._synced_bytes = self.frames, self._bytes
        self.frames += 1
        self._bytes += len(unit.nals)
        self._arrived_us = self._clock.boot_us()

    def take_report(self, report: SenderReport) -> None:
        """One sender report of the pictures."""
        self._camera_clock.take(report, self._clock.wall_us())
        self.reports += 1
        self.clock_offset_us = self._camera_clock.offset_us
        self.clock_unset = self.clock_offset_us is None

    @property
    def watched_us(self) -> int:
        """From the first sync sample to the last unit, by arrival."""
        return self._arrived_us - self._began_us

    @property
    def gop_us(self) -> int | None:
        """The mean distance of sync samples; None with fewer than two."""
        if self.syncs < 2:
            return None
        return self._measured()[2] // (self.syncs - 1)

    @property
    def frames_per_s(self) -> float:
        """Pictures a second."""
        frames, _octets, microseconds = self._measured()
        return frames * 1_000_000 / max(1, microseconds)

    @property
    def bitrate_bps(self) -> int:
        """Of the pictures, without the packets around them."""
        return self._measured()[1] * 8_000_000 // max(1, self._measured()[2])

    def _measured(self) -> tuple[int, int, int]:
        """Frames, bytes and microseconds of a stretch that begins and ends with a sync sample, if there is one."""
        if self.syncs > 1:
            span_us = _trusted(self._last_sync, self._last_sync_us - self._began_us)
            return self._synced_frames, self._synced_bytes, span_us
        intervals = max(0, self.frames - 1)
        # The last frame's bytes belong to an interval that was not seen.
        return intervals, self._bytes * intervals // max(1, self.frames), _trusted(self._highest, self.watched_us)

    def _describe(self, unit: AccessUnit) -> None:
        assert unit.parameters is not None
        try:
            self.track, self.undescribed = unit.parameters.track(TIMESCALE), ""
        except CodecError as error:
            self.undescribed = str(error)

    def _place(self, timestamp: int) -> None:
        """Timestamps wrap at 32 bit; with B-frames they go back."""
        if self._timestamp >= 0:
            step = (timestamp - self._timestamp) & 0xFFFFFFFF
            self._ticks += step - (1 << 32) if step >> 31 else step
        self._timestamp = timestamp
        self.reorders = self.reorders or self._ticks < self._highest
        self._highest = max(self._highest, self._ticks)


def _trusted(ticks: int, arrival_us: int) -> int:
    """The camera's word on how long it was, unless its clock stood still or jumped."""
    said_us = ticks * 1_000_000 // TIMESCALE
    return said_us if 0 < said_us < 2 * arrival_us + LONGEST_BURST_US else arrival_us
