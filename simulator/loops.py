"""Generated footage encoded beforehand: what lets one process be hundreds of cameras at the asked bitrate.

A loop is drawn and encoded once and shared by all cameras that play it. It lies on the wall clock: its frames show the
second within the loop, and with the usual length of 10 s that is the last digit of the clock on the wall.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import CodecError
from media.h264_parameters import ParameterSets
from simulator.encoder import Encoder
from simulator.picture import HEIGHT, WIDTH, Picture
from simulator.reel import Reel
from simulator.source import CodedFrame
from simulator.timetable import steady_lap

if TYPE_CHECKING:
    from simulator.options import Kind

LOOPS = 4
"""How many there are: cameras next to each other look different, and their key frames do not coincide."""

_LEAST_SECONDS = 10
_SETTLING_SECONDS = 2


def loop_frames(kind: Kind) -> int:
    """The length of a loop: whole GOPs, 10 s or a little more."""
    gops = -(-_LEAST_SECONDS * kind.fps // kind.gop_frames)
    return gops * kind.gop_frames


def encode_loop(kind: Kind, index: int) -> Reel:
    """Draw and encode one loop. About 2 ms of a core per frame; the GIL is free most of that time."""
    length, gop = loop_frames(kind), kind.gop_frames
    picture = Picture(f"loop {index + 1} of {LOOPS}", lambda at_us: _loop_text(at_us, length * 1_000_000 // kind.fps))
    encoder = Encoder(width=WIDTH, height=HEIGHT, fps=kind.fps, bitrate_bps=kind.bitrate_bps)
    # Real cameras' key frames come at any time, not all in the same instant.
    offset = index * gop // LOOPS
    # The rate control spends its full buffer first: without some GOPs to settle, every lap would be 4 % too large.
    settling = -(-_SETTLING_SECONDS * kind.fps // gop) * gop
    units: list[list[bytes]] = [[]] * length
    for step in range(-settling, length):
        number = (offset + step) % length
        units[number] = encoder.encode(picture.render(number * 1_000_000 // kind.fps), sync=step % gop == 0)
    parameters = ParameterSets.from_nals(units[offset])
    if parameters is None:
        raise CodecError("libx264 put no parameter sets into a sync sample")
    frames = tuple(CodedFrame.from_nals(nals, marked=True) for nals in units)
    return Reel(frames=frames, lap=steady_lap(kind.fps, length), parameters=parameters)


def _loop_text(at_us: int, length_us: int) -> str:
    return f"second {at_us // 1_000_000}.{at_us // 1000 % 1000:03d} of {length_us // 1_000_000}"
