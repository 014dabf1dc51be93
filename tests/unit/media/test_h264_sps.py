"""The bits of a sequence parameter set that no encoder at hand writes."""

from __future__ import annotations

import pytest

from media.bit_reader import BitReader
from media.errors import CodecError
from media.h264_sps import parse_sps
from tests.builders_bits import BitWriter

BASELINE = b"\x67\x42\x00\x1e"


def test_exp_golomb_codes() -> None:
    """9.1: unsigned and signed, small and large."""
    values = [0, 1, 2, 7, 8, 254, 255, 65535, (1 << 32) - 2]
    reader = BitReader(BitWriter().ue(*values).se(0, 1, -1, 5, -300).to_nal(b"\x67"), 1)
    assert [reader.unsigned() for _ in values] == values
    assert [reader.signed() for _ in range(5)] == [0, 1, -1, 5, -300]


def test_picture_order_type_1_with_its_cycle() -> None:
    """Offsets for each frame of the cycle; then the size."""
    bits = BitWriter().ue(0, 4, 1).bits(0, 1).se(-2, 3).ue(3).se(1, -1, 70000).ue(1).bits(0, 1).ue(119, 67)
    sps = parse_sps(bits.bits(0b111, 3).ue(0, 0, 0, 4).to_nal(BASELINE))
    assert (sps.width, sps.height, sps.codec) == (1920, 1080, "avc1.42001e")


def test_picture_order_type_2() -> None:
    """It has no fields."""
    sps = parse_sps(BitWriter().ue(31, 0, 2, 1).bits(0, 1).ue(19, 14).bits(0b1100, 4).to_nal(BASELINE))
    assert (sps.set_id, sps.width, sps.height) == (31, 320, 240)


def test_scaling_lists_are_skipped() -> None:
    """Whole ones, and ones that end early; 4:4:4 has twelve."""
    for chroma_format, lists in ((1, 8), (3, 12)):
        bits = BitWriter().ue(0, chroma_format)
        if chroma_format == 3:
            bits.bits(0, 1)
        bits.ue(2, 0).bits(0b01, 2)
        for index in range(lists):
            size = 16 if index < 6 else 64
            if index % 3 == 0:
                bits.bits(1, 1).se(*[1, -1] * (size // 2))
            elif index % 3 == 1:
                bits.bits(1, 1).se(4, -12)
            else:
                bits.bits(0, 1)
        sps = parse_sps(bits.ue(0, 2, 1).bits(0, 1).ue(19, 14).bits(0b1100, 4).to_nal(b"\x67\xf4\x00\x1e"))
        assert (sps.chroma_format, sps.luma_bits, sps.chroma_bits) == (chroma_format, 10, 8)
        assert (sps.width, sps.height) == (320, 240)


@pytest.mark.parametrize(
    ("bits", "problem"),
    [
        (BitWriter().ue(32), "id 32"),
        (BitWriter().ue(0, 0, 3), "picture order type 3"),
        (BitWriter().ue(0, 0, 1).bits(0, 1).se(0, 0).ue(256), "256 frames"),
        (BitWriter().ue(0, 0, 2, 1).bits(0, 1).ue(1055, 10).bits(0b11, 2), "16896 x 176 pixels"),
        (BitWriter().ue(0, 0, 2, 1).bits(0, 1).ue(19, 14).bits(0b111, 3).ue(80, 80, 0, 0), "down to nothing"),
        (BitWriter().ue(0, 0, 2, 1).bits(0, 1).ue(19, 14).bits(0b111, 3).ue(1 << 30, 0, 0, 0), "down to nothing"),
    ],
)
def test_values_outside_of_their_range_are_refused(bits: BitWriter, problem: str) -> None:
    """7.4.2.1.1."""
    with pytest.raises(CodecError, match=problem):
        parse_sps(bits.ue(0, 0, 0).to_nal(BASELINE))


@pytest.mark.parametrize(
    ("bits", "problem"), [(BitWriter().ue(0, 4), "chroma format 4"), (BitWriter().ue(0, 1, 7, 0), "15 bits a sample")]
)
def test_values_of_high_profiles_outside_of_their_range_are_refused(bits: BitWriter, problem: str) -> None:
    """7.4.2.1.1."""
    with pytest.raises(CodecError, match=problem):
        parse_sps(bits.bits(0, 20).to_nal(b"\x67\x64\x00\x1e"))
