"""A real file's own frames as a reel, untouched: what `--file` loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import av

from media.errors import CodecError, ConfigError
from simulator.codecs import CODECS, codec_of_libav
from simulator.reel import Reel
from simulator.source import CodedFrame
from simulator.timetable import lap_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from pathlib import Path

    from media.access_unit import StreamParameters
    from simulator.codec import Codec
    from simulator.timetable import Lap

MAX_FILE_BYTES = 512 << 20
"""All frames are held in memory, so that reading a disk never delays one."""


class _Unit(NamedTuple):
    """One access unit of the file in decode order; times in ticks of the file."""

    pts: int
    duration: int
    units: list[bytes]


class _Film(NamedTuple):
    codec: Codec
    units: list[_Unit]
    time_base: Fraction
    parameters: StreamParameters | None


def read_reel(path: Path, *, marked: bool) -> Reel:
    """Read the video of a file, from its first sync sample on; ConfigError where there is none to play.

    Its NAL units stay as they are and where they are: parameter sets that the file keeps in its header are announced in
    the session description, not put into the stream. `marked` adds the oracle's mark to each access unit.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConfigError(f"simulator file {path}: larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        film = _read(path)
    except (av.FFmpegError, CodecError) as error:
        # FFmpeg's own numbers and its second mention of the file are left out.
        reason = error.strerror if isinstance(error, av.FFmpegError) else error
        raise ConfigError(f"simulator file {path}: not readable as video: {reason}") from error
    coded = [CodedFrame.from_units(film.codec, unit.units, marked=marked) for unit in film.units]
    first = next((index for index, frame in enumerate(coded) if frame.sync), None)
    if first is None or film.parameters is None:
        raise ConfigError(f"simulator file {path}: no sync sample, or no parameter sets to decode it with")
    lap = _lap(film.units[first:], film.time_base)
    return Reel(frames=tuple(coded[first:]), lap=lap, parameters=film.parameters)


def _read(path: Path) -> _Film:
    # An edit list would hide frames from us; the samples themselves are what is wanted.
    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        playable = (
            (stream, codec_of_libav(stream.codec_context.codec.canonical_name)) for stream in container.streams.video
        )
        video, codec = next((pair for pair in playable if pair[1] is not None), (None, None))
        if video is None or codec is None or video.time_base is None:
            raise CodecError(f"it has no video of {' or '.join(CODECS)}")
        header = codec.open_header(bytes(video.codec_context.extradata or b""))
        units = []
        for packet in container.demux(video):
            if packet.size == 0:
                continue  # PyAV marks the end of a stream with an empty packet
            if packet.pts is None:
                raise CodecError("its frames carry no presentation times (a raw stream? put it into an mp4 file)")
            units.append(_Unit(packet.pts, packet.duration or 0, header.split(bytes(packet))))
        in_band = units[0].units if units else []
        return _Film(codec, units, video.time_base, codec.parameters([*header.units, *in_band]))


def _lap(units: Sequence[_Unit], time_base: Fraction) -> Lap:
    """Decode times are not taken from the file, which may lack them."""
    present = [unit.pts for unit in units]
    last = max(units, key=lambda unit: unit.pts)
    length = last.pts - min(present)
    typical = max(1, length // max(1, len(units) - 1))
    return lap_of(present, length + (last.duration or typical), time_base)
