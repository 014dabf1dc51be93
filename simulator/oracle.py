"""The oracle: what lets a test recognise every frame it gets back, whatever happened in between.

Each access unit carries an SEI NAL unit (user_data_unregistered: ITU-T H.264 D.1.7, H.265 D.2.7) before its first
slice. What it holds is the same in every codec (`simulator.codec`):

    UUID of the oracle   16 bytes   tells it from other user data (x264 leaves some, too)
    camera               16 bytes   UUID made of the camera's name, so a restarted simulator is the same camera
    frame number          8 bytes   counted from 1970-01-01 at the camera's frame rate: rises across restarts
    sent                  8 bytes   microseconds UTC when it was written to the network, by the camera's clock
    CRC-32                4 bytes   over the access unit's other NAL units

The CRC covers each NAL unit with its length before it (4 bytes, big-endian): so it can be taken over the samples of an
MP4 file as they lie there, and a NAL unit split in two is noticed.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from collections.abc import Iterable

ORACLE = UUID("6f1c3f0e-5d0b-4b6e-9a7e-68756c746131")
"""Names the payload; its last bytes read `hulta1`."""

_MARK = struct.Struct(">16s16sQQI")
MARK_BYTES = _MARK.size
"""Of the fields above, without what a codec puts around them."""

H264_SEI, H265_SEI = b"\x06", b"\x4e\x01"
"""NAL unit headers: type 6 of H.264, type 39 (prefix SEI) of H.265."""

_USER_DATA = bytes((0x05, _MARK.size))  # payload type 5, user_data_unregistered; its size
_STARTS = tuple(header + _USER_DATA for header in (H264_SEI, H265_SEI))
_STOP_BIT = b"\x80"  # rbsp_trailing_bits
_EMULATION = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_EMULATED = re.compile(rb"\x00\x00\x03")


class OracleMark(NamedTuple):
    """What an access unit says about itself."""

    camera: UUID
    frame: int
    sent_us: int
    crc32: int


def camera_uuid(name: str) -> UUID:
    """The UUID that a simulated camera of this name has, today and after a restart."""
    return uuid5(ORACLE, name)


def pack_mark(camera: UUID, frame: int, sent_us: int, crc32: int) -> bytes:
    """The fields of a mark, MARK_BYTES long."""
    return _MARK.pack(ORACLE.bytes, camera.bytes, frame, sent_us, crc32)


def unpack_mark(content: bytes) -> OracleMark | None:
    """The inverse, from the beginning of these bytes; None if they are something else."""
    if len(content) < _MARK.size:
        return None
    oracle, camera, frame, sent_us, crc32 = _MARK.unpack_from(content)
    return OracleMark(UUID(bytes=camera), frame, sent_us, crc32) if oracle == ORACLE.bytes else None


def build_sei(camera: UUID, frame: int, sent_us: int, crc32: int, header: bytes = H264_SEI) -> bytes:
    """The SEI NAL unit, emulation prevention included (H.264 and H.265 7.4.1), without a start code."""
    mark = pack_mark(camera, frame, sent_us, crc32)
    return _EMULATION.sub(b"\x00\x00\x03", header + _USER_DATA + mark) + _STOP_BIT


def find_sei(nals: Iterable[bytes]) -> OracleMark | None:
    """The mark of an access unit given as its NAL units, or None where it carries none."""
    for nal in nals:
        mark = _read_mark(nal)
        if mark is not None:
            return mark
    return None


def checksum(nals: Iterable[bytes]) -> int:
    """The CRC-32 over an access unit's NAL units, the oracle's own left out."""
    return crc_of(nal for nal in nals if _read_mark(nal) is None)


def crc_of(units: Iterable[bytes]) -> int:
    """The CRC-32 over these units, each behind its length."""
    crc = 0
    for unit in units:
        crc = zlib.crc32(unit, zlib.crc32(len(unit).to_bytes(4, "big"), crc))
    return crc


def _read_mark(nal: bytes) -> OracleMark | None:
    if len(nal) <= _MARK.size or not nal.startswith(_STARTS):
        return None
    start = len(H264_SEI if nal.startswith(H264_SEI) else H265_SEI) + len(_USER_DATA)
    return unpack_mark(_EMULATED.sub(b"\x00\x00", bytes(nal))[start:])
