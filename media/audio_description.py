"""What a file says about sound: the sample entry of an audio track, and the description that a depacketizer announces.

The bytes of a frame are stored as the camera sent them, so the entry says what they are: `mp4a` with the camera's own
AudioSpecificConfig, `Opus` with a `dOps`, `ulaw` and `alaw` as QuickTime names them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from media.boxes import box, parse_header
from media.errors import CodecError, Mp4Error
from media.track import Track

_ENTRY = struct.Struct(">6xH8xHHHHI")  # AudioSampleEntry, ISO/IEC 14496-12 §12.2.3
_BITS = 16
_MOST_RATE_IN_ENTRY = 0xFFFF  # its 16.16 bits; players take the rate from the decoder's configuration then


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDescription:
    """One kind of sound: enough to describe its track for a file. The codec is RFC 6381's name for it."""

    entry: bytes
    """Type of the sample entry: "mp4a"."""
    codec: str
    rate: int
    """Samples a second of one channel."""
    channels: int
    boxes: bytes = b""
    """What follows the fixed part of the entry."""

    def track(self, timescale: int = 0) -> Track:
        """The track of this sound, timed in ticks of its RTP clock; of its sampling rate where none is given."""
        return Track(
            kind="audio",
            timescale=timescale or self.rate,
            codec=self.codec,
            width=0,
            height=0,
            sample_entry=self._sample_entry(),
        )

    def _sample_entry(self) -> bytes:
        rate = self.rate if self.rate <= _MOST_RATE_IN_ENTRY else 0
        return box(self.entry, _ENTRY.pack(1, self.channels, _BITS, 0, 0, rate << 16), self.boxes)


PLAYED_EVERYWHERE = frozenset({b"mp4a", b"Opus"})
"""Sample entries that every player takes in an mp4. G.711 is none of them: browsers refuse a file that has it."""

PLAIN_ENTRY_BYTES = 8 + _ENTRY.size
"""Of an entry without a box inside, as G.711 has it."""

_CODECS = {b"mp4a": "mp4a.40.2", b"Opus": "opus", b"ulaw": "ulaw", b"alaw": "alaw"}


def describe_audio_entry(entry: bytes) -> str:
    """The codec (RFC 6381) of an audio sample entry; Mp4Error unless these bytes are one that is written here."""
    header = parse_header(entry)
    if header.size_bytes != len(entry) or len(entry) < 8 + _ENTRY.size or header.kind not in _CODECS:
        raise Mp4Error(f"sample entry {header.kind!r} of {header.size_bytes} bytes; one of sound is expected")
    return _CODECS[header.kind]


def require_channels(stated: int, most: int) -> int:
    """The channels of an rtpmap, one where it states none (RFC 4566 §6); CodecError beyond what can be described."""
    if stated > most:
        raise CodecError(f"{stated} channels of sound; {most} at most")
    return stated or 1
