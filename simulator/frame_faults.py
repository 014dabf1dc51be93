"""What happens to access units before they are packets: they grow, or lose their parameter sets. Pure.

The checksum of the result is that of what is really sent: mark and log tell the truth about a frame with a fault, too.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache

from simulator.codecs import CODECS
from simulator.source import CodedFrame

_FILLER_BYTES = 1 << 16
_LEAST_FILLER_BYTES = 2


def flooded(frame: CodedFrame, factor: int) -> CodedFrame:
    """The access unit, grown to `factor` times its size by filler data; its own units stay what they are."""
    size = sum(len(payload) for payload in (*frame.before_mark, *frame.after_mark)) * (factor - 1)
    payloads, crc32 = [*frame.after_mark], frame.crc32
    while size >= _LEAST_FILLER_BYTES:
        unit, packets = _filler(frame.codec.name, min(size, _FILLER_BYTES))
        payloads += packets
        crc32 = zlib.crc32(unit, zlib.crc32(len(unit).to_bytes(4, "big"), crc32))
        size -= len(unit)
    return replace(frame, after_mark=tuple(payloads), crc32=crc32)


def without_parameter_sets(frame: CodedFrame) -> CodedFrame:
    """The access unit without its parameter sets."""
    units = units_of(frame)
    left = [unit for unit in units if not frame.codec.is_parameters(unit)]
    if len(left) == len(units):
        return frame
    return replace(CodedFrame.from_units(frame.codec, left, marked=frame.marked), sync=frame.sync)


def units_of(frame: CodedFrame) -> list[bytes]:
    """The units of an access unit, its mark left out."""
    return frame.codec.receive((*frame.before_mark, *frame.after_mark))


@lru_cache(maxsize=64)
def _filler(codec: str, size: int) -> tuple[bytes, tuple[bytes, ...]]:
    unit = CODECS[codec].filler(size)
    return unit, tuple(CODECS[codec].packetize([unit]))
