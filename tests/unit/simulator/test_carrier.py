"""How packets get to a reader over the RTSP connection."""

from __future__ import annotations

from media.interleaved import InterleavedReader
from simulator.carrier import InterleavedCarrier
from simulator.rtp_stream import RtpStream
from simulator.seed import chance


def _frames(buffers: list[bytes]) -> list[tuple[int, bytes]]:
    """What a reader's framing finds: channel and packet."""
    found: list[tuple[int, bytes]] = []
    reader = InterleavedReader(
        lambda channel, buffer, start, end: found.append((channel, bytes(buffer[start:end]))), lambda _: None
    )
    stream = b"".join(buffers)
    reader.get_buffer()[: len(stream)] = stream
    reader.received(len(stream))
    return found


def test_a_frame_is_one_write() -> None:
    """All of its packets, on the channel that was agreed."""
    written: list[bytes] = []
    payloads = (b"\x67a", b"\x65b" * 300, b"\x65c")
    InterleavedCarrier(4, written.append).deliver(RtpStream(chance(0, "a")), payloads, 9000)
    assert len(written) == 1
    assert _frames(written) == [(4, packet) for packet in RtpStream(chance(0, "a")).packets(payloads, 9000)]


def test_packets_that_somebody_numbered_are_sent_as_they_are() -> None:
    """In the order given, and reports on the next channel."""
    written: list[bytes] = []
    carrier = InterleavedCarrier(2, written.append)
    carrier.send((b"second packet", b"first packet"))
    carrier.control(b"report")
    assert _frames(written) == [(2, b"second packet"), (2, b"first packet"), (3, b"report")]


def test_the_answer_names_the_channels() -> None:
    """As RFC 2326 12.39 has them."""
    assert InterleavedCarrier(6, lambda _: None).transport == "RTP/AVP/TCP;unicast;interleaved=6-7"
