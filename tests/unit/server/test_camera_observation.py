"""What is learned of a camera from what it sends."""

from __future__ import annotations

import pytest

from media.access_unit import AccessUnit
from media.camera_clock import UNIX_EPOCH_S
from media.h264_parameters import ParameterSets
from media.rtcp import SenderReport
from server.camera_observation import Observation
from storage.clock import FakeClock

SETS = ParameterSets.from_sprop("Z0LAHtoCgL/lhAAAAwAEAAADAMo8WLqA,aM4PyA==")
FRAME_TICKS = 3600
FRAME_BYTES = 10_000


class Camera:
    """A camera that is observed: 25 frames a second of 10 000 bytes each, 2 Mbit/s."""

    def __init__(self, *, gop: int = 50, first_timestamp: int = 7) -> None:
        self.clock = FakeClock()
        self.seen = Observation(self.clock)
        self.gop = gop
        self.timestamp = first_timestamp
        self.number = 0

    def send(self, frames: int, *, interval_us: int = 40_000, ticks: int = FRAME_TICKS) -> None:
        """Frames, so far apart by arrival and by timestamp."""
        for _ in range(frames):
            self.unit(self.timestamp, sync=self.number % self.gop == 0)
            self.number += 1
            self.timestamp = (self.timestamp + ticks) & 0xFFFFFFFF
            self.clock.advance(interval_us)

    def unit(self, timestamp: int, *, sync: bool = False) -> None:
        """One."""
        unit = AccessUnit(
            nals=bytearray(FRAME_BYTES),
            rtp_timestamp=timestamp,
            sync=sync,
            lost_packets=0,
            parameters=SETS if self.seen.track is None else None,
        )
        self.seen.take(unit)

    def report(self, said_us: int, *, late_us: int = 0) -> None:
        """A sender report that was so long on its way."""
        self.clock.advance(late_us)
        report = SenderReport(ssrc=1, ntp=(said_us << 32) // 1_000_000, rtp_timestamp=0, packets=0, octets=0)
        self.seen.take_report(report)

    def says(self, offset_us: int) -> int:
        """What the camera's clock says now, in microseconds since 1900."""
        return self.clock.wall_us() + offset_us + UNIX_EPOCH_S * 1_000_000


def figures(camera: Camera) -> tuple[int | None, float, int]:
    """The distance of sync samples, frames a second, bit/s; the first to a millisecond, as clocks of 90 kHz round."""
    gop_us = camera.seen.gop_us
    return None if gop_us is None else round(gop_us, -3), round(camera.seen.frames_per_s, 2), camera.seen.bitrate_bps


@pytest.mark.parametrize("first_timestamp", [0, (1 << 32) - 90_000])
def test_figures_are_measured_between_sync_samples(first_timestamp: int) -> None:
    """Also where the timestamps wrap; what comes after the last one is not counted half."""
    camera = Camera(first_timestamp=first_timestamp)
    camera.send(113)
    assert figures(camera) == (2_000_000, 25.0, 2_000_000)
    assert camera.seen.track is not None
    assert (camera.seen.track.width, camera.seen.track.height) == (640, 360)


def test_a_single_sync_sample_still_gives_rates() -> None:
    """But no distance."""
    camera = Camera(gop=10_000)
    camera.send(101)
    gop_us, frames_per_s, bitrate_bps = figures(camera)
    assert (gop_us, frames_per_s) == (None, 25.0)
    assert bitrate_bps == pytest.approx(2_000_000, rel=0.001)


def test_a_camera_that_begins_with_its_past_is_not_a_fast_one() -> None:
    """It sends 4 s at once, then goes on: its timestamps tell the truth."""
    camera = Camera()
    camera.send(100, interval_us=100)
    camera.send(51)
    assert figures(camera) == (2_000_000, 25.0, 2_000_000)


@pytest.mark.parametrize("ticks", [0, 1 << 30])
def test_timestamps_that_do_not_keep_time_are_not_believed(ticks: int) -> None:
    """They stand still, or jump by hours: arrival counts."""
    camera = Camera()
    camera.send(101, ticks=ticks)
    assert figures(camera) == (2_000_000, 25.0, 2_000_000)


def test_what_comes_before_the_first_sync_sample_is_not_measured() -> None:
    """The rest of a group of pictures that began before us."""
    camera = Camera()
    for number in range(20):
        camera.unit(number)
    assert (camera.seen.units, camera.seen.frames, camera.seen.first_sync) == (20, 0, None)
    camera.send(101)
    assert figures(camera) == (2_000_000, 25.0, 2_000_000)


def test_frames_shown_in_another_order_than_sent_are_noticed() -> None:
    """B-frames."""
    camera = Camera()
    camera.send(50)
    assert not camera.seen.reorders
    for timestamp in (3, 1, 2):
        camera.unit(camera.timestamp + timestamp * FRAME_TICKS)
    assert camera.seen.reorders


def test_the_least_delayed_report_tells_the_camera_clock() -> None:
    """A report can only be late, which makes the clock seem slow."""
    camera = Camera()
    for late_us in (300_000, 2_000, 90_000):
        camera.report(camera.says(-41_000_000), late_us=late_us)
    assert camera.seen.clock_offset_us == pytest.approx(-41_002_000, abs=2)
    assert (camera.seen.reports, camera.seen.clock_unset) == (3, False)


def test_a_clock_that_counts_from_power_on_tells_no_time() -> None:
    """RFC 3550 allows it."""
    camera = Camera()
    camera.report(1234 * 1_000_000)
    assert (camera.seen.clock_offset_us, camera.seen.clock_unset) == (None, True)
