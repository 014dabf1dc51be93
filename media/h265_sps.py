"""The sequence parameter set of H.265: as much of it as a file needs (ITU-T H.265 7.3.2.2.1 and 7.3.3).

What a file needs stands before everything that readers of cameras' sets stumbled over: reference picture sets that
predict each other (quirk H2), scaling lists and the timing of a hypothetical decoder (H3), and sets that end in
nonsense (H4). None of it is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.bit_reader import BitReader
from media.errors import CodecError
from media.h265_nal import HEADER_BYTES

_GENERAL_BYTES = 12
_MOST_BYTES = 256
"""All that is read ends before, seven temporal layers and emulation prevention included."""

_MOST_IDS = {"VPS": 16, "SPS": 16, "PPS": 64}
# SubWidthC and SubHeightC by chroma_format_idc (table 6-1).
_CHROMA_SUBSAMPLING = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}
# Level 6.2 allows 35651584 luma samples, at most 8 times as wide as high or the other way round (A.4.1).
_MAX_SIDE = 16888


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceParameters:
    """What an SPS says about its pictures."""

    set_id: int
    general: bytes
    """The 12 bytes of profile, tier, compatibility, constraints and level that all of the stream obeys (7.3.3)."""
    sub_layers: int
    """How many temporal layers there are."""
    nested: bool
    """Whether a decoder may go up to a higher one anywhere (sps_temporal_id_nesting_flag)."""
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    width: int
    """Pixels shown, inside the conformance window."""
    height: int
    """Pixels shown, inside the conformance window."""


def parse_sps(nal: bytes) -> SequenceParameters:
    """Read an SPS of the base layer, with its NAL header."""
    reader = BitReader(nal[:_MOST_BYTES], HEADER_BYTES)
    reader.bits(4)  # sps_video_parameter_set_id
    sub_layers, nested = reader.bits(3) + 1, reader.flag()
    general = reader.bits(8 * _GENERAL_BYTES).to_bytes(_GENERAL_BYTES, "big")
    _skip_sub_layers(reader, sub_layers - 1)
    set_id = _set_id(reader, "SPS")
    chroma_format = reader.unsigned()
    if chroma_format > 3:
        raise CodecError(f"an SPS with chroma format {chroma_format}, more than 3")
    if chroma_format == 3:
        reader.flag()  # separate_colour_plane_flag: the window's units are those of 4:4:4 either way
    width, height = _size(reader, chroma_format)
    luma_bits, chroma_bits = 8 + reader.unsigned(), 8 + reader.unsigned()
    if max(luma_bits, chroma_bits) > 15:  # what a file can say; H.265 itself allows one more
        raise CodecError(f"an SPS with {max(luma_bits, chroma_bits)} bits a sample, more than 15")
    return SequenceParameters(
        set_id=set_id,
        general=general,
        sub_layers=sub_layers,
        nested=nested,
        chroma_format=chroma_format,
        luma_bits=luma_bits,
        chroma_bits=chroma_bits,
        width=width,
        height=height,
    )


def parse_vps_id(nal: bytes) -> int:
    """The vps_video_parameter_set_id of a VPS (7.3.2.1)."""
    return BitReader(nal[:16], HEADER_BYTES).bits(4)


def parse_pps_id(nal: bytes) -> int:
    """The pps_pic_parameter_set_id of a PPS (7.3.2.3.1)."""
    return _set_id(BitReader(nal[:16], HEADER_BYTES), "PPS")


def _set_id(reader: BitReader, name: str) -> int:
    set_id = reader.unsigned()
    if set_id >= _MOST_IDS[name]:
        raise CodecError(f"{name} with id {set_id}, more than {_MOST_IDS[name] - 1}")
    return set_id


def _skip_sub_layers(reader: BitReader, count: int) -> None:
    """The profiles and levels of the lower temporal layers (7.3.3, quirk H1)."""
    if not count:
        return
    present = [(reader.flag(), reader.flag()) for _ in range(count)]
    reader.bits(2 * (8 - count))  # reserved_zero_2bits
    for profile, level in present:
        reader.bits(88 * profile + 8 * level)


def _size(reader: BitReader, chroma_format: int) -> tuple[int, int]:
    """Width and height in pixels, inside the conformance window (7.4.3.2.1)."""
    columns, rows = reader.unsigned(), reader.unsigned()
    if max(columns, rows) > _MAX_SIDE:
        raise CodecError(f"an SPS with pictures of {columns} x {rows} pixels")
    left, right, top, bottom = (reader.unsigned() for _ in range(4)) if reader.flag() else (0, 0, 0, 0)
    unit_x, unit_y = _CHROMA_SUBSAMPLING[chroma_format]
    width, height = columns - unit_x * (left + right), rows - unit_y * (top + bottom)
    if width <= 0 or height <= 0:
        raise CodecError(f"an SPS with a window of {width} x {height} pixels in {columns} x {rows}")
    return width, height
