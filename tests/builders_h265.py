"""NAL units, packets and a receiving end for tests of H.265."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from media.errors import CodecError
from media.h265 import H265Depacketizer
from media.h265_packetize import packetize
from media.h265_parameters import H265ParameterSets
from media.nal import split_annex_b, split_length_prefixed
from tests.builders_bits import BitWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.access_unit import AccessUnit

# 640x360, Main profile, from x265, with scaling lists and the timing of a hypothetical decoder.
VPS = bytes.fromhex("40010c01ffff01600000030090000003000003003f959809")
SPS = bytes.fromhex(
    "42010101600000030090000003000003003fa00502016965959a49395e02d01000000300100000030196014965e000f424001e8488"
)
PPS = bytes.fromhex("4401c172b46240")
SEI = bytes.fromhex("4e0105") + b"an SEI message"
SUFFIX_SEI = bytes.fromhex("5001") + b"a suffix"
AUD = bytes.fromhex("460150")
SETS = H265ParameterSets(vps=(VPS,), sps=(SPS,), pps=(PPS,))

GENERAL = bytes.fromhex("016000000090000000000000")[:11] + b"\x5d"
"""Profile 1, compatible with 1 and 2, progressive and frames only, level 3.1."""


def slice_nal(kind: int, *, first: bool = True, size: int = 150, layer: int = 0, temporal: int = 1) -> bytes:
    """A slice of some type; its third byte begins with first_slice_segment_in_pic_flag."""
    header = (kind << 9 | layer << 3 | temporal).to_bytes(2, "big")
    return header + (b"\xaf" if first else b"\x2f") + bytes(range(1, size))


TRAIL_N, TRAIL, RADL, RASL = (slice_nal(kind) for kind in (0, 1, 7, 9))
IDR, IDR_N_LP, CRA = (slice_nal(kind) for kind in (19, 20, 21))
IDR_REST, TRAIL_REST = (slice_nal(kind, first=False) for kind in (19, 1))


def fragments(nal: bytes, count: int) -> list[bytes]:
    """A NAL unit in `count` FU payloads, the last perhaps shorter."""
    payloads = packetize([nal], -(-(len(nal) - 2) // count) + 3)
    assert len(payloads) == count
    return payloads


def aggregate(*nals: bytes) -> bytes:
    """An AP payload (RFC 7798 4.4.2)."""
    return b"\x60\x01" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


class Receiver:
    """A depacketizer with what came out of it."""

    def __init__(self, parameters: H265ParameterSets | None = None, *, max_unit_bytes: int = 8 << 20) -> None:
        self.units: list[AccessUnit] = []
        self.errors: list[str] = []
        self.depacketizer = H265Depacketizer(self.units.append, parameters, max_unit_bytes=max_unit_bytes)

    def push(self, payload: bytes, timestamp: int = 0, *, marker: bool = False, lost: int = 0) -> None:
        """One payload, amid bytes that are none of its business."""
        buffer = bytearray(b"\x62\x01\x41before" + payload + b"\x62\x01\x41after")
        try:
            self.depacketizer.push(buffer, 9, 9 + len(payload), timestamp, marker, lost)
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


def encode(size: str, *, seconds: float = 0.2, pixel_format: str = "yuv420p", x265: str = "") -> list[bytes]:
    """The NAL units of a test picture as x265 encodes it, by ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={seconds}"]
    command += ["-vf", f"format={pixel_format},scale={size.replace('x', ':')}", "-c:v", "libx265"]
    command += ["-preset", "ultrafast", "-x265-params", f"log-level=error:pools=1:frame-threads=1{x265}"]
    return split_annex_b(subprocess.run([*command, "-f", "hevc", "-"], check=True, capture_output=True).stdout)


def make_sps(
    *,
    sub_layers: int = 1,
    size: tuple[int, int] = (1920, 1088),
    window: tuple[int, int, int, int] = (0, 0, 0, 4),
    inter_rps: bool = False,
    scaling: bool = False,
    hrd: bool = False,
    set_id: int = 0,
) -> bytes:
    """A whole sequence parameter set with what no encoder at hand writes (7.3.2.2.1)."""
    bits = BitWriter().bits(0, 4).bits(sub_layers - 1, 3).bits(1, 1)
    _profile(bits, sub_layers)
    bits.ue(set_id, 1, *size).bits(1, 1).ue(*window).ue(0, 0, 4)
    bits.bits(1, 1).ue(*[4, 0, 0] * sub_layers).ue(0, 3, 0, 3, 0, 0)
    bits.bits(0b10 if scaling else 0b0, 2 if scaling else 1).bits(0b110, 3)
    _reference_sets(bits, inter=inter_rps)
    bits.bits(0b011, 3).bits(int(hrd), 1)
    if hrd:
        _timing(bits, sub_layers)
    return bits.bits(0, 1).to_nal(b"\x42\x01")


def make_vps(sub_layers: int) -> bytes:
    """A video parameter set of one layer (7.3.2.1)."""
    bits = BitWriter().bits(0, 4).bits(0b11, 2).bits(0, 6).bits(sub_layers - 1, 3).bits(1, 1).bits(0xFFFF, 16)
    _profile(bits, sub_layers)
    return bits.bits(1, 1).ue(*[4, 0, 0] * sub_layers).bits(0, 6).ue(0).bits(0, 2).to_nal(b"\x40\x01")


def _profile(bits: BitWriter, sub_layers: int) -> None:
    """profile_tier_level (7.3.3), in which each layer says its profile and its level."""
    general = int.from_bytes(GENERAL, "big")
    bits.bits(general, 96)
    if sub_layers > 1:
        bits.bits(0b1111111111111111 >> 2 * (9 - sub_layers) << 2 * (9 - sub_layers), 16)
        for _ in range(sub_layers - 1):
            bits.bits(general, 96)


def _reference_sets(bits: BitWriter, *, inter: bool) -> None:
    """Two short-term reference picture sets; the second one predicted from the first (7.3.7)."""
    bits.ue(2).ue(1, 0).ue(0).bits(1, 1)
    if inter:
        bits.bits(1, 1).bits(1, 1).ue(0).bits(0b1, 1).bits(0b01, 2)
    else:
        bits.bits(0, 1).ue(1, 0).ue(1).bits(1, 1)


def _timing(bits: BitWriter, sub_layers: int) -> None:
    """A VUI that holds nothing but timing and hypothetical decoder parameters (E.2.1, E.2.2)."""
    bits.bits(0, 8).bits(1, 1).bits(1, 32).bits(25, 32).bits(0, 1).bits(1, 1)
    bits.bits(0b100, 3).bits(0, 8).bits(23, 5).bits(23, 5).bits(23, 5)
    for _ in range(sub_layers):
        bits.bits(1, 1).ue(0).bits(0, 1).ue(0).ue(1000, 2000).bits(0, 1)
    bits.bits(0, 1)
