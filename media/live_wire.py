"""What goes over the live socket (docs/formats/live.md): pure, both directions.

A subscriber sends one request, HELLO and the stream's id. From then on it gets messages:

    length u32, kind u8, body        length counts the body; numbers are big-endian

    1 track    what the units after it are: number u8, timescale u32, width u16, height u16, codec (u8 length), sample
               entry. A session of the camera begins with one, and so does a change of parameters
    2 unit     number u8, flags u8, RTP timestamp u32, arrival u64 in microseconds UTC, then the access unit
    3 end      code u8, a sentence: nothing more will come
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from media.errors import MediaError
from media.track import Track

HELLO = b"hulta-live\x01"
"""Names the protocol; its last byte is the version."""

REQUEST_BYTES = len(HELLO) + 16
HEADER = struct.Struct(">IB")
MOST_BODY_BYTES = 16 << 20
"""An access unit has at most 8 MiB; a longer body is not ours."""

TRACK, UNIT, END = 1, 2, 3
VIDEO = 0
"""The number of the video track."""

_SYNC, _DAMAGED, _EARLIER = 1, 2, 4
_TRACK = struct.Struct(">BIHHB")
_UNIT = struct.Struct(">BBIQ")
_UNIT_MESSAGE = struct.Struct(">IBBBIQ")


class EndCode(IntEnum):
    """Why nothing more comes."""

    BAD_REQUEST = 1
    UNKNOWN_STREAM = 2
    TOO_MANY = 3
    TOO_SLOW = 4
    FAULT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUnit:
    """An access unit as a subscriber gets it. `earlier`: it was there before the subscription."""

    payload: bytes
    rtp_timestamp: int
    arrival_us: int
    sync: bool
    damaged: bool
    earlier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEnd:
    """The end of a subscription."""

    code: int
    sentence: str


def request(stream: UUID) -> bytes:
    """Ask for a stream."""
    return HELLO + stream.bytes


def read_request(sent: bytes) -> UUID:
    """The stream that is asked for; MediaError for anything that is no request of this version."""
    if len(sent) != REQUEST_BYTES or not sent.startswith(HELLO):
        raise MediaError(f"not a request of version {HELLO[-1]} of the live socket")
    return UUID(bytes=bytes(sent[len(HELLO) :]))


def track_message(track: Track) -> bytes:
    """The message that describes the units after it."""
    codec = track.codec.encode("ascii")
    body = _TRACK.pack(VIDEO, track.timescale, track.width, track.height, len(codec)) + codec + track.sample_entry
    return HEADER.pack(len(body), TRACK) + body


def unit_header(
    size_bytes: int, rtp_timestamp: int, arrival_us: int, *, sync: bool, damaged: bool, earlier: bool
) -> bytes:
    """What stands before the access unit's own bytes, which are never copied for it."""
    flags = _SYNC * sync | _DAMAGED * damaged | _EARLIER * earlier
    return _UNIT_MESSAGE.pack(_UNIT.size + size_bytes, UNIT, VIDEO, flags, rtp_timestamp, arrival_us)


def end_message(code: EndCode, sentence: str) -> bytes:
    """The last message."""
    body = bytes((code,)) + sentence.encode()
    return HEADER.pack(len(body), END) + body


def read_header(header: bytes) -> tuple[int, int]:
    """The length of the body and the kind of a message; MediaError where that cannot be."""
    length, kind = HEADER.unpack(header)
    if length > MOST_BODY_BYTES:
        raise MediaError(f"a message of {length} bytes on the live socket")
    return length, kind


def read_message(kind: int, body: bytes) -> Track | LiveUnit | LiveEnd | None:
    """What a message says; None for a kind or a track that this version does not know. MediaError if it is torn."""
    try:
        if kind == UNIT:
            return _read_unit(body)
        if kind == TRACK:
            return _read_track(body)
        if kind == END:
            return LiveEnd(code=body[0], sentence=body[1:].decode())
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise MediaError(f"a message of kind {kind} on the live socket that cannot be read: {error}") from error
    return None


def _read_unit(body: bytes) -> LiveUnit | None:
    number, flags, rtp_timestamp, arrival_us = _UNIT.unpack_from(body)
    if number != VIDEO:
        return None
    return LiveUnit(
        payload=body[_UNIT.size :],
        rtp_timestamp=rtp_timestamp,
        arrival_us=arrival_us,
        sync=bool(flags & _SYNC),
        damaged=bool(flags & _DAMAGED),
        earlier=bool(flags & _EARLIER),
    )


def _read_track(body: bytes) -> Track | None:
    number, timescale, width, height, codec_bytes = _TRACK.unpack_from(body)
    if number != VIDEO:
        return None
    entry_at = _TRACK.size + codec_bytes
    codec, sample_entry = body[_TRACK.size : entry_at].decode("ascii"), body[entry_at:]
    if not timescale or len(codec) != codec_bytes or not sample_entry:
        raise MediaError("a description on the live socket that describes no track")
    return Track(kind="video", timescale=timescale, codec=codec, width=width, height=height, sample_entry=sample_entry)
