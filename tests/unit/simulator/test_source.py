"""Access units, packetized once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.h264 import H264Depacketizer
from media.nal import split_length_prefixed
from simulator.codec_h264 import H264
from simulator.oracle import camera_uuid, checksum, find_sei
from simulator.source import CodedFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.access_unit import AccessUnit

SPS, PPS, SEI = b"\x67\x42\xc0\x1e\xd9", b"\x68\xce\x3c\x80", b"\x06\x05\x01\x00\x80"
IDR, SLICE = b"\x65" + bytes(range(1, 255)) * 20, b"\x41" + bytes(range(1, 200))
CAMERA = camera_uuid("cam/0001")


def _received(payloads: Sequence[bytes]) -> list[bytes]:
    """What a reader makes of the payloads."""
    units: list[AccessUnit] = []
    depacketizer = H264Depacketizer(units.append)
    for payload in payloads:
        depacketizer.push(payload, 0, len(payload), 3600, payload is payloads[-1], 0)
    (unit,) = units
    return split_length_prefixed(unit.nals)


def test_the_mark_stands_before_the_first_slice() -> None:
    """Parameter sets and other SEI stay in front of it, slices behind it."""
    frame = CodedFrame.from_units(H264(), [SPS, PPS, SEI, IDR, IDR], marked=True)
    sps, pps, sei, mark, *slices = _received(frame.payloads(CAMERA, 7, 8))
    assert ([sps, pps, sei], slices) == ([SPS, PPS, SEI], [IDR, IDR])
    assert find_sei([mark]) == (CAMERA, 7, 8, checksum([SPS, PPS, SEI, IDR, IDR]))
    assert frame.sync


def test_a_frame_that_is_not_marked_is_untouched() -> None:
    """What comes out of a file goes out as it is."""
    frame = CodedFrame.from_units(H264(), [SPS, PPS, SEI, IDR], marked=False)
    assert _received(frame.payloads(CAMERA, 7, 8)) == [SPS, PPS, SEI, IDR]


def test_a_picture_without_idr_is_no_sync_sample() -> None:
    """A session may not start there."""
    assert not CodedFrame.from_units(H264(), [SLICE], marked=True).sync


def test_cameras_share_everything_but_the_mark() -> None:
    """The payloads of 220 cameras are the same objects in memory."""
    frame = CodedFrame.from_units(H264(), [IDR], marked=True)
    one, two = (frame.payloads(camera_uuid(name), 7, 8) for name in ("cam/0001", "cam/0002"))
    assert one[0] != two[0]
    assert all(mine is yours for mine, yours in zip(one[1:], two[1:], strict=True))
