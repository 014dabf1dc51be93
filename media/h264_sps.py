"""The sequence parameter set: as much of it as a file needs (ITU-T H.264 7.3.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from media.bit_reader import BitReader
from media.errors import CodecError

# Profiles whose SPS carries the chroma format and bit depths (7.3.2.1.1).
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
# SubWidthC and SubHeightC by chroma_format_idc (table 6-1); monochrome crops in luma samples.
_CHROMA_SUBSAMPLING = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}
# Level 6.2 allows 139264 macroblocks, at most 8 times as wide as high or the other way round (A.3.1).
_MAX_SIDE_MACROBLOCKS = 1055


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceParameters:
    """What an SPS says about its pictures."""

    set_id: int
    profile: int
    compatibility: int
    """The constraint flags, as the byte they stand in."""
    level: int
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    width: int
    """Pixels shown, after cropping."""
    height: int
    """Pixels shown, after cropping."""

    @property
    def codec(self) -> str:
        """RFC 6381 (3.3): the three bytes after the NAL header, in hexadecimal."""
        return f"avc1.{self.profile:02x}{self.compatibility:02x}{self.level:02x}"

    @property
    def has_chroma_fields(self) -> bool:
        """Whether an 'avcC' box of this profile ends with chroma format and bit depths (ISO 14496-15, 5.3.3.1)."""
        return self.profile in _HIGH_PROFILES


def parse_sps(nal: bytes) -> SequenceParameters:
    """Read an SPS (with its NAL header byte). What follows the cropping is not looked at (quirk V7)."""
    if len(nal) < 4:
        raise CodecError(f"an SPS of {len(nal)} bytes")
    reader = BitReader(nal, 4)
    set_id = reader.unsigned()
    if set_id > 31:
        raise CodecError(f"an SPS with id {set_id}, more than 31")
    chroma_format, luma_bits, chroma_bits = _chroma(reader) if nal[1] in _HIGH_PROFILES else (1, 8, 8)
    _skip_picture_order(reader)
    width, height = _size(reader, chroma_format)
    return SequenceParameters(
        set_id=set_id,
        profile=nal[1],
        compatibility=nal[2],
        level=nal[3],
        chroma_format=chroma_format,
        luma_bits=luma_bits,
        chroma_bits=chroma_bits,
        width=width,
        height=height,
    )


def parse_sps_id(nal: bytes) -> int:
    """The seq_parameter_set_id of an SPS that `parse_sps` could read."""
    return BitReader(nal[:16], 4).unsigned()


def parse_pps_id(nal: bytes) -> int:
    """The pic_parameter_set_id of a PPS (7.3.2.2)."""
    set_id = BitReader(nal[:16], 1).unsigned()
    if set_id > 255:
        raise CodecError(f"a PPS with id {set_id}, more than 255")
    return set_id


def _chroma(reader: BitReader) -> tuple[int, int, int]:
    chroma_format = reader.unsigned()
    if chroma_format > 3:
        raise CodecError(f"an SPS with chroma format {chroma_format}, more than 3")
    if chroma_format == 3:
        reader.flag()  # separate_colour_plane_flag: the crop units are those of 4:4:4 either way
    luma_bits, chroma_bits = 8 + reader.unsigned(), 8 + reader.unsigned()
    if max(luma_bits, chroma_bits) > 14:
        raise CodecError(f"an SPS with {max(luma_bits, chroma_bits)} bits a sample, more than 14")
    reader.flag()  # qpprime_y_zero_transform_bypass_flag
    if reader.flag():
        for index in range(12 if chroma_format == 3 else 8):
            if reader.flag():
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma_format, luma_bits, chroma_bits


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    """7.3.2.1.1.1: the list ends where the next scale becomes zero."""
    scale = 8
    for _ in range(size):
        scale = (scale + reader.signed()) % 256
        if scale == 0:
            return


def _skip_picture_order(reader: BitReader) -> None:
    reader.unsigned()  # log2_max_frame_num_minus4
    order_type = reader.unsigned()
    if order_type == 0:
        reader.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif order_type == 1:
        reader.flag()
        reader.signed()
        reader.signed()
        frames = reader.unsigned()
        if frames > 255:
            raise CodecError(f"an SPS with a picture order cycle of {frames} frames, more than 255")
        for _ in range(frames):
            reader.signed()
    elif order_type > 2:
        raise CodecError(f"an SPS with picture order type {order_type}, more than 2")
    reader.unsigned()  # max_num_ref_frames
    reader.flag()  # gaps_in_frame_num_value_allowed_flag


def _size(reader: BitReader, chroma_format: int) -> tuple[int, int]:
    """Width and height in pixels, after frame_cropping (7.4.2.1.1)."""
    columns, rows = reader.unsigned() + 1, reader.unsigned() + 1
    frames_only = reader.flag()
    if not frames_only:
        reader.flag()  # mb_adaptive_frame_field_flag
        rows *= 2
    reader.flag()  # direct_8x8_inference_flag
    if max(columns, rows) > _MAX_SIDE_MACROBLOCKS:
        raise CodecError(f"an SPS with pictures of {16 * columns} x {16 * rows} pixels")
    left, right, top, bottom = (reader.unsigned() for _ in range(4)) if reader.flag() else (0, 0, 0, 0)
    unit_x, unit_y = _CHROMA_SUBSAMPLING[chroma_format]
    width = 16 * columns - unit_x * (left + right)
    height = 16 * rows - unit_y * (1 if frames_only else 2) * (top + bottom)
    if width <= 0 or height <= 0:
        raise CodecError(f"an SPS that crops {16 * columns} x {16 * rows} pixels down to nothing")
    return width, height
