"""The mark in every access unit."""

from __future__ import annotations

import zlib
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from simulator.oracle import OracleMark, build_sei, camera_uuid, checksum, find_sei

SLICE = b"\x65\x88\x84\x00"
FOREIGN_SEI = bytes((6, 5, 20)) + bytes(range(20)) + b"\x80"


@given(st.uuids(), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_what_is_written_is_found(camera: UUID, frame: int, sent_us: int, crc32: int) -> None:
    """Whatever the numbers are, and with other NAL units around."""
    sei = build_sei(camera, frame, sent_us, crc32)
    assert find_sei([FOREIGN_SEI, sei, SLICE]) == OracleMark(camera, frame, sent_us, crc32)


@given(st.integers(0, 2**20), st.integers(0, 2**20))
def test_no_start_code_appears_inside(frame: int, sent_us: int) -> None:
    """Small numbers are full of zero bytes: emulation prevention keeps decoders on track (H.264 7.4.1)."""
    sei = build_sei(UUID(int=0), frame, sent_us, 0)
    assert not any(code in sei for code in (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02"))
    assert sei[-1] == 0x80


def test_an_access_unit_without_a_mark_has_none() -> None:
    """User data of an encoder is not taken for a mark, a torn mark neither."""
    torn = build_sei(camera_uuid("cam/0001"), 1, 2, 3)[:-8]
    assert find_sei([FOREIGN_SEI, SLICE, b"\x06", torn]) is None


def test_the_checksum_leaves_the_mark_out() -> None:
    """It is computed before the mark exists, and checked after."""
    sei = build_sei(camera_uuid("cam/0001"), 1, 2, 3)
    assert checksum([FOREIGN_SEI, sei, SLICE]) == checksum([FOREIGN_SEI, SLICE])
    assert checksum([SLICE]) == zlib.crc32(b"\x00\x00\x00\x04" + SLICE)


def test_the_checksum_sees_what_a_recorder_could_spoil() -> None:
    """A changed byte, another order, a NAL unit lost or cut in two."""
    one, two = b"\x41\x01\x02", b"\x41\x03\x04\x05"
    spoilt = [[two, one], [one], [one, two[:2], two[2:]], [one + two], [one, b"\x41\x03\x04\x06"]]
    assert checksum([one, two]) not in {checksum(units) for units in spoilt}


def test_a_camera_keeps_its_uuid_over_a_restart() -> None:
    """It comes from the name alone."""
    assert camera_uuid("cam/0001") == camera_uuid("cam/0001") == UUID("b5fbeaeb-e3f5-5b92-a1f0-799eca0db198")
    assert camera_uuid("cam/0001") != camera_uuid("cam/0002")
