"""The packets of one session."""

from __future__ import annotations

from media.interleaved import InterleavedReader
from media.rtcp import parse_sender_report
from media.rtp import write_header
from simulator.rtp_stream import PAYLOAD_TYPE, RtpStream


def _packets(buffer: bytes) -> list[tuple[int, bytes]]:
    """What a reader's framing finds: channel and packet."""
    found: list[tuple[int, bytes]] = []
    reader = InterleavedReader(
        lambda channel, data, start, end: found.append((channel, bytes(data[start:end]))), lambda _: None
    )
    reader.get_buffer()[: len(buffer)] = buffer
    reader.received(len(buffer))
    return found


def test_one_buffer_holds_all_packets_of_a_frame() -> None:
    """Numbered in order, with one timestamp, and the marker on the last."""
    stream = RtpStream(4)
    first = stream.sequence = 0xFFFF
    timestamp = stream.timestamp(1234)
    expected = [
        (4, write_header(first + index, timestamp, stream.ssrc, PAYLOAD_TYPE, marker=index == 2) + payload)
        for index, payload in enumerate((b"\x67a", b"\x68b", b"\x65c"))
    ]
    assert _packets(stream.interleave((b"\x67a", b"\x68b", b"\x65c"), 1234)) == expected
    assert stream.sequence == 2


def test_the_report_ties_the_rtp_clock_to_utc() -> None:
    """And counts what was sent, on the channel after that of the packets."""
    stream = RtpStream(0)
    stream.interleave((b"\x65" * 100, b"\x65" * 50), 0)
    ((channel, packet),) = _packets(stream.report(1_795_423_943_500_000, 90_000))
    report = parse_sender_report(packet, 0, len(packet))
    assert report is not None
    assert (channel, report.ssrc, report.packets, report.octets) == (1, stream.ssrc, 2, 150)
    assert report.rtp_timestamp == stream.timestamp(90_000)
    assert report.ntp == ((1_795_423_943 + 2_208_988_800) << 32) + (1 << 31)


def test_two_sessions_are_numbered_on_their_own() -> None:
    """As with cameras: a reader cannot rely on what another one saw."""
    one, two = RtpStream(0), RtpStream(0)
    assert (one.ssrc, one.sequence, one.timestamp(0)) != (two.ssrc, two.sequence, two.timestamp(0))


def test_timestamps_take_32_bits() -> None:
    """Ticks since 1970 have many more."""
    stream = RtpStream(0)
    assert stream.timestamp(1 << 47) == stream.timestamp(0) < 1 << 32
