"""How the bytes of a fuzzer are read: numbers first, texts and packets of stated length, never an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Input:
    """Bytes that are taken from the front. What is asked for past the end is zero or empty."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._content)

    def take(self, count: int) -> bytes:
        """Up to `count` bytes."""
        taken = self._content[self._at : self._at + count]
        self._at += count
        return taken

    def number(self, size: int = 1) -> int:
        """An unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._content))

    def text(self) -> str:
        """The same as text; other bytes than those of UTF-8 are replaced."""
        return self.rest().decode("utf-8", "replace")

    def records(self) -> Iterator[bytes]:
        """What is left, as records behind their 16-bit length: the framing of RFC 4571, in which seeds are recorded."""
        while self:
            yield self.take(self.number(2))


class Payload(NamedTuple):
    """An RTP payload as a depacketizer gets it."""

    content: bytes
    timestamp: int
    marker: bool
    lost: int

    def to_record(self, ticks: int) -> bytes:
        """As `payloads` reads it back; `ticks` after the payload before it."""
        flags = self.marker | (self.lost & 3) << 1
        body = bytes((flags,)) + (ticks & 0xFFFFFFFF).to_bytes(4, "big") + self.content
        return len(body).to_bytes(2, "big") + body


def payloads(given: Input) -> Iterator[Payload]:
    """Records of one byte of flags, 32 bits that the timestamp goes on by, and the payload."""
    timestamp = 0
    for record in given.records():
        inside = Input(record)
        flags = inside.number()
        timestamp = (timestamp + inside.number(4)) & 0xFFFFFFFF
        yield Payload(content=inside.rest(), timestamp=timestamp, marker=bool(flags & 1), lost=flags >> 1 & 3)
