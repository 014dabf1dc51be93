"""NAL units of H.265: the two bytes of their header, and their types (ITU-T H.265 7.3.1.2, table 7-1)."""

from __future__ import annotations

HEADER_BYTES = 2

RADL_N, RASL_R = 6, 9
"""Leading pictures, the lowest and the highest of their types: shown before the IRAP picture they follow."""

BLA_W_LP, BLA_N_LP, IDR_W_RADL, IDR_N_LP, CRA, RSV_IRAP_VCL23 = 16, 18, 19, 20, 21, 23
"""IRAP pictures, at which a decoder can start, are all from the first to the last of these."""

WITHOUT_LEADING = (BLA_N_LP, IDR_N_LP)
"""IRAP pictures that no leading pictures follow."""

FIRST_NON_VCL = 32
VPS, SPS, PPS, AUD = 32, 33, 34, 35
END_OF_SEQUENCE, END_OF_BITSTREAM, FILLER, PREFIX_SEI, SUFFIX_SEI = 36, 37, 38, 39, 40

FOLLOWING = (END_OF_SEQUENCE, END_OF_BITSTREAM, FILLER, SUFFIX_SEI)
"""These only ever follow a picture (ITU-T H.265 7.4.2.4.4)."""

TYPES = 48
"""RFC 7798 4.4 takes the numbers from here on for packets."""

_FORBIDDEN_BIT = 0x80
_TEMPORAL_ID_MASK = 0x07


def nal_type(nal: bytes | bytearray | memoryview) -> int:
    """The nal_unit_type of a NAL unit of at least one byte."""
    return (nal[0] >> 1) & 0x3F


def is_nal_header(first: int, second: int) -> bool:
    """Whether a NAL unit can begin with these bytes: no forbidden bit, a temporal id, a type that is no packet's."""
    return not first & _FORBIDDEN_BIT and first >> 1 < TYPES and bool(second & _TEMPORAL_ID_MASK)
