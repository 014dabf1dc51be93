"""NAL units, packets and a receiving end for tests of the network half of the kernel."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from media.errors import CodecError
from media.h264 import H264Depacketizer, packetize, split_annex_b, split_length_prefixed
from media.h264_parameters import ParameterSets
from media.rtp import write_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from media.access_unit import AccessUnit

# 640x480, High profile, from x264.
SPS = bytes.fromhex("6764001eacd940a02ff961000003000100000300320f162d96")
PPS = bytes.fromhex("68ebe3cb22c0")
SEI = bytes.fromhex("0605") + b"an SEI message"
FILLER = b"\x0c" + b"\xff" * 40 + b"\x80"
AUD = bytes.fromhex("09f0")
SETS = ParameterSets(sps=(SPS,), pps=(PPS,))
# The first byte after the NAL header begins with first_mb_in_slice: 1 is its code for 0.
IDR = b"\x65\x88" + bytes(range(1, 200))
IDR_REST = b"\x65\x12" + bytes(range(1, 150))
SLICE = b"\x41\x9a" + bytes(range(1, 100))
SLICE_REST = b"\x41\x13" + bytes(range(1, 80))


def fragments(nal: bytes, count: int) -> list[bytes]:
    """A NAL unit in `count` FU-A payloads, the last perhaps shorter."""
    step = -(-(len(nal) - 1) // count)
    payloads = packetize([nal], step + 2)
    assert len(payloads) == count
    return payloads


def stap(*nals: bytes) -> bytes:
    """A STAP-A payload (RFC 6184 5.7.1)."""
    return b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def with_start_codes(nals: Iterable[bytes]) -> bytes:
    """NAL units as an Annex B byte stream."""
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in nals)


class Receiver:
    """A depacketizer with what came out of it."""

    def __init__(self, parameters: ParameterSets | None = None, *, max_unit_bytes: int = 8 << 20) -> None:
        self.units: list[AccessUnit] = []
        self.errors: list[str] = []
        self.depacketizer = H264Depacketizer(self.units.append, parameters, max_unit_bytes=max_unit_bytes)

    def push(self, payload: bytes, timestamp: int = 0, *, marker: bool = False, lost: int = 0) -> None:
        """One payload, amid bytes that are none of its business."""
        buffer = bytearray(b"\x7c\x41before" + payload + b"\x7c\x41after")
        try:
            self.depacketizer.push(buffer, 8, 8 + len(payload), timestamp, marker, lost)
        except CodecError as error:
            self.errors.append(str(error))

    def push_unit(self, nals: Sequence[bytes], timestamp: int, max_payload_bytes: int = 1400) -> None:
        """A whole access unit, the marker on its last packet."""
        payloads = packetize(nals, max_payload_bytes)
        for payload in payloads:
            self.push(payload, timestamp, marker=payload is payloads[-1])

    @property
    def nals(self) -> list[list[bytes]]:
        """The NAL units of each unit."""
        return [split_length_prefixed(unit.nals) for unit in self.units]

    @property
    def lost(self) -> list[int]:
        """The damage of each unit."""
        return [unit.lost_packets for unit in self.units]


def packet(
    payload: bytes, sequence: int, timestamp: int = 0, *, ssrc: int = 7, payload_type: int = 96, marker: bool = False
) -> bytes:
    """An RTP packet."""
    return write_header(sequence, timestamp, ssrc, payload_type, marker=marker) + payload


def frame(channel: int, content: bytes) -> bytes:
    """An interleaved frame (RFC 2326 10.12)."""
    return b"$" + bytes((channel,)) + len(content).to_bytes(2, "big") + content


def encode(size: str, *options: str, seconds: float = 0.2, pixel_format: str = "yuv420p") -> list[bytes]:
    """The NAL units of a test picture as x264 encodes it, by ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={seconds}"]
    # The test source rounds odd sizes down: they are made by scaling.
    command += [
        "-vf",
        f"format={pixel_format},scale={size.replace('x', ':')}",
        "-c:v",
        "libx264",
        "-threads",
        "1",
        *options,
        "-f",
        "h264",
        "-",
    ]
    return split_annex_b(subprocess.run(command, check=True, capture_output=True).stdout)
