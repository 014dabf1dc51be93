"""The sound of simulated cameras: coded beforehand, repeated for ever, and known frame by frame by its bytes.

Noise, and a beep at each full second of the camera's clock. A lap is LAP_US long and lies on the clock like a reel of
pictures: a frame's number counts from 1970, so a restarted simulator goes on with higher ones. No two frames of a lap
have the same bytes. So whatever comes back is recognised by its CRC-32, and which lap it is of by when it was heard:
coded sound has no room for a mark like that of pictures (`simulator.oracle`).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from media.aac import packetize_aac
from media.errors import CodecError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LAP_US = 8_000_000
"""A whole number of frames of every codec, and of seconds."""

_BEEP_HZ, _BEEP_MS = 1000, 40
_NOISE, _LOUD = 1500, 12_000
_SETTLING = 4
"""Frames before the lap that an encoder gets to settle: the first ones of each are special."""

_AAC_FMTP = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config="


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codec:
    """What differs from codec to codec."""

    libav: str
    payload_type: int
    rtpmap: str
    rate: int
    frame_ticks: int


_CODECS = {
    "aac": _Codec(libav="aac", payload_type=97, rtpmap="MPEG4-GENERIC/16000/1", rate=16_000, frame_ticks=1024),
    "opus": _Codec(libav="libopus", payload_type=98, rtpmap="opus/48000/2", rate=48_000, frame_ticks=960),
    "pcma": _Codec(libav="pcm_alaw", payload_type=8, rtpmap="PCMA/8000", rate=8_000, frame_ticks=160),
    "pcmu": _Codec(libav="pcm_mulaw", payload_type=0, rtpmap="PCMU/8000", rate=8_000, frame_ticks=160),
}

SOUNDS = tuple(_CODECS)
"""What `--audio` takes."""


def check_sound(name: str) -> str:
    """The name, if there is such a sound or it is empty. ConfigError for another one."""
    if name and name not in _CODECS:
        raise ConfigError(f"audio {name!r}: simulated cameras have {', '.join(SOUNDS)}")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundReel:
    """One lap, shared by all cameras of one codec. A frame is sent when it has been heard to its end."""

    payload_type: int
    rtpmap: str
    fmtp: str
    rate: int
    """Of the RTP clock."""
    frame_ticks: int
    frames: tuple[bytes, ...]
    """As they are stored."""
    payloads: tuple[bytes, ...]
    """As they are sent: each fits a packet."""
    crcs: tuple[int, ...]

    @property
    def frame_us(self) -> int:
        """How long a frame lasts."""
        return self.frame_ticks * 1_000_000 // self.rate

    def first_from(self, own_us: int) -> int:
        """The first frame that is sent at or after a time of the camera's clock."""
        return -(-own_us // self.frame_us) - 1

    def due_us(self, number: int) -> int:
        """When a frame is sent, by the camera's clock."""
        return (number + 1) * self.frame_us

    def payload(self, number: int) -> bytes:
        """What is sent of it."""
        return self.payloads[number % len(self.payloads)]

    def crc32(self, number: int) -> int:
        """Of its bytes as they are stored."""
        return self.crcs[number % len(self.crcs)]


def make_sound(name: str) -> SoundReel:
    """Code one lap: a tenth of a second of a core."""
    codec = _CODECS[name]
    frames, extradata = _encode(codec)
    payloads = tuple(packetize_aac([frame])[0] for frame in frames) if name == "aac" else tuple(frames)
    crcs = tuple(zlib.crc32(frame) for frame in frames)
    if len(set(crcs)) != len(crcs):
        raise CodecError(f"two frames of {name} are alike")
    fmtp = {"aac": _AAC_FMTP + extradata.hex(), "opus": "sprop-stereo=0"}.get(name, "")
    return SoundReel(
        payload_type=codec.payload_type,
        rtpmap=codec.rtpmap,
        fmtp=fmtp,
        rate=codec.rate,
        frame_ticks=codec.frame_ticks,
        frames=tuple(frames),
        payloads=payloads,
        crcs=crcs,
    )


def _encode(codec: _Codec) -> tuple[list[bytes], bytes]:
    """The frames of a lap, and what a decoder must know."""
    count = LAP_US * codec.rate // 1_000_000 // codec.frame_ticks
    context = av.CodecContext.create(codec.libav, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = codec.rate, "mono"
    context.format = "fltp" if codec.libav == "aac" else "s16"
    context.time_base = Fraction(1, codec.rate)
    context.open()
    wave = _wave(codec.rate)
    whole = np.concatenate([wave[-_SETTLING * codec.frame_ticks :], wave])
    packets = [packet for frame in _cut(whole, codec, context.format.name) for packet in context.encode(frame)]
    coded = [bytes(packet) for packet in [*packets, *context.encode(None)]]
    return coded[_SETTLING : _SETTLING + count], context.extradata or b""


def _cut(wave: NDArray[np.int16], codec: _Codec, sample_format: str) -> Sequence[av.AudioFrame]:
    frames = []
    for start in range(0, len(wave), codec.frame_ticks):
        samples = wave[start : start + codec.frame_ticks][None, :]
        if sample_format == "fltp":
            frame = av.AudioFrame.from_ndarray((samples / 32_768).astype(np.float32), sample_format, "mono")
        else:
            frame = av.AudioFrame.from_ndarray(samples, sample_format, "mono")
        frame.sample_rate, frame.pts = codec.rate, start
        frames.append(frame)
    return frames


def _wave(rate: int) -> NDArray[np.int16]:
    """A lap of noise with its beeps; the same each time."""
    length = LAP_US * rate // 1_000_000
    noise = np.random.default_rng(rate).integers(-_NOISE, _NOISE, length)
    beep = np.arange(_BEEP_MS * rate // 1000)
    for second in range(LAP_US // 1_000_000):
        noise[second * rate : second * rate + len(beep)] += (_LOUD * np.sin(2 * np.pi * _BEEP_HZ * beep / rate)).astype(
            noise.dtype
        )
    return noise.astype(np.int16)
