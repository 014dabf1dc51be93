"""OBUs, temporal units and a receiving end for tests of AV1."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from media.av1 import Av1Depacketizer, packetize, split_obus
from media.av1_obu import TEMPORAL_DELIMITER, leb128, obu_type
from media.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.access_unit import AccessUnit

# 640x368, Main profile, level 2.0, from SVT-AV1; and 1280x720, level 3.1, from libaom.
SEQUENCE = bytes.fromhex("080000000cc4ff6f12be4010")
OTHER_SEQUENCE = bytes.fromhex("080000002d4cffb3cdaf9004")
METADATA = b"\x28\x04" + b"what a camera knows"
PADDING = b"\x78" + bytes(9)
DELIMITER = b"\x10"
TILES = b"\x20" + bytes(range(20))
# OBUs of type 6 and 3. Their first bits: show_existing_frame, frame_type (0 is a key frame), show_frame.
KEY = b"\x30\x10" + bytes(range(1, 200))
HIDDEN_KEY = b"\x30\x00" + bytes(range(1, 200))
INTER = b"\x30\x30" + bytes(range(1, 100))
OTHER_INTER = b"\x30\x32" + bytes(range(1, 90))
KEY_HEADER = b"\x18\x10" + bytes(range(1, 30))
INTER_HEADER = b"\x18\x30" + bytes(range(1, 20))


def layered(obu: bytes, extension: int = 0x28) -> bytes:
    """The same OBU with an extension header (AV1 5.3.3)."""
    return bytes((obu[0] | 0x04, extension)) + obu[1:]


def payload(*elements: bytes, first: bool = False, more: bool = False, counted: bool = True) -> bytes:
    """A payload: `first` goes on with an OBU from before, the last element has `more` to come."""
    flags = first << 7 | more << 6
    if counted:
        assert 1 <= len(elements) <= 3
        *others, last = elements
        return bytes((flags | len(elements) << 4,)) + b"".join(map(_with_length, others)) + last
    return bytes((flags,)) + b"".join(map(_with_length, elements))


def _with_length(element: bytes) -> bytes:
    return leb128(len(element)) + element


def fragments(obu: bytes, count: int) -> list[bytes]:
    """An OBU in `count` payloads, the last perhaps shorter."""
    step = -(-len(obu) // count)
    payloads = packetize([obu], step + 1)
    assert len(payloads) == count
    return payloads


class Receiver:
    """A depacketizer with what came out of it."""

    def __init__(self, *, max_unit_bytes: int = 8 << 20) -> None:
        self.units: list[AccessUnit] = []
        self.errors: list[str] = []
        self.depacketizer = Av1Depacketizer(self.units.append, max_unit_bytes=max_unit_bytes)

    def push(self, content: bytes, timestamp: int = 0, *, marker: bool = False, lost: int = 0) -> None:
        """One payload, amid bytes that are none of its business."""
        buffer = bytearray(b"\xd0\x30before" + content + b"\xd0\x30after")
        try:
            self.depacketizer.push(buffer, 8, 8 + len(content), timestamp, marker, lost)
        except CodecError as error:
            self.errors.append(str(error))

    def push_unit(self, obus: Sequence[bytes], timestamp: int, max_payload_bytes: int = 1400) -> None:
        """A whole temporal unit, the marker on its last packet."""
        payloads = packetize(obus, max_payload_bytes)
        for content in payloads:
            self.push(content, timestamp, marker=content is payloads[-1])

    @property
    def obus(self) -> list[list[bytes]]:
        """The OBUs of each unit."""
        return [split_obus(unit.nals) for unit in self.units]

    @property
    def lost(self) -> list[int]:
        """The damage of each unit."""
        return [unit.lost_packets for unit in self.units]


def encode(
    size: str = "320x192", *, frames: int = 10, gop: int = 5, pixel_format: str = "yuv420p", options: Sequence[str] = ()
) -> list[list[bytes]]:
    """The temporal units of a test picture as libaom encodes it: frame headers with two tile groups each."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25", "-frames:v", str(frames)]
    command += ["-pix_fmt", pixel_format, *options, "-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8"]
    command += ["-g", str(gop), "-tiles", "2x1", "-aom-params", "num-tile-groups=2", "-f", "obu", "-"]
    stream = subprocess.run(command, check=True, capture_output=True).stdout
    units: list[list[bytes]] = []
    for obu in split_obus(stream):
        if obu_type(obu[0]) == TEMPORAL_DELIMITER:
            units.append([])
        else:
            units[-1].append(obu)
    return units
