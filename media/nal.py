"""NAL units: the types of H.264, and the two ways to string them together (ITU-T H.264 and H.265, Annex B)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from media.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterable

SLICE = 1
IDR_SLICE = 5
SEI = 6
SPS = 7
PPS = 8
AUD = 9
FOLLOWING = (10, 11, 12)
"""End of sequence, end of stream, filler data: these only ever follow a picture (ITU-T H.264 7.4.1.2.3)."""

TYPE_MASK = 0x1F
NRI_MASK = 0x60
FORBIDDEN_BIT = 0x80

START_CODE = b"\x00\x00\x01"
LENGTH_BYTES = 4

MOST_SMALL_NALS, SMALL_NAL_BYTES = 12, 32
"""In one packet, or in one NAL unit that hides others: that many, and one more for so many bytes."""

MOST_NALS = 4096
"""However large it is: 8 MiB of start codes would be two million, and keep every camera of the process waiting."""

MOST_SPROP = 64
"""Parameter sets in a description. Real ones have two or three."""


def nal_type(nal: bytes) -> int:
    """The nal_unit_type of a NAL unit of at least one byte."""
    return nal[0] & TYPE_MASK


def begins_with_start_code(buffer: bytes | bytearray | memoryview, start: int, end: int) -> bool:
    """Whether `buffer[start:end]` is a byte stream."""
    return bytes(buffer[start : min(start + 4, end)]).startswith((START_CODE, b"\x00" + START_CODE))


def split_annex_b(stream: bytes, most: int = -1) -> list[bytes]:
    """The NAL units between the start codes of a byte stream; what stands before the first start code is dropped.

    CodecError without a start code, and with more than `most`. Zero bytes before a start code belong to the byte stream
    (B.1.1: a NAL unit never ends with one); they are cut off after the search, because a search for all of them at once
    goes over the same zeros again and again: 16 KiB of them took 3.6 s.
    """
    first, *units = stream.split(START_CODE, most + 1 if most >= 0 else -1)
    if not units and first:
        raise CodecError(f"no start code in {len(stream)} bytes of a byte stream")
    if 0 <= most < len(units):
        raise CodecError(f"more than {most} start codes in {len(stream)} bytes of a byte stream")
    return [nal for unit in units if (nal := unit.rstrip(b"\x00"))]


def most_small_nals(size_bytes: int) -> int:
    """How many NAL units may come as one of so many bytes: more are no picture's, and cost more than it does."""
    return MOST_SMALL_NALS + min(size_bytes // SMALL_NAL_BYTES, MOST_NALS)


def split_sprop(text: str) -> list[bytes]:
    """The NAL units of a format parameter: in Base64, between commas. What is no Base64 is left out."""
    nals: list[bytes] = []
    for part in text.split(",", MOST_SPROP)[:MOST_SPROP]:
        try:
            decoded = base64.b64decode(part.strip().rstrip("=") + "==")
        except (binascii.Error, ValueError):
            continue
        # GW Security ends a set with a start code, others begin with one (quirk V5).
        nals += split_annex_b(START_CODE + decoded)
    return nals[:MOST_SPROP]


def split_length_prefixed(nals: bytes | bytearray | memoryview) -> list[bytes]:
    """The NAL units of an access unit as files hold it: each behind its 4-byte big-endian length."""
    units = []
    position, end = 0, len(nals)
    while position < end:
        start = position + LENGTH_BYTES
        position = start + int.from_bytes(nals[position:start], "big")
        if position > end:
            raise CodecError(f"a NAL unit reaches {position - end} bytes past the {end} bytes of its access unit")
        units.append(bytes(nals[start:position]))
    return units


def join_length_prefixed(nals: Iterable[bytes]) -> bytearray:
    """The inverse of `split_length_prefixed`."""
    joined = bytearray()
    for nal in nals:
        joined += len(nal).to_bytes(LENGTH_BYTES, "big")
        joined += nal
    return joined
