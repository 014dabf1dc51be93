"""The framing of an RTSP connection (RFC 2326 10.12): messages, and binary frames "$ channel length data".

Hot path, first part: every byte of every camera goes through `InterleavedReader.received`. One buffer that is never
replaced, frames found and handed on by their positions in it: 160 ns a packet of any size (benchmarks/kernel.py).
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from media.errors import RtspError
from media.rtsp import Request, Response, content_length, parse_head

if TYPE_CHECKING:
    from collections.abc import Callable

Message = Request | Response

FRAME_MARK = 0x24  # "$"
FRAME_HEADER_BYTES = 4
MAX_HEAD_BYTES = 16 << 10
MAX_BODY_BYTES = 64 << 10
# A read of this size empties what a kernel socket buffer holds of one camera in one system call.
READ_BYTES = 64 << 10

_FRAME_HEADER = struct.Struct(">BBH")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEAD_END_BYTES = 4
_LINE_BREAKS = b"\r\n"
# "RTSP/1.0 200 OK", "PLAY rtsp://...": known for none after a few bytes, not only when no head has come to an end.
_MESSAGE_START = re.compile(rb"[A-Z_]{3,24}[ /]|[A-Z_]{1,24}\Z")
_EMPTY_LINES = re.compile(rb"[\r\n]+")


class InterleavedReader:
    """Parses what one side of an RTSP connection sends, in place.

    The owner reads from the socket into `get_buffer()` and reports the number of bytes to `received`, which
    calls `on_packet(channel, buffer, start, end)` and `on_message(message)` for all that is complete. The
    buffer of `on_packet` is only valid during the call. Memory is bounded: one buffer of fixed size, which
    holds the largest frame (64 KiB) or message (`max_head_bytes` + `max_body_bytes`) and one read.
    """

    __slots__ = (
        "_buffer",
        "_end",
        "_max_body",
        "_max_head",
        "_message",
        "_message_bytes",
        "_on_message",
        "_on_packet",
        "_searched",
    )

    def __init__(
        self,
        on_packet: Callable[[int, bytearray, int, int], None],
        on_message: Callable[[Message], None],
        *,
        max_head_bytes: int = MAX_HEAD_BYTES,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._on_packet = on_packet
        self._on_message = on_message
        self._max_head = max_head_bytes
        self._max_body = max_body_bytes
        largest = max(FRAME_HEADER_BYTES + 0xFFFF, max_head_bytes + max_body_bytes)
        self._buffer = bytearray(largest + READ_BYTES)
        self._end = 0
        self._message: Message | None = None  # one whose head is read and whose body still arrives
        self._message_bytes = 0
        self._searched = 0  # bytes of a head that has not come to its end, where its end is not

    def get_buffer(self) -> memoryview:
        """Free space of at least 64 KiB to read into."""
        return memoryview(self._buffer)[self._end :]

    @property
    def unfinished(self) -> str:
        """What a connection that ends now was cut in: "" for nothing, else "a packet, 700 of its 1412 bytes"."""
        buffer, there = self._buffer, self._end
        if there < FRAME_HEADER_BYTES:
            return "a packet's header" if there and buffer[0] == FRAME_MARK else ""
        mark, _channel, size = _FRAME_HEADER.unpack_from(buffer, 0)
        if mark != FRAME_MARK:
            return f"a message, after {there} bytes"
        return f"a packet, {there - FRAME_HEADER_BYTES} of its {size} bytes"

    def received(self, count: int) -> None:
        """Parse, after `count` bytes were read into `get_buffer()`. `RtspError` when the framing is lost."""
        buffer, on_packet, header = self._buffer, self._on_packet, _FRAME_HEADER.unpack_from
        end = self._end + count
        position = 0
        try:
            while end - position >= FRAME_HEADER_BYTES:
                mark, channel, size = header(buffer, position)
                if mark == FRAME_MARK:
                    start = position + FRAME_HEADER_BYTES
                    if start + size > end:
                        break
                    position = start + size
                    on_packet(channel, buffer, start, position)
                elif mark in _LINE_BREAKS:  # some cameras send empty lines between frames (quirk S24)
                    position = _EMPTY_LINES.match(buffer, position, end).end()  # type: ignore[union-attr] # one is there
                elif self._find_message(position, end):
                    message = self._take_message(position)
                    position += self._message_bytes
                    self._on_message(message)
                else:
                    break
        finally:
            # The rest, mostly a part of one packet, moves to the front: the next read lands in cached memory.
            self._end = end - position
            if position and self._end:
                buffer[: self._end] = buffer[position:end]

    def _find_message(self, position: int, end: int) -> bool:
        """Whether a whole message stands at `position`; its head is read only once."""
        if self._message is None:
            first = self._buffer[position]
            if not _MESSAGE_START.match(self._buffer, position, end):
                raise RtspError(f"byte 0x{first:02x} where an RTSP message or frame should begin: framing lost")
            # From where the last search ended: a head that comes byte by byte is not gone over with each of them.
            found = _HEAD_END.search(self._buffer, position + self._searched, min(end, position + self._max_head))
            if found is None:
                if end - position >= self._max_head:
                    raise RtspError(f"the head of an RTSP message is longer than {self._max_head} bytes")
                self._searched = max(0, end - position - _HEAD_END_BYTES)
                return False
            self._searched = 0
            self._message = parse_head(bytes(self._buffer[position : found.end()]))
            body_bytes = content_length(self._message.headers)
            if body_bytes > self._max_body:
                raise RtspError(f"an RTSP message with a body of {body_bytes} bytes, more than {self._max_body}")
            self._message_bytes = found.end() - position + body_bytes
        return end - position >= self._message_bytes

    def _take_message(self, position: int) -> Message:
        message, self._message = self._message, None
        assert message is not None
        size = content_length(message.headers)
        if not size:
            return message
        stop = position + self._message_bytes
        return replace(message, body=bytes(self._buffer[stop - size : stop]))
