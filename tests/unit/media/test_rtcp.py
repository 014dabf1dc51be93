"""RTCP reports."""

from __future__ import annotations

import pytest

from media.errors import RtpError
from media.rtcp import MOST_PARTS, SenderReport, build_receiver_report, build_sender_report, parse_sender_report

REPORT = SenderReport(ssrc=0xDEADBEEF, ntp=0xE5A1_0000_8000_0000, rtp_timestamp=4_000_000_000, packets=12, octets=3456)


def parse(packet: bytes) -> SenderReport | None:
    """Amid other bytes."""
    return parse_sender_report(bytearray(b"?" + packet + b"??"), 1, 1 + len(packet))


def test_a_sender_report_reads_back() -> None:
    """Built as a compound packet with a source description, whole words long."""
    for cname in ("", "h", "hulta", "cam-17", "x" * 300):
        packet = build_sender_report(REPORT, cname)
        assert len(packet) % 4 == 0
        assert parse(packet) == REPORT
    assert packet[:4].hex() == "80c80006"


def test_a_receiver_report_is_no_sender_report() -> None:
    """It is built by the RFC (6.4.2), and found to hold none."""
    packet = build_receiver_report(1, 2, 0x1_0005, 3)
    assert packet[:20].hex() == "81c9000700000001000000020000000300010005"
    assert parse(packet) is None


def test_the_report_may_come_later_in_a_compound_packet() -> None:
    """A receiver report first; padding belongs to the last packet (quirk R6)."""
    padded = bytes.fromhex("a1cb000200000007") + b"\x00\x00\x00\x04"
    assert parse(build_receiver_report(1, 2, 3, 0) + build_sender_report(REPORT) + padded) == REPORT
    assert parse(b"") is None


@pytest.mark.parametrize(
    "packet",
    [
        b"\x80\xc8\x00",
        b"\x80\xc8\x00\x06" + bytes(23),
        b"\x80\xc8\x00\x05" + bytes(20),
        b"\x40\xc8\x00\x06" + bytes(24),
        build_sender_report(REPORT)[:-1],
        b"\x80\xcb\x00\x00" * (MOST_PARTS + 1),
    ],
)
def test_a_malformed_packet_is_refused(packet: bytes) -> None:
    """Too short, of another version, longer than what holds it, or of more parts than take no time."""
    with pytest.raises(RtpError, match="RTCP"):
        parse(packet)
