"""The framing of an RTSP connection."""

from __future__ import annotations

import pytest

from media.errors import RtspError
from media.interleaved import MAX_BODY_BYTES, MAX_HEAD_BYTES, READ_BYTES, InterleavedReader
from media.rtsp import Headers, Request, Response
from tests.builders_h264 import frame


class Connection:
    """A reader with what came out of it."""

    def __init__(self) -> None:
        self.events: list[tuple[int, bytes] | Request | Response] = []
        self.reader = InterleavedReader(self._on_packet, self.events.append)

    def _on_packet(self, channel: int, buffer: bytearray, start: int, end: int) -> None:
        self.events.append((channel, bytes(buffer[start:end])))

    def feed(self, stream: bytes, read_bytes: int = READ_BYTES) -> None:
        """Let it arrive in reads of at most this size."""
        for start in range(0, len(stream), read_bytes):
            read = stream[start : start + read_bytes]
            space = self.reader.get_buffer()
            assert len(space) >= READ_BYTES
            space[: len(read)] = read
            self.reader.received(len(read))


def describe_answer(body: bytes) -> Response:
    """A response with a body."""
    headers = Headers({"CSeq": "2", "Content-Length": str(len(body))})
    return Response(status=200, reason="OK", headers=headers, body=body)


MIXED = [
    Response(status=200, reason="OK", headers=Headers({"CSeq": "1", "Public": "PLAY"})),
    (0, b"first"),
    (1, b""),
    describe_answer(b"v=0\r\n\r\n$\x00\x00\x01"),
    (0, b"$ \r\n\r\nRTSP/1.0 200 OK\r\n\r\n"),
    Request(method="GET_PARAMETER", url="rtsp://cam/", headers=Headers({"CSeq": "7"})),
    (255, bytes(300)),
    describe_answer(b"x"),
]


def wire(events: list[tuple[int, bytes] | Request | Response]) -> bytes:
    """The events as a camera sends them."""
    return b"".join(frame(*event) if isinstance(event, tuple) else event.to_bytes() for event in events)


@pytest.mark.parametrize("read_bytes", [1, 2, 3, 4, 5, 7, 64, READ_BYTES])
def test_frames_and_messages_in_any_mixture(read_bytes: int) -> None:
    """Whatever the reads cut them into."""
    connection = Connection()
    connection.feed(wire(MIXED), read_bytes)
    assert connection.events == MIXED


def test_the_stream_may_be_cut_anywhere() -> None:
    """Every single point."""
    stream = wire(MIXED)
    for cut in range(1, len(stream)):
        connection = Connection()
        connection.feed(stream[:cut])
        connection.feed(stream[cut:])
        assert connection.events == MIXED


@pytest.mark.parametrize("read_bytes", [999, 1460, READ_BYTES])
def test_frames_of_the_largest_size_fit(read_bytes: int) -> None:
    """65535 bytes, several in a row."""
    connection = Connection()
    events = [(0, bytes([number]) * 65535) for number in range(5)]
    connection.feed(wire([*events]), read_bytes)
    assert connection.events == events


def test_empty_lines_between_frames_are_skipped() -> None:
    """Quirk S24."""
    connection = Connection()
    connection.feed(b"\r\n" + frame(0, b"a") + b"\r\n\r\n" + wire(MIXED[:1]) + b"\n" + frame(0, b"b") + b"\r\n")
    assert connection.events == [(0, b"a"), MIXED[0], (0, b"b")]


def test_single_line_feeds_end_a_head_too() -> None:
    """Tolerated."""
    connection = Connection()
    connection.feed(b"RTSP/1.0 200 OK\nCSeq: 1\n\n$\x00\x00\x01a")
    assert connection.events == [Response(status=200, reason="OK", headers=Headers({"CSeq": "1"})), (0, b"a")]


@pytest.mark.parametrize("garbage", [b"\x00\x00\x00\x00", b"\x80\x60\x00\x01", b"rtsp", b"    ", b"\xff\xff\xff\xff"])
def test_lost_framing_is_noticed_at_once(garbage: bytes) -> None:
    """Old live555 loses bytes when the TCP window fills (quirk I4). What came before counts."""
    connection = Connection()
    with pytest.raises(RtspError, match=rf"0x{garbage[0]:02x} .* framing lost"):
        connection.feed(frame(0, b"good") + garbage)
    assert connection.events == [(0, b"good")]


def test_a_head_has_a_bound() -> None:
    """Just below it is fine, at it is not."""
    start = b"RTSP/1.0 200 OK\r\nX: "
    connection = Connection()
    connection.feed(start + b"a" * (MAX_HEAD_BYTES - len(start) - 4) + b"\r\n\r\n", 4096)
    assert len(connection.events) == 1
    with pytest.raises(RtspError, match="longer than 16384 bytes"):
        connection.feed(start + b"a" * (MAX_HEAD_BYTES - len(start)), 4096)
    with pytest.raises(RtspError, match="longer than 16384 bytes"):
        Connection().feed(start + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n")


def test_a_body_has_a_bound() -> None:
    """The largest allowed one comes through beside the largest head; a larger one is refused by its length alone."""
    connection = Connection()
    padding = "a" * (MAX_HEAD_BYTES - 100)
    headers = Headers({"X": padding, "Content-Length": str(MAX_BODY_BYTES)})
    largest = Response(status=200, reason="OK", headers=headers, body=b"b" * MAX_BODY_BYTES)
    connection.feed(largest.to_bytes(), 5000)
    assert connection.events == [largest]
    with pytest.raises(RtspError, match="body of 65537 bytes"):
        connection.feed(b"RTSP/1.0 200 OK\r\nContent-Length: 65537\r\n\r\n")


def test_text_that_is_no_rtsp_is_refused() -> None:
    """A web server on the port of a camera."""
    with pytest.raises(RtspError, match="a web server answers there"):
        Connection().feed(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")


def test_after_an_error_in_a_callback_nothing_comes_twice() -> None:
    """Neither packets nor messages."""
    seen: list[object] = []

    def fail_once(*event: object) -> None:
        seen.append(event)
        if len(seen) in (1, 2):
            raise ValueError

    reader = InterleavedReader(lambda channel, _buffer, start, end: fail_once(channel, end - start), fail_once)
    stream = frame(0, b"1") + MIXED[0].to_bytes() + frame(2, b"333")  # type: ignore[union-attr]
    reader.get_buffer()[: len(stream)] = stream
    for count in (len(stream), 0):
        with pytest.raises(ValueError, match=r"^$"):
            reader.received(count)
    reader.received(0)
    assert seen == [(0, 1), (MIXED[0],), (2, 3)]


def test_capital_letters_alone_make_no_message() -> None:
    """In a picture they are as likely as others: lost framing shows after some bytes, not after a head's worth."""
    with pytest.raises(RtspError, match="framing lost"):
        Connection().feed(b"Z" * 30)
