"""The packets of one session."""

from __future__ import annotations

from media.interleaved import InterleavedReader
from media.rtcp import parse_sender_report
from media.rtp import write_header
from simulator.rtp_stream import PAYLOAD_TYPE, RtpStream
from simulator.seed import chance


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
    stream = RtpStream(chance(0, "a"))
    first = stream.sequence = 0xFFFF
    timestamp = stream.timestamp(1234)
    expected = [
        (4, write_header(first + index, timestamp, stream.ssrc, PAYLOAD_TYPE, marker=index == 2) + payload)
        for index, payload in enumerate((b"\x67a", b"\x68b", b"\x65c"))
    ]
    assert _packets(stream.interleave(4, (b"\x67a", b"\x68b", b"\x65c"), 1234)) == expected
    assert stream.sequence == 2


def test_the_report_ties_the_rtp_clock_to_utc() -> None:
    """And counts what was sent."""
    stream = RtpStream(chance(0, "a"))
    stream.interleave(4, (b"\x65" * 100, b"\x65" * 50), 0)
    packet = stream.report(1_795_423_943_500_000, 90_000)
    report = parse_sender_report(packet, 0, len(packet))
    assert report is not None
    assert (report.ssrc, report.packets, report.octets) == (stream.ssrc, 2, 150)
    assert report.rtp_timestamp == stream.timestamp(90_000)
    assert report.ntp == ((1_795_423_943 + 2_208_988_800) << 32) + (1 << 31)


def test_two_sessions_are_numbered_on_their_own() -> None:
    """As with cameras: a reader cannot rely on what another one saw."""
    one, two = RtpStream(chance(0, "a")), RtpStream(chance(0, "b"))
    assert (one.ssrc, one.sequence, one.timestamp(0)) != (two.ssrc, two.sequence, two.timestamp(0))


def test_timestamps_take_32_bits() -> None:
    """Ticks since 1970 have many more."""
    stream = RtpStream(chance(0, "a"))
    assert stream.timestamp(1 << 47) == stream.timestamp(0) < 1 << 32


def test_another_source_has_sent_nothing_yet() -> None:
    """Its reports count from zero; sequence numbers and timestamps go on."""
    stream = RtpStream(chance(0, "a"))
    stream.packets((b"\x65" * 100,), 0)
    before, sequence, timestamp = stream.ssrc, stream.sequence, stream.timestamp(90_000)
    stream.change_ssrc(chance(0, "another"))
    packet = stream.report(0, 90_000)
    report = parse_sender_report(packet, 0, len(packet))
    assert report is not None
    assert (report.packets, report.octets, report.rtp_timestamp) == (0, 0, timestamp)
    assert report.ssrc == stream.ssrc != before
    assert stream.sequence == sequence


def test_packets_one_by_one_are_those_of_the_buffer() -> None:
    """Whichever way they go, they have the same numbers, and both count for the report."""
    payloads = (b"\x67a", b"\x68b", b"\x65c" * 400)
    whole, single = RtpStream(chance(0, "a")), RtpStream(chance(0, "a"))
    for stream in (whole, single):
        stream.sequence = 0xFFFE
    for ticks in (1234, 4834):
        assert single.packets(payloads, ticks) == [
            packet for _, packet in _packets(whole.interleave(0, payloads, ticks))
        ]
    assert single.sequence == whole.sequence == 4
    assert single.report(0, 0) == whole.report(0, 0)


def test_the_same_seed_gives_the_same_numbers() -> None:
    """So that a storm can be repeated; another seed, camera or session has others."""

    def start(seed: int, *what: str | int) -> tuple[int, int, int]:
        stream = RtpStream(chance(seed, *what))
        return stream.ssrc, stream.sequence, stream.timestamp(0)

    assert start(7, "a", 1) == start(7, "a", 1)
    assert len({start(7, "a", 1), start(8, "a", 1), start(7, "b", 1), start(7, "a", 2)}) == 4
