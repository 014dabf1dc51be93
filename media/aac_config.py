"""AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1): what an AAC decoder must know, and the `esds` box around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from media.audio_description import AudioDescription
from media.boxes import full_box
from media.errors import CodecError

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_RATE_WRITTEN_OUT = 15
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)  # by channelConfiguration
_LOW_COMPLEXITY = 2
_REFUSED = {5: "HE-AAC (SBR)", 29: "HE-AAC v2 (parametric stereo)"}
_MOST_CONFIG_BYTES = 64
"""Of an AudioSpecificConfig: with all that an encoder may add it takes some 10."""

_ES, _DECODER_CONFIG, _DECODER_SPECIFIC, _SL_CONFIG = 3, 4, 5, 6  # tags, ISO/IEC 14496-1 §7.2.2.1
_MPEG4_AUDIO = 0x40
_AUDIO_STREAM = 0x15  # stream type 5, not upstream, and the reserved bit


@dataclass(frozen=True, slots=True, kw_only=True)
class AacConfig:
    """AAC-LC as a camera describes it; `content` is its AudioSpecificConfig, stored as it is."""

    content: bytes
    rate: int
    channels: int
    frame_samples: int
    """Of one frame and channel: 1024, or 960."""

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """CodecError for what cannot be recorded, by its name."""
        if len(content) > _MOST_CONFIG_BYTES:
            raise CodecError(f"an AudioSpecificConfig of {len(content)} bytes, more than {_MOST_CONFIG_BYTES}")
        bits = _Bits(content)
        kind = bits.take(5)
        if kind == 31:
            kind = 32 + bits.take(6)
        index = bits.take(4)
        rate = bits.take(24) if index == _RATE_WRITTEN_OUT else _rate(index)
        layout = bits.take(4)
        if kind != _LOW_COMPLEXITY:
            raise CodecError(f"{_REFUSED.get(kind, f'AAC of object type {kind}')} is not supported, only AAC-LC")
        if layout == 0:
            raise CodecError("AAC whose channels a program config element describes is not supported")
        if layout >= len(_CHANNELS) or rate == 0:
            raise CodecError(f"an AudioSpecificConfig with channel configuration {layout} and {rate} Hz")
        frame_samples = 960 if bits.take(1) else 1024
        return cls(content=content, rate=rate, channels=_CHANNELS[layout], frame_samples=frame_samples)

    @property
    def description(self) -> AudioDescription:
        """What a file says about it."""
        return AudioDescription(
            entry=b"mp4a", codec="mp4a.40.2", rate=self.rate, channels=self.channels, boxes=self._esds()
        )

    def _esds(self) -> bytes:
        # Buffer, largest and mean bitrate are 0, not known: the standard allows it for the mean, players for all.
        specific = _descriptor(_DECODER_SPECIFIC, self.content)
        decoder = _descriptor(_DECODER_CONFIG, bytes((_MPEG4_AUDIO, _AUDIO_STREAM)) + bytes(11) + specific)
        return full_box(b"esds", 0, 0, _descriptor(_ES, bytes(3) + decoder + _descriptor(_SL_CONFIG, b"\x02")))


def _rate(index: int) -> int:
    if index >= len(_RATES):
        raise CodecError(f"an AudioSpecificConfig with the reserved sampling rate {index}")
    return _RATES[index]


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content  # all are shorter than 128 bytes


class _Bits:
    """Takes bits from the left; CodecError past the end."""

    def __init__(self, content: bytes) -> None:
        self._number = int.from_bytes(content, "big")
        self._left = 8 * len(content)

    def take(self, count: int) -> int:
        if count > self._left:
            raise CodecError("an AudioSpecificConfig is cut short")
        self._left -= count
        return self._number >> self._left & (1 << count) - 1
