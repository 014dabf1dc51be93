"""What is said between `record` and the process in which libav reads one odd device.

To the child, once, on its standard input, which is a socket: the order, as JSON. Back on that, once: the descriptor its
connections are asked for with (`ingest.libav_lines`). On its standard output: messages of a kind, a length and a body,
until it ends. The child may have been broken into by what it reads, so nothing it says is believed: lengths are
bounded, what is no message ends it, and times and codecs are looked at like a camera's.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from media.errors import GapReason, MediaError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

MOST_PACKET_BYTES = 8 << 20
"""As an access unit of the network."""

MOST_WORDS_BYTES = 1 << 16

_HEAD = struct.Struct(">BI")
_PACKET = struct.Struct(">qB")
_NO_TIME = -(1 << 63)
_DAMAGED = 1


class Kind(IntEnum):
    """Of a message."""

    OPENED = 1
    PACKET = 2
    ENDED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the child is to open, and with what. Holds the credentials of this one camera."""

    url: str
    """With the address that was checked in the place of the name, and without TLS, which is spoken for the child."""
    datagrams: bool
    """Whether it listens; else it connects."""
    formats: str
    """Demuxers that may be chosen, comma separated: none that opens other URLs."""
    options: Mapping[str, str] = field(default_factory=dict)
    redirects_refused: bool = False
    """Whether libav was told so: it does not say when it meets one."""

    def to_bytes(self) -> bytes:
        """For the pipe. Never for a log."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Order:
        """The inverse, in the child, which trusts its parent."""
        return cls(**json.loads(text))

    def __repr__(self) -> str:
        return "Order(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the device sends."""

    codec: str
    """As libav calls it."""
    configuration: bytes
    """The decoder configuration, where there is one."""
    format: str
    timed: bool
    """Whether packets have times of their own."""
    landlock: int


@dataclass(frozen=True, slots=True)
class Packet:
    """What a demuxer gave."""

    ticks: int | None
    """Presentation time in units of 1/90000 s."""
    damaged: bool
    payload: bytes


def opened(said: Opened) -> bytes:
    """A message of it."""
    return _message(Kind.OPENED, json.dumps({**asdict(said), "configuration": said.configuration.hex()}).encode())


def packet(ticks: int | None, damaged: bool, payload: bytes) -> bytes:
    """A message of it."""
    head = _PACKET.pack(_NO_TIME if ticks is None else ticks, _DAMAGED if damaged else 0)
    return _HEAD.pack(Kind.PACKET, len(head) + len(payload)) + head + payload


def ended(reason: GapReason, words: str) -> bytes:
    """A message of it."""
    return _message(Kind.ENDED, json.dumps({"reason": reason.value, "words": words[:300]}).encode())


def _message(kind: Kind, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body)) + body


class Messages:
    """Bytes from the child into calls. MediaError for what is no message; nothing after that."""

    def __init__(
        self,
        *,
        on_opened: Callable[[Opened], None],
        on_packet: Callable[[Packet], None],
        on_ended: Callable[[SourceError], None],
    ) -> None:
        self._on_opened = on_opened
        self._on_packet = on_packet
        self._on_ended = on_ended
        self._buffer = bytearray()

    def received(self, part: bytes) -> None:
        """Bytes as they come."""
        buffer = self._buffer
        buffer += part
        position = 0
        while len(buffer) - position >= _HEAD.size:
            kind, length = _HEAD.unpack_from(buffer, position)
            most = MOST_PACKET_BYTES + _PACKET.size if kind == Kind.PACKET else MOST_WORDS_BYTES
            if length > most or kind not in set(Kind):
                raise MediaError(f"a message of kind {kind} and {length} bytes")
            start = position + _HEAD.size
            if len(buffer) - start < length:
                break
            position = start + length
            self._take(Kind(kind), bytes(buffer[start:position]))
        del buffer[:position]

    def _take(self, kind: Kind, body: bytes) -> None:
        if kind is Kind.PACKET:
            if len(body) < _PACKET.size:
                raise MediaError(f"a packet of {len(body)} bytes")
            ticks, flags = _PACKET.unpack_from(body)
            self._on_packet(Packet(None if ticks == _NO_TIME else ticks, bool(flags & _DAMAGED), body[_PACKET.size :]))
        elif kind is Kind.OPENED:
            self._on_opened(_read(body, _opened_of))
        else:
            self._on_ended(_read(body, _end_of))


def _read(body: bytes, parse: Callable[[dict[str, Any]], T]) -> T:
    try:
        return parse(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MediaError(f"a message that makes no sense ({type(error).__name__})") from error


def _opened_of(said: dict[str, Any]) -> Opened:
    return Opened(
        codec=str(said["codec"])[:40],
        configuration=bytes.fromhex(said["configuration"]),
        format=str(said["format"])[:40],
        timed=bool(said["timed"]),
        landlock=int(said["landlock"]),
    )


def _end_of(said: dict[str, Any]) -> SourceError:
    words = "".join(letter if letter.isprintable() else "?" for letter in str(said["words"])[:300])
    return SourceError(GapReason(said["reason"]), words)
