"""Boxes of ISO BMFF (ISO/IEC 14496-12 §4.2), and the checked `uuid` boxes that Hulta adds to a file.

A box is a 4-byte size (its own header included), a 4-byte type and content; all numbers are big-endian.
A checked box is a `uuid` box that can be believed on its own, wherever it is found:

    0 size  4 'uuid'  8 usertype (16)  24 version (1)  25 content ...  size-4 CRC-32 (zlib) of all bytes before it

Size, usertype, version and CRC stay in place in every version, so that a box of a newer version is told from a
damaged one: the first is refused with a message, the second is damage to recover from.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from media.errors import Mp4Error

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = Struct(">I4s")
_LARGE = Struct(">Q")
_U32 = Struct(">I")

CHECKED_MARK = b"uuid" + bytes.fromhex("891a1d9b39804a00b231 4709")
"""What every checked box has at its byte 4: one search finds all of them."""

COMMIT_USERTYPE = CHECKED_MARK[4:] + b"cmit"
SAMPLES_USERTYPE = CHECKED_MARK[4:] + b"smpl"
SEAL_USERTYPE = CHECKED_MARK[4:] + b"seal"

CHECKED_VERSION_AT = 24
_CHECKED_LEAST_BYTES = 29


class BoxHeader(NamedTuple):
    """The start of a box: its type, and how long its header and the whole of it are."""

    kind: bytes
    header_bytes: int
    size_bytes: int


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of this type around the content."""
    return b"".join((_HEADER.pack(8 + sum(map(len, content)), kind), *content))


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """A box whose content begins with a version and 24 bits of flags."""
    return box(kind, _U32.pack(version << 24 | flags), *content)


def parse_header(buffer: bytes, offset: int = 0) -> BoxHeader:
    """The header of the box at `offset`; Mp4Error when there is none. "Until the end of the file" is not accepted."""
    if len(buffer) < offset + 8:
        raise Mp4Error(f"no room for a box header at byte {offset}")
    size, kind = _HEADER.unpack_from(buffer, offset)
    header_bytes = 8
    if size == 1:
        if len(buffer) < offset + 16:
            raise Mp4Error(f"no room for a 64-bit box header at byte {offset}")
        (size,) = _LARGE.unpack_from(buffer, offset + 8)
        header_bytes = 16
    if size < header_bytes:
        raise Mp4Error(f"box {kind!r} at byte {offset} claims a size of {size} bytes")
    return BoxHeader(kind, header_bytes, size)


def children(buffer: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box in `buffer`, which they must fill exactly."""
    offset = 0
    while offset < len(buffer):
        header = parse_header(buffer, offset)
        end = offset + header.size_bytes
        if end > len(buffer):
            raise Mp4Error(f"box {header.kind!r} reaches {end - len(buffer)} bytes past its parent")
        yield header.kind, buffer[offset + header.header_bytes : end]
        offset = end


def child(buffer: bytes, *path: bytes) -> bytes:
    """The content of the first box of each type on the way down `path`."""
    for kind in path:
        found = next((content for name, content in children(buffer) if name == kind), None)
        if found is None:
            raise Mp4Error(f"no {kind.decode('latin-1')!r} box where one must be")
        buffer = found
    return buffer


def checked_box(usertype: bytes, version: int, content: bytes) -> bytes:
    """A checked box around the content."""
    return with_checksum(
        _HEADER.pack(len(content) + _CHECKED_LEAST_BYTES, b"uuid") + usertype + bytes([version]) + content
    )


def with_checksum(unfinished: bytes) -> bytes:
    """A checked box from all of its bytes but the CRC."""
    return unfinished + _U32.pack(crc32(unfinished))


def is_intact(candidate: bytes, usertype: bytes) -> bool:
    """Whether these bytes are exactly one undamaged checked box of this usertype, of whatever version."""
    return (
        len(candidate) >= _CHECKED_LEAST_BYTES
        and candidate[4:24] == b"uuid" + usertype
        and _U32.unpack_from(candidate)[0] == len(candidate)
        and _U32.unpack_from(candidate, len(candidate) - 4)[0] == crc32(memoryview(candidate)[:-4])
    )


def require_intact(candidate: bytes, usertype: bytes, version: int) -> None:
    """Mp4Error unless these bytes are one undamaged checked box of this usertype and version."""
    name = usertype[-4:].decode("latin-1")
    if not is_intact(candidate, usertype):
        raise Mp4Error(f"not an intact {name!r} box")
    found = candidate[CHECKED_VERSION_AT]
    if found > version:
        hint = "read it with the version of Hulta that wrote it, or a later one"
        raise Mp4Error(f"{name!r} box of version {found}; this Hulta knows versions up to {version}", hint=hint)
    if found < 1:
        raise Mp4Error(f"{name!r} box of version 0, which no Hulta ever wrote")
