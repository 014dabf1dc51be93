"""A real file's own frames as a reel, untouched: what `--file` loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import av

from media.errors import CodecError, ConfigError
from media.h264_parameters import ParameterSets
from media.nal import split_annex_b
from simulator.reel import Reel
from simulator.source import CodedFrame
from simulator.timetable import lap_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from simulator.timetable import Lap

MAX_FILE_BYTES = 512 << 20
"""All frames are held in memory, so that reading a disk never delays one."""


class _Unit(NamedTuple):
    """One access unit of the file in decode order; times in ticks of the file."""

    pts: int
    duration: int
    nals: list[bytes]


def read_reel(path: Path, *, marked: bool) -> Reel:
    """Read the H.264 video of a file, from its first sync sample on; ConfigError where there is none to play.

    NAL units stay as they are and where they are: parameter sets that the file keeps in its header are announced in
    the session description, not put into the stream. `marked` adds the oracle's mark to each access unit.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConfigError(f"simulator file {path}: larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        units, time_base, parameters = _read(path)
    except (av.FFmpegError, CodecError) as error:
        # FFmpeg's own numbers and its second mention of the file are left out.
        reason = error.strerror if isinstance(error, av.FFmpegError) else error
        raise ConfigError(f"simulator file {path}: not readable as H.264 video: {reason}") from error
    coded = [CodedFrame.from_nals(unit.nals, marked=marked) for unit in units]
    first = next((index for index, frame in enumerate(coded) if frame.sync), None)
    if first is None or parameters is None:
        raise ConfigError(f"simulator file {path}: no sync sample, or no parameter sets to decode it with")
    return Reel(frames=tuple(coded[first:]), lap=_lap(units[first:], time_base), parameters=parameters)


def _read(path: Path) -> tuple[list[_Unit], Fraction, ParameterSets | None]:
    # An edit list would hide frames from us; the samples themselves are what is wanted.
    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        video = next((stream for stream in container.streams.video if stream.codec_context.name == "h264"), None)
        if video is None or video.time_base is None:
            raise CodecError("it has no H.264 video")
        header = bytes(video.codec_context.extradata or b"")
        length_bytes = (header[4] & 3) + 1 if header[:1] == b"\x01" else 0
        units = []
        for packet in container.demux(video):
            if packet.size == 0:
                continue  # PyAV marks the end of a stream with an empty packet
            if packet.pts is None:
                raise CodecError("its frames carry no presentation times (a raw stream? put it into an mp4 file)")
            units.append(_Unit(packet.pts, packet.duration or 0, _split(bytes(packet), length_bytes)))
        in_header = _header_nals(header) if length_bytes else []
        in_band = units[0].nals if units else []
        return units, video.time_base, ParameterSets.from_nals([*in_header, *in_band])


def _lap(units: Sequence[_Unit], time_base: Fraction) -> Lap:
    """Decode times are not taken from the file, which may lack them."""
    present = [unit.pts for unit in units]
    last = max(units, key=lambda unit: unit.pts)
    length = last.pts - min(present)
    typical = max(1, length // max(1, len(units) - 1))
    return lap_of(present, length + (last.duration or typical), time_base)


def _split(sample: bytes, length_bytes: int) -> list[bytes]:
    """NAL units behind lengths of 1 to 4 bytes (ISO 14496-15 5.3.3.1), or of a byte stream where there are none."""
    if not length_bytes:
        return split_annex_b(sample)
    nals = []
    position = 0
    while position < len(sample):
        start = position + length_bytes
        position = start + int.from_bytes(sample[position:start], "big")
        if position > len(sample):
            raise CodecError("a NAL unit reaches past the end of its sample")
        nals.append(sample[start:position])
    return nals


def _header_nals(record: bytes) -> list[bytes]:
    """The SPS and PPS of an AVCDecoderConfigurationRecord (ISO 14496-15 5.3.3.1)."""
    nals = []
    position = 5
    for count_mask in (0x1F, 0xFF):
        count = record[position] & count_mask
        position += 1
        for _ in range(count):
            start = position + 2
            position = start + int.from_bytes(record[position:start], "big")
            nals.append(record[start:position])
    return nals
