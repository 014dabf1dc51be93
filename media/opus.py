"""Opus over RTP (RFC 7587): every payload is one Opus packet, timed at 48 kHz whatever it was recorded at.

How long a packet lasts stands in its first byte, or its first two (RFC 6716 §3.1, §3.2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media.access_unit import AccessUnit
from media.audio_description import AudioDescription
from media.boxes import box
from media.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.sdp import MediaDescription

Buffer = bytes | bytearray | memoryview

CLOCK_RATE = 48_000

_SILK, _HYBRID, _CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)
_FRAME_TICKS = (*_SILK * 3, *_HYBRID * 2, *_CELT * 4)  # by configuration number, RFC 6716 table 2
_STEREO = 0x04
_COUNT = 0x3F
_MOST_TICKS = 5760  # 120 ms
_DOPS = struct.Struct(">BBHIhB")


def opus_channels(media: MediaDescription) -> int:
    """How many channels a camera says it will send; CodecError when its clock is not Opus's."""
    if media.clock_rate != CLOCK_RATE:
        raise CodecError(f"Opus on an RTP clock of {media.clock_rate} Hz, not {CLOCK_RATE} (RFC 7587 §4.1)")
    return 2 if media.fmtp.get("sprop-stereo") == "1" else 1


def packet_ticks(packet: Buffer) -> int:
    """How long an Opus packet lasts at 48 kHz; CodecError when it is none."""
    if not packet:
        raise CodecError("an empty Opus packet")
    first = packet[0]
    code = first & 3
    frames = (1, 2, 2, 0)[code]
    if code == 3:
        frames = packet[1] & _COUNT if len(packet) > 1 else 0
    ticks = frames * _FRAME_TICKS[first >> 3]
    if not 0 < ticks <= _MOST_TICKS:
        raise CodecError(f"an Opus packet of {frames} frames of {_FRAME_TICKS[first >> 3]} ticks")
    return ticks


def opus_description(channels: int) -> AudioDescription:
    """What a file says about Opus ("Encapsulation of Opus in ISO Base Media File Format" §4.3).

    What a decoder should skip at the beginning is 0: the stream began before the recording.
    """
    dops = box(b"dOps", _DOPS.pack(0, channels, 0, CLOCK_RATE, 0, 0))
    return AudioDescription(entry=b"Opus", codec="opus", rate=CLOCK_RATE, channels=channels, boxes=dops)


class OpusDepacketizer:
    """Hands each packet of one stream to `emit`."""

    def __init__(self, emit: Callable[[AccessUnit], None], channels: int) -> None:
        self._emit = emit
        self._channels = channels
        self._announced = False
        self._lost = 0
        self._timestamp = -1
        self.parts = 0
        """See `media.rtp.PayloadTaker`: as in `media.aac`, of which one is the packet itself."""

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
        del marker  # says where speech begins (RFC 7587 §4.1)
        self._timestamp = timestamp
        self._lost += lost
        if start == end:
            return
        packet = bytearray(buffer[start:end])
        try:
            ticks = packet_ticks(packet)
        except CodecError:
            self._lost += 1
            raise
        unit = AccessUnit(
            nals=packet,
            rtp_timestamp=timestamp,
            sync=True,
            lost_packets=self._lost,
            parameters=None if self._announced else self._description(packet),
            duration_ticks=ticks,
        )
        self._announced = True
        self._lost = 0
        self.parts += 1
        self._emit(unit)

    def _description(self, first: bytearray) -> AudioDescription:
        """A decoder gives as many channels as it is asked for: two if the camera promised or sends two."""
        return opus_description(2 if first[0] & _STEREO else self._channels)
