"""Targets: the framing of a connection, RTP and RTCP."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import pairwise

from media.errors import CodecError, RtpError, RtspError
from media.held_packets import HELD_BYTES
from media.interleaved import FRAME_HEADER_BYTES, InterleavedReader
from media.reorder import HELD_PACKETS, WAIT_US, ReorderBuffer
from media.rtcp import parse_sender_report
from media.rtp import HEADER_BYTES, Buffer, RtpReceiver
from tests.fuzz.inputs import Input

_MOST_CUTS = 40


def interleaved_framing(content: bytes) -> None:
    """The same packets, messages and error, however the reads cut the stream; no byte comes twice."""
    given = Input(content)
    step = 1 + given.number()
    stream = given.rest()
    whole = _events(stream, [0, len(stream)])
    cuts = [*range(0, len(stream), max(step, len(stream) // _MOST_CUTS)), len(stream)]
    assert _events(stream, cuts) == whole
    taken = sum(FRAME_HEADER_BYTES + len(event[1]) for event in whole if isinstance(event, tuple))
    taken += sum(len(event.body) for event in whole if not isinstance(event, tuple | str))
    assert taken <= len(stream)


def _events(stream: bytes, bounds: list[int]) -> list[object]:
    events: list[object] = []
    reader = InterleavedReader(
        lambda channel, buffer, start, end: events.append((channel, bytes(buffer[start:end]))), events.append
    )
    try:
        for start, end in pairwise(bounds):
            reader.get_buffer()[: end - start] = stream[start:end]
            reader.received(end - start)
    except RtspError as error:
        events.append(str(error))
    return events


class _Taker:
    """Notes what it gets; refuses payloads that begin with 0xEE."""

    def __init__(self) -> None:
        self.timestamp = self.latest = -1
        self.parts = 0
        self.payloads: list[tuple[bytes, int]] = []

    def push(  # noqa: PLR0917 - as every PayloadTaker
        self, buffer: bytes, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """A payload."""
        assert 0 <= start <= end <= len(buffer)
        assert 0 <= lost < 1 << 16
        self.timestamp = self.latest = timestamp
        self.payloads.append((bytes(buffer[start:end]), lost))
        if buffer[start:end][:1] == b"\xee":
            raise CodecError("refused")


def rtp_packets(content: bytes) -> None:
    """Every packet counts once, what is handed on was sent, and what is held has a bound."""
    packets = list(Input(content).records())
    taker = _Taker()
    receiver = RtpReceiver(96, taker)
    lost_rtp = 0
    for packet in packets:
        try:
            receiver.receive(bytearray(b"before" + packet + b"after"), 6, 6 + len(packet))
        except RtpError:
            lost_rtp += 1
            break
    assert len(taker.payloads) == receiver.packets <= len(packets)
    assert sum(lost for _, lost in taker.payloads) >= receiver.lost_packets
    sent = sum(max(0, len(packet) - HEADER_BYTES) for packet in packets)
    assert sum(len(payload) for payload, _ in taker.payloads) == receiver.octets <= sent
    joined = b"\x00".join(packets)
    assert all(payload in joined for payload, _ in taker.payloads)
    held = receiver._foreign.held if receiver._foreign else []
    assert sum(map(len, held)) <= HELD_BYTES + (1 << 16)


def rtcp_packets(content: bytes) -> None:
    """A sender report comes out of the bytes where one is, and nothing outside of them is looked at."""
    with suppress(RtpError):
        report = parse_sender_report(bytearray(b"\x80\xc8" + content + b"\x80\xc8"), 2, 2 + len(content))
        if report is not None:
            assert report.ssrc.to_bytes(4, "big") + report.ntp.to_bytes(8, "big") in content
            assert report.rtp_timestamp.to_bytes(4, "big") in content


class _Noting(RtpReceiver):
    """Notes what it gets, but for what it takes again of its own accord."""

    def __init__(self) -> None:
        super().__init__(96, _Taker())
        self.got: list[bytes] = []
        self._depth = 0

    def receive(self, buffer: Buffer, start: int, end: int) -> None:
        """One packet."""
        if not self._depth:
            self.got.append(bytes(buffer[start:end]))
        self._depth += 1
        try:
            super().receive(buffer, start, end)
        finally:
            self._depth -= 1


def reordered_packets(content: bytes) -> None:
    """Datagrams, each so many milliseconds after the one before: all are passed on, once, within their time.

    But for those at which the receiver said that it has had enough.
    """
    receiver, now_us, refused = _Noting(), 0, 0
    buffer = ReorderBuffer(receiver)
    sent: list[bytes] = []
    for record in Input(content).records():
        now_us += 1000 * record[0] if record else 0
        sent.append(record[1:])
        try:
            buffer.receive(bytearray(b"??" + record[1:]), 2, 1 + max(1, len(record)), now_us)
        except RtpError:
            refused += 1
        assert buffer.held <= HELD_PACKETS
    with suppress(RtpError):
        buffer.expire(now_us + WAIT_US)
    gone = len(sent) - len(receiver.got) - buffer.duplicate_packets - buffer.held
    assert 0 <= gone <= refused
    assert not Counter(receiver.got) - Counter(sent)
