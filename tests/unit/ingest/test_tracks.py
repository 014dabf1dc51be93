"""The tracks of a session: each channel has one taker, and what one of them does costs the others nothing."""

from __future__ import annotations

import pytest

from ingest.carrier import InterleavedCarrier
from ingest.session import RtspSession
from ingest.tracks import CameraTrack, TrackTaker
from media import rtcp
from media.access_unit import AccessUnit
from media.errors import GapReason, SourceError
from media.h264 import H264Depacketizer
from media.rtp import write_header
from media.rtsp_fields import parse_transport
from media.sdp import MediaDescription
from storage.clock import FakeClock
from tests.builders_h264 import frame

NAL = b"\x65\x88picture"


class Brought:
    """A session with two tracks, and what they brought."""

    def __init__(self, *answers: str | None) -> None:
        self.session = RtspSession(FakeClock())
        self.units: list[tuple[int, bytes]] = []
        self.reports: list[tuple[int, rtcp.SenderReport]] = []
        self.tracks = [self._track(index) for index in range(len(answers))]
        for index, (track, answer) in enumerate(zip(self.tracks, answers, strict=True)):
            carrier = InterleavedCarrier(self.session, index)
            carrier.agree(None if answer is None else parse_transport(answer), track)

    def _track(self, index: int) -> CameraTrack:
        def unit(each: AccessUnit) -> None:
            self.units.append((index, bytes(each.nals[4:])))

        def report(each: rtcp.SenderReport) -> None:
            self.reports.append((index, each))

        media = MediaDescription(kind="video", transport="RTP/AVP", payload_type=96, encoding="H264", clock_rate=90000)
        return CameraTrack(media, H264Depacketizer(unit), TrackTaker(units=unit, reports=report))

    def hear(self, channel: int, packet: bytes) -> None:
        """One frame of the connection."""
        received = frame(channel, packet)
        self.session.get_buffer(0)[: len(received)] = received
        self.session.buffer_updated(len(received))


def _packet(ssrc: int) -> bytes:
    return write_header(1, 3600, ssrc, 96, marker=True) + NAL + ssrc.to_bytes(1, "big")


def _report(ssrc: int) -> bytes:
    return rtcp.build_sender_report(rtcp.SenderReport(ssrc=ssrc, ntp=1, rtp_timestamp=2, packets=3, octets=4))


@pytest.mark.parametrize(
    ("answers", "channels"),
    [
        (("RTP/AVP/TCP;interleaved=0-1", "RTP/AVP/TCP;interleaved=2-3"), (0, 2)),
        (("RTP/AVP/TCP;unicast", None), (0, 2)),
        (("RTP/AVP/TCP;interleaved=4-5", "RTP/AVP/TCP;interleaved=0-1"), (4, 0)),
    ],
)
async def test_each_track_gets_its_packets_and_its_reports(answers: tuple[str, ...], channels: tuple[int, int]) -> None:
    """On the channels that the camera chose; on those that were asked for where it says nothing (quirk I6)."""
    brought = Brought(*answers)
    for number, channel in enumerate(channels):
        brought.hear(channel, _packet(number))
        brought.hear(channel + 1, _report(number))
    brought.hear(9, b"nobody asked for this")
    assert brought.units == [(0, NAL + b"\x00"), (1, NAL + b"\x01")]
    assert [(index, report.ssrc) for index, report in brought.reports] == [(0, 0), (1, 1)]
    assert (brought.session.side_packets, brought.session.stray_packets) == (3, 1)


async def test_a_malformed_report_costs_nothing_but_itself() -> None:
    """Quirk R4."""
    brought = Brought(None)
    for junk in (b"\x80", b"\x40\xc8\x00\x06" + bytes(24), b"\x80\xc8\x00\x01abcd"):
        brought.hear(1, junk)
    brought.hear(1, _report(0))
    brought.hear(0, _packet(0))
    assert (brought.tracks[0].reports, brought.tracks[0].malformed_reports) == (4, 3)
    assert brought.units == [(0, NAL + b"\x00")]
    assert not brought.session.failure.done()


async def test_a_report_of_another_source_is_ignored() -> None:
    """Quirk R4. One before the first packet is taken (R3): nobody knows better."""
    brought = Brought(None)
    brought.hear(1, _report(5))
    brought.hear(0, _packet(0))
    brought.hear(1, _report(5))
    brought.hear(1, _report(0))
    assert [report.ssrc for _, report in brought.reports] == [5, 0]
    assert brought.tracks[0].foreign_reports == 1


@pytest.mark.parametrize("second", ["0-1", "1-2", "3-4", "254-256"])
async def test_two_things_on_one_channel_are_refused(second: str) -> None:
    """A file that mixes two tracks is worse than none; so are channels that are no pair."""
    with pytest.raises(SourceError) as caught:
        Brought("RTP/AVP/TCP;interleaved=0-1", f"RTP/AVP/TCP;interleaved={second}")
    assert caught.value.reason is GapReason.PROTOCOL


async def test_a_camera_that_answers_udp_to_tcp_is_named() -> None:
    """RTSP has no third word for it."""
    with pytest.raises(SourceError, match="TCP") as caught:
        Brought("RTP/AVP;unicast;client_port=5000-5001")
    assert caught.value.reason is GapReason.UNSUPPORTED


async def test_sound_alone_is_no_sign_of_life() -> None:
    """What is watched is the first track."""
    brought = Brought(None, None)
    before = brought.session.last_media_us
    assert isinstance(brought.session._clock, FakeClock)
    brought.session._clock.advance(5_000_000)
    brought.hear(2, _packet(1))
    assert brought.session.last_media_us == before
    brought.hear(0, _packet(0))
    assert brought.session.last_media_us == before + 5_000_000
