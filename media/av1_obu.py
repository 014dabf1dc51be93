"""AV1's open bitstream units (OBU): what kinds there are and how they are strung together (AV1 4.10.5, 5.3, 6.2).

An OBU is a header of one or two bytes, perhaps its size, and its content. RTP leaves the size out, because packets say
how long it is; files put it in (obu_has_size_field). In Python code a single OBU is `bytes` without its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterable

SEQUENCE_HEADER = 1
TEMPORAL_DELIMITER = 2
FRAME_HEADER = 3
TILE_GROUP = 4
METADATA = 5
FRAME = 6
TILE_LIST = 8
PADDING = 15

FORBIDDEN_BIT = 0x80
HAS_SIZE = 0x02

MOST_OBUS = 10_000
"""Of a temporal unit. One of 8 MiB could hold four million of 2 bytes, and cost forty times its size in memory."""

_MOST_LEB128_BYTES = 8
_MOST_SIZE = (1 << 32) - 1


def obu_type(header: int) -> int:
    """The obu_type in the first byte of an OBU."""
    return header >> 3 & 15


def obu_content(obu: bytes) -> bytes:
    """What an OBU without its size holds after its header."""
    return obu[1 + (obu[0] >> 2 & 1) :]


def leb128(value: int) -> bytes:
    """A size in as few bytes as it takes: 7 bits each, the lowest first (AV1 4.10.5)."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    return bytes((value & 0x7F | 0x80,)) + leb128(value >> 7)


def read_leb128(buffer: bytes | bytearray | memoryview, start: int, end: int) -> tuple[int, int]:
    """The size at `start` of `buffer[:end]`, and where it ends. CodecError where there is none."""
    if start < end and buffer[start] < 0x80:
        return buffer[start], start + 1
    value = 0
    for position in range(start, min(end, start + _MOST_LEB128_BYTES)):
        byte = buffer[position]
        value |= (byte & 0x7F) << 7 * (position - start)
        if byte < 0x80:
            if value > _MOST_SIZE:
                break
            return value, position + 1
    raise CodecError("a size (leb128) that does not end, or of more than 32 bits")


def split_obus(unit: bytes | bytearray | memoryview, *, most: int = MOST_OBUS) -> list[bytes]:
    """The OBUs of a temporal unit in the low-overhead format (AV1 5.2), each without its size.

    The last one may lack its size and takes the rest then, as the sample format of files allows. CodecError for more
    than `most`, and where sizes do not fit.
    """
    obus: list[bytes] = []
    position, end = 0, len(unit)
    while position < end:
        if len(obus) == most:
            raise CodecError(f"more than {most} OBUs in {end} bytes")
        header = unit[position]
        body = position + 1 + (header >> 2 & 1)
        if header & FORBIDDEN_BIT or body > end:
            raise CodecError(f"an OBU that starts with {header:#04x}, {end - position} bytes before its unit's end")
        if header & HAS_SIZE:
            size, content = read_leb128(unit, body, end)
        else:
            size, content = end - body, body
        if content + size > end:
            raise CodecError(f"an OBU reaches {content + size - end} bytes past the {end} bytes of its temporal unit")
        obus.append(bytes((header & ~HAS_SIZE, *unit[position + 1 : body])) + unit[content : content + size])
        position = content + size
    return obus


def join_obus(obus: Iterable[bytes]) -> bytearray:
    """OBUs as a file holds them: with their sizes, in as few bytes as these take."""
    joined = bytearray()
    for obu in obus:
        body = 1 + (obu[0] >> 2 & 1)
        joined.append(obu[0] | HAS_SIZE)
        joined += obu[1:body]
        joined += leb128(len(obu) - body)
        joined += obu[body:]
    return joined
