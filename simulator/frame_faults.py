"""What happens to access units before they are packets: they grow, or lose their parameter sets. Pure.

The checksum of the result is that of what is really sent: mark and log tell the truth about a frame with a fault, too.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from media.h264 import H264Depacketizer, packetize, split_length_prefixed
from media.h264_packetize import STAP_A
from media.nal import PPS, SPS, nal_type
from simulator.source import CodedFrame

if TYPE_CHECKING:
    from media.access_unit import AccessUnit

FILLER = 12
"""Filler data (H.264 7.3.2.7): bytes that mean nothing. It stands behind the slices (7.4.1.2.3)."""

_FILLER_NAL_BYTES = 1 << 16
_MAY_HOLD_PARAMETERS = {SPS, PPS, STAP_A}


def flooded(frame: CodedFrame, factor: int) -> CodedFrame:
    """The access unit, grown to `factor` times its size by filler data; its own NAL units stay what they are."""
    size = sum(len(payload) for payload in (*frame.before_mark, *frame.after_mark)) * (factor - 1)
    payloads, crc32 = [*frame.after_mark], frame.crc32
    while size > 1:
        nal, packets = _filler(min(size, _FILLER_NAL_BYTES))
        payloads += packets
        crc32 = zlib.crc32(nal, zlib.crc32(len(nal).to_bytes(4, "big"), crc32))
        size -= len(nal)
    return replace(frame, after_mark=tuple(payloads), crc32=crc32)


def without_parameter_sets(frame: CodedFrame) -> CodedFrame:
    """The access unit without its sequence and picture parameter sets."""
    payloads = (*frame.before_mark, *frame.after_mark)
    if not any(nal_type(payload) in _MAY_HOLD_PARAMETERS for payload in payloads):
        return frame
    left = [nal for nal in nals_of(frame) if nal_type(nal) not in {SPS, PPS}]
    return CodedFrame.from_nals(left, marked=frame.marked)


def nals_of(frame: CodedFrame) -> list[bytes]:
    """The NAL units of an access unit, its mark left out."""
    units: list[AccessUnit] = []
    depacketizer = H264Depacketizer(units.append)
    payloads = (*frame.before_mark, *frame.after_mark)
    for index, payload in enumerate(payloads, 1):
        depacketizer.push(payload, 0, len(payload), 0, index == len(payloads), 0)
    return [nal for unit in units for nal in split_length_prefixed(unit.nals)]


@lru_cache(maxsize=64)
def _filler(size: int) -> tuple[bytes, tuple[bytes, ...]]:
    nal = bytes((FILLER,)) + b"\xff" * (size - 2) + b"\x80"  # ff_byte ... rbsp_trailing_bits
    return nal, tuple(packetize([nal]))
