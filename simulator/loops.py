"""Generated footage encoded beforehand: what lets one process be hundreds of cameras at the asked bitrate.

A loop is drawn and encoded once and shared by all cameras that play it. Its frames show the second within the loop;
where a loop lies on the wall clock (loop_phase_us), with the usual length of 10 s that is the last digit of the clock
on the wall.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from media.errors import CodecError
from simulator.codecs import find_codec
from simulator.encoder import Setting
from simulator.picture import HEIGHT, SMALL, WIDTH, Picture, corner
from simulator.reel import Reel
from simulator.source import CodedFrame
from simulator.timetable import lap_of

if TYPE_CHECKING:
    from simulator.encoder import Coded
    from simulator.options import Kind

LOOPS = 4
"""How many cameras share that are alike: those next to each other look different, key frames do not coincide."""

_LEAST_SECONDS = 10
_SETTLING_SECONDS = 1

_CLOSE = Fraction(1, 50)
_TRIES = 4
"""Rate control aims at the bitrate and may miss it by 3 or 4 %: then the loop is encoded again, aimed beside it."""


def loop_frames(kind: Kind) -> int:
    """The length of a loop: whole GOPs, 10 s or a little more."""
    gops = -(-_LEAST_SECONDS * kind.fps // kind.gop_frames)
    return gops * kind.gop_frames


def loop_phase_us(kind: Kind, index: int) -> int:
    """How late a loop begins on the wall clock. Real cameras' key frames come at any time, not all in one instant."""
    return _first(kind, index) * 1_000_000 // kind.fps


def encode_loop(kind: Kind, index: int = 0, seed: int = 0) -> Reel:
    """Draw and encode one loop. About 2 ms of a core per frame; the GIL is free most of that time."""
    aim_bps = kind.bitrate_bps
    for _ in range(_TRIES):
        units = _encode(kind, index, seed, aim_bps)
        missed = Fraction(_bitrate(kind, units), kind.bitrate_bps)
        if abs(missed - 1) <= _CLOSE:
            break
        aim_bps = int(aim_bps / missed)
    codec = find_codec(kind.codec)
    parameters = codec.parameters(units[0].units)
    if parameters is None:
        raise CodecError(f"the {kind.codec} encoder put no parameters into a sync sample")
    frames = tuple(CodedFrame.from_units(codec, unit.units, marked=True) for unit in units)
    lap = lap_of([unit.picture for unit in units], len(units), Fraction(1, kind.fps))
    return Reel(frames=frames, lap=lap, parameters=parameters)


def _encode(kind: Kind, index: int, seed: int, aim_bps: int) -> list[Coded]:
    """The access units of one lap in decode order, from a sync sample on."""
    length, gop, first = loop_frames(kind), kind.gop_frames, _first(kind, index)
    length_us = length * 1_000_000 // kind.fps
    picture = Picture(f"loop {index + 1} of {LOOPS}", lambda at_us: _loop_text(at_us, length_us), seed)
    width, height = SMALL if kind.small else (WIDTH, HEIGHT)
    encoder = find_codec(kind.codec).encoder(Setting(width, height, kind.fps, aim_bps, kind.b_frames))
    # The rate control spends its full buffer first: without some pictures to settle, every lap would be 4 % too large.
    settling = _SETTLING_SECONDS * kind.fps
    units: list[Coded] = []
    for step in range(-settling, length):
        at_us = (first + step) % length * 1_000_000 // kind.fps
        planes = corner(picture.render(at_us), width, height)
        units += encoder.submit(planes, sync=step % gop == 0 or step == -settling)
    units += encoder.finish()
    # GOPs are closed, so all that settles comes before all of the lap, in decode order too.
    return units[settling:]


def _bitrate(kind: Kind, units: list[Coded]) -> int:
    """Bits a second as they are sent, each access unit with its mark."""
    mark_bytes = find_codec(kind.codec).mark_bytes
    size_bytes = sum(len(part) for unit in units for part in unit.units) + mark_bytes * len(units)
    return size_bytes * 8 * kind.fps // len(units)


def _first(kind: Kind, index: int) -> int:
    """Where on the clock of its pictures a loop begins, in frames."""
    return index * kind.gop_frames // LOOPS


def _loop_text(at_us: int, length_us: int) -> str:
    return f"second {at_us // 1_000_000}.{at_us // 1000 % 1000:03d} of {length_us // 1_000_000}"
