"""G.711 over RTP (RFC 3551 §4.5.14): a byte is a sample, and every payload is a unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.access_unit import AccessUnit
from media.audio_description import AudioDescription, require_channels
from media.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.sdp import MediaDescription

Buffer = bytes | bytearray | memoryview

_ENTRIES = {"PCMU": (b"ulaw", "ulaw"), "PCMA": (b"alaw", "alaw")}
_MOST_CHANNELS = 2
_MOST_RATE = 48_000


def g711_description(media: MediaDescription) -> AudioDescription:
    """What a file says about it; CodecError for more than two channels or 48 kHz, which no G.711 has."""
    if not 0 < media.clock_rate <= _MOST_RATE:
        raise CodecError(f"{media.encoding} of {media.clock_rate} Hz")
    entry, codec = _ENTRIES[media.encoding]
    channels = require_channels(media.channels, _MOST_CHANNELS)
    return AudioDescription(entry=entry, codec=codec, rate=media.clock_rate, channels=channels)


class G711Depacketizer:
    """Hands the samples of each packet of one stream to `emit`."""

    def __init__(self, emit: Callable[[AccessUnit], None], description: AudioDescription) -> None:
        self._emit = emit
        self._description: AudioDescription | None = description
        self._channels = description.channels
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
        """Take one RTP payload, `buffer[start:end]`. `CodecError` for half a sample, which counts as lost."""
        del marker  # says where speech begins (RFC 3551 §4.1)
        self._timestamp = timestamp
        self._lost += lost
        ticks, rest = divmod(end - start, self._channels)
        if rest:
            self._lost += 1
            raise CodecError(f"{end - start} bytes of G.711 in {self._channels} channels")
        if not ticks:
            return
        unit = AccessUnit(
            nals=bytearray(buffer[start:end]),
            rtp_timestamp=timestamp,
            sync=True,
            lost_packets=self._lost,
            parameters=self._description,
            duration_ticks=ticks,
        )
        self._description = None
        self._lost = 0
        self.parts += 1
        self._emit(unit)
