"""AAC over RTP (RFC 3640, mode AAC-hbr): payloads into access units, and the other direction.

A payload begins with the length of its AU headers in bits, then a header of 16 bits for each AU (13 of size, 3 of
index), then the AUs. Several AUs follow each other by one frame's duration each (quirk A3). An AU too large for a
packet comes in several: each with the header of the whole, all with one timestamp, the last one with the marker (A2).

What loss does
  1. An AU of which a packet is missing is dropped; the next unit carries the number of lost packets.
  2. A malformed packet counts as lost: `CodecError`, and the next call goes on as if nothing had happened.
  3. After a loss, fragments that do not add up are part of that loss. It explains one AU, and no error after it.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NoReturn

from media.aac_config import AacConfig
from media.access_unit import AccessUnit
from media.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from media.sdp import MediaDescription

Buffer = bytes | bytearray | memoryview

_SIZES = {"sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}
_ABSENT = (
    *("ctsdeltalength", "dtsdeltalength", "randomaccessindication", "streamstateindication"),
    *("auxiliarydatasizelength", "constantsize"),
)
"""Parameters that change the layout of a payload (RFC 3640 §4.1). AAC-hbr has none of them."""

FRAME_PARTS = 2
"""To keep a frame of sound takes as long as to take so many packets."""

MOST_FRAMES = 64
"""Of one packet, over a second of 48 kHz. Cameras send one to five."""

_HEADER_BITS = 16
_HEADER_BYTES = 2
_INDEX_BITS = 3
_MOST_AU_BYTES = 8191
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.IGNORECASE)


def aac_config(media: MediaDescription) -> AacConfig:
    """What a session description says about its AAC; CodecError for what cannot be recorded, by its name."""
    fmtp = media.fmtp
    mode = fmtp.get("mode", "")
    if mode.lower() != "aac-hbr":
        raise CodecError(f"MPEG4-GENERIC in mode {mode[:20]!r}; AAC-hbr is supported")
    sizes = {name: fmtp.get(name, "") for name in _SIZES}
    if sizes != _SIZES:
        raise CodecError(f"AAC-hbr with {', '.join(f'{n} {v[:8]!r}' for n, v in sizes.items())}; 13, 3 and 3 are used")
    for name in _ABSENT:
        if fmtp.get(name, "0") != "0":
            raise CodecError(f"AAC-hbr with {name}, which it has not (RFC 3640 §3.3.6)")
    written = fmtp.get("config", "").strip('"')
    if not _HEX.fullmatch(written):
        raise CodecError("AAC without a usable config")
    config = AacConfig.parse(bytes.fromhex(written))
    if config.rate != media.clock_rate:
        raise CodecError(f"AAC of {config.rate} Hz on an RTP clock of {media.clock_rate} Hz")
    if media.channels not in (0, config.channels):
        raise CodecError(f"AAC of {config.channels} channels described as one of {media.channels}")
    return config


class AacDepacketizer:
    """Puts the AUs of one stream together and hands each to `emit`. See the module for the rules."""

    def __init__(self, emit: Callable[[AccessUnit], None], config: AacConfig) -> None:
        self._emit = emit
        self._config = config
        self._announced = False
        self._timestamp = -1
        self.parts = 0
        """See `media.rtp.PayloadTaker`."""
        self._lost = 0
        self._excused = True  # fragments that do not add up follow from a loss, or from where we joined
        self._fragments = bytearray()
        self._size = 0  # of the AU that comes in fragments; 0 outside of one
        self._skipping = False  # the rest of an AU whose beginning is missing

    @property
    def timestamp(self) -> int:
        """Of the payload that came last; negative before the first."""
        return self._timestamp

    @property
    def latest(self) -> int:
        """The same: sound is sent in the order it is heard."""
        return self._timestamp

    def push(  # noqa: PLR0917 - as every PayloadTaker
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Take one RTP payload, `buffer[start:end]`. `CodecError` for a malformed one, which counts as lost."""
        turned = timestamp != self._timestamp
        self._timestamp = timestamp
        problem = ""
        if lost:
            self._lost += lost
            self._skipping = self._size > 0 and not turned
            self._size, self._excused = 0, True
        elif turned:
            problem = self._leave_unfinished()
        if start < end:
            self._take(buffer, start, end, marker=marker)
        if problem:
            raise CodecError(problem)

    def _leave_unfinished(self) -> str:
        """Another instant begins, and no packet is missing. Returns what is wrong with that."""
        unfinished, excused = self._size > 0, self._excused
        self._skipping, self._size = False, 0
        if not unfinished:
            return ""
        self._excused = False
        self._lost += not excused
        return "" if excused else "a fragmented AU did not end before the timestamp changed"

    def _take(self, buffer: Buffer, start: int, end: int, *, marker: bool) -> None:
        sizes, at = self._headers(buffer, start, end)
        if self._skipping:
            self._skipping = not marker
            self._excused = False
        elif len(sizes) == 1 and (self._size or sizes[0] > end - at):
            self._take_fragment(sizes[0], buffer[at:end], marker=marker)
        elif sum(sizes) != end - at:
            self._fail(f"{len(sizes)} AUs of {sum(sizes)} bytes in {end - at} bytes")
        else:
            self._size, self._excused = 0, False
            self.parts += FRAME_PARTS * len(sizes)
            for number, size in enumerate(sizes):
                self._finish(bytearray(buffer[at : at + size]), number)
                at += size

    def _headers(self, buffer: Buffer, start: int, end: int) -> tuple[list[int], int]:
        """The sizes of the AUs in a payload, and where the first of them begins."""
        at = start + _HEADER_BYTES
        bits = int.from_bytes(buffer[start:at], "big")
        count, rest = divmod(bits, _HEADER_BITS)
        first = at + _HEADER_BYTES * count
        if end < first or not count or rest:
            self._fail(f"{bits} bits of AU headers in a payload of {end - start} bytes")
        if count > MOST_FRAMES:
            self._fail(f"{count} AUs in one payload")
        headers = struct.unpack_from(f">{count}H", buffer, at)
        if any(header & (1 << _INDEX_BITS) - 1 for header in headers):
            self._fail("AUs that are interleaved are not supported (RFC 3640 §3.2.3.2)")
        sizes = [header >> _INDEX_BITS for header in headers]
        if not all(sizes):
            self._fail("an empty AU")
        return sizes, first

    def _take_fragment(self, size: int, part: Buffer, *, marker: bool) -> None:
        if not self._size:
            self._size = size
            self._fragments = bytearray()
        self._fragments += part
        have, same = len(self._fragments), size == self._size
        if same and have == size:
            self._size, self._excused = 0, False
            self._finish(self._fragments, 0)
        elif marker or not same or have > size:
            excused = self._excused
            self._size, self._excused = 0, False
            self._skipping = not marker
            if not excused:
                self._fail(f"fragments of {have} bytes of an AU of {size}")

    def _finish(self, frame: bytearray, number: int) -> None:
        unit = AccessUnit(
            nals=frame,
            rtp_timestamp=(self._timestamp + number * self._config.frame_samples) & 0xFFFFFFFF,
            sync=True,
            lost_packets=self._lost,
            parameters=None if self._announced else self._config.description,
            duration_ticks=self._config.frame_samples,
        )
        self._lost = 0
        self._announced = True
        self._emit(unit)

    def _fail(self, message: str) -> NoReturn:
        """The packet is lost."""
        self._lost += 1
        self._size = 0
        raise CodecError(message)


def packetize_aac(frames: Sequence[bytes], max_bytes: int = 1400) -> list[bytes]:
    """The payloads of frames that follow each other: all in one where they fit, each in fragments where it does not.

    The marker belongs on the last payload of each frame, which is the last one where they share one.
    """
    if max(map(len, frames)) > _MOST_AU_BYTES:
        raise CodecError(f"an AU of {max(map(len, frames))} bytes, more than {_MOST_AU_BYTES}")
    together = struct.pack(">H", _HEADER_BITS * len(frames))
    together += b"".join(struct.pack(">H", len(frame) << _INDEX_BITS) for frame in frames) + b"".join(frames)
    if len(together) <= max_bytes:
        return [together]
    if len(frames) > 1:
        raise CodecError(f"{len(frames)} AUs do not fit a payload of {max_bytes} bytes")
    (frame,) = frames
    room = max_bytes - _HEADER_BYTES - _HEADER_BYTES
    head = struct.pack(">HH", _HEADER_BITS, len(frame) << _INDEX_BITS)
    return [head + frame[at : at + room] for at in range(0, len(frame), room)]
