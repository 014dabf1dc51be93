"""Sound for tests: frames of AAC and Opus as encoders make them, payloads, and a receiving end."""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import av
import numpy as np

from media import sdp
from media.aac import packetize_aac
from media.aac_config import AacConfig
from media.audio_codecs import choose_audio
from media.audio_description import AudioDescription
from media.commit import ZERO_CHAIN, Commit
from media.errors import CodecError
from media.fmp4_write import Sample, SegmentWriter
from media.moof import SOUND_TRACK_ID
from media.opus import opus_description
from tests.builders_segment import IDENTITY, START_US, TICKS, File, Unit, plain_track, plain_units, samples_of

if TYPE_CHECKING:
    from media.access_unit import AccessUnit
    from media.identity import SegmentIdentity
    from media.rtp import PayloadTaker
    from media.track import Track

AAC_LC_16K_MONO = "1408"
AAC = (
    "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\n"
    "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408"
)
OPUS = "m=audio 0 RTP/AVP 98\r\na=rtpmap:98 opus/48000/2\r\na=fmtp:98 sprop-stereo=0"
PCMU, PCMA = "m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 8"


def offer(*sections: str) -> tuple[sdp.MediaDescription, ...]:
    """The media of a session description with these sections."""
    return sdp.parse("v=0\r\n" + "".join(f"{section}\r\n" for section in sections)).media


def au(*frames: bytes, size: int | None = None, index: int = 0) -> bytes:
    """A payload of RFC 3640: headers, then the AUs. `size` is what the header of each says instead of the truth."""
    headers = b"".join(struct.pack(">H", (len(each) if size is None else size) << 3 | index) for each in frames)
    return struct.pack(">H", 8 * len(headers)) + headers + b"".join(frames)


class Hearer:
    """What takes the sound of a description, with what came out of it."""

    def __init__(self, section: str) -> None:
        self.units: list[AccessUnit] = []
        self.errors: list[str] = []
        chosen = choose_audio(offer(section), self.units.append)
        assert chosen is not None
        self.taker: PayloadTaker = chosen[1]

    def push(self, payload: bytes, timestamp: int = 0, *, marker: bool = True, lost: int = 0) -> None:
        """One payload, amid bytes that are none of its business."""
        buffer = bytearray(b"before" + payload + b"after")
        try:
            self.taker.push(buffer, 6, 6 + len(payload), timestamp, marker, lost)
        except CodecError as error:
            self.errors.append(str(error))

    @property
    def frames(self) -> list[bytes]:
        """The bytes of each unit."""
        return [bytes(unit.nals) for unit in self.units]

    @property
    def times(self) -> list[int]:
        """The RTP timestamp of each unit."""
        return [unit.rtp_timestamp for unit in self.units]

    @property
    def losses(self) -> list[int]:
        """The lost packets of each unit."""
        return [unit.lost_packets for unit in self.units]


def tone(seconds: float, rate: int, *, hertz: int = 440, channels: int = 1) -> np.ndarray:
    """A sine, 16 bits, of shape (samples, channels)."""
    wave = (8000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)
    return np.repeat(wave[:, None], channels, axis=1)


@cache
def encoded(codec: str, *, rate: int = 16_000, channels: int = 1, seconds: float = 1.0) -> tuple[list[bytes], bytes]:
    """Frames of a tone by one of FFmpeg's encoders ("aac", "libopus"), and its extradata."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = rate, "mono" if channels == 1 else "stereo"
    context.format = "fltp" if codec == "aac" else "s16"
    context.open()
    resampler = av.AudioResampler(context.format, context.layout, rate, frame_size=context.frame_size)
    pcm = av.AudioFrame.from_ndarray(
        tone(seconds, rate, channels=channels).reshape(1, -1), "s16", "mono" if channels == 1 else "stereo"
    )
    pcm.sample_rate = rate
    frames = [*resampler.resample(pcm), *resampler.resample(None)]
    packets = [packet for frame in [*frames, None] for packet in context.encode(frame)]
    return [bytes(packet) for packet in packets], context.extradata or b""


def packetized(codec: str, frame: bytes) -> bytes:
    """The payload of one frame."""
    return packetize_aac([frame])[0] if codec == "aac" else frame


def sound_track(codec: str = "aac", *, rate: int = 16_000, extradata: bytes = b"\x14\x08") -> Track:
    """A track of "aac", "libopus", "pcm_mulaw" or "pcm_alaw"."""
    match codec:
        case "aac":
            return AacConfig.parse(extradata).description.track()
        case "libopus":
            return opus_description(1).track()
    entry = codec.removeprefix("pcm_m").removeprefix("pcm_")
    return AudioDescription(entry=entry.encode(), codec=entry, rate=rate, channels=1).track()


def write_with_sound(  # noqa: PLR0917 - what is in it, each thing of its own type
    track: Track,
    fragments: list[list[Unit]],
    sound: Track,
    frames: list[list[bytes]],
    frame_ticks: int,
    identity: SegmentIdentity = IDENTITY,
) -> File:
    """A file in which `frames[n]` follow fragment n of pictures, from the first picture's instant on."""
    writer = SegmentWriter(identity, track, 5, ZERO_CHAIN, sound)
    written: list[bytes] = []
    commits: list[Commit] = []
    ends = [min(unit.pts_ticks for unit in later) for later in fragments[1:]]
    ends.append(max(unit.pts_ticks for unit in fragments[-1]) + TICKS)
    heard = 0
    for units, end_ticks, payload in zip(fragments, ends, frames, strict=True):
        start_ticks = min(unit.pts_ticks for unit in units)
        parts = [
            writer.fragment(
                payload=[unit.nals for unit in units],
                samples=samples_of(units, end_ticks),
                media_ticks=start_ticks,
                duration_ticks=end_ticks - start_ticks,
                wall_us=START_US + start_ticks * 100 // 9,
                end_wall_us=START_US + end_ticks * 100 // 9,
                lost_packets=0,
                clock_quality=0,
            )
        ]
        if payload:
            sound_ticks = frame_ticks * len(payload)
            parts.append(
                writer.fragment(
                    payload=payload,
                    samples=[Sample(len(frame), frame_ticks, 0, True) for frame in payload],
                    media_ticks=heard,
                    duration_ticks=sound_ticks,
                    wall_us=START_US + heard * 1_000_000 // sound.timescale,
                    end_wall_us=START_US + (heard + sound_ticks) * 1_000_000 // sound.timescale,
                    lost_packets=1,
                    clock_quality=0,
                    track=SOUND_TRACK_ID,
                )
            )
            heard += sound_ticks
        for buffers, commit in parts:
            written.append(b"".join(buffers[:-1]))
            commits.append(commit)
    closing = b"".join(writer.seal(START_US + ends[-1] * 100 // 9))
    return File(init=writer.init, fragments=written, commits=commits, closing=closing)


def plain_sound(identity: SegmentIdentity = IDENTITY) -> File:
    """Four fragments of pictures, two of sound behind the first and the third; none of it is media."""
    frames = [[b"a" * 30, b"b" * 20], [], [b"c" * 10], []]
    return write_with_sound(plain_track(), plain_units(), sound_track(), frames, 1024, identity)
