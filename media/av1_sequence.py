"""The sequence header of AV1: as much of it as a file needs, and its description for one (AV1 5.5, AV1-ISOBMFF 2).

It is the only parameter set of AV1. Colours are read because the codec string names them.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.av1_obu import HAS_SIZE, SEQUENCE_HEADER, leb128, obu_content, obu_type, split_obus
from media.bit_reader import BitReader
from media.boxes import box
from media.errors import CodecError
from media.sample_entry import visual_entry
from media.track import Track

MOST_BYTES = 1024
"""A sequence header has 10 to 50 bytes; one with all 32 operating points and their decoder models has 400."""

MOST_SIDE = 65535
"""Pixels a sample entry can say. AV1 could say one more, its highest level allows 16384."""

_MARKER_AND_VERSION = 0x81
RECORD_HEAD_BYTES = 4
"""Of an AV1CodecConfigurationRecord, before its OBUs."""
_LEVELS_WITHOUT_TIERS = 7
_DEFAULT_COLOURS = ".0.110.01.01.01.0"
"""Monochrome, subsampling, BT.709 three times, studio range: what a codec string without them stands for."""


class _Bits(BitReader):
    """Bits without emulation prevention, which AV1 does not have."""

    __slots__ = ()

    def __init__(self, content: bytes) -> None:
        self._bits = int.from_bytes(content, "big")
        self._left = 8 * len(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """How samples are coded and what they mean (color_config, AV1 5.5.2)."""

    bits: int
    twelve_bit: bool
    monochrome: bool
    subsampling: tuple[int, int]
    sample_position: int
    primaries: int
    transfer: int
    matrix: int
    full_range: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceHeader:
    """What a sequence header says about its pictures. Equal when its bytes are."""

    content: bytes
    """Of its OBU, bit-exact."""
    profile: int
    reduced: bool
    """A still picture: every frame is a key frame, and its header does not say so."""
    level: int
    """seq_level_idx of the first operating point: 8 is level 4.0."""
    high_tier: bool
    width: int
    height: int
    colour: Colour

    @property
    def codec(self) -> str:
        """RFC 6381, as AV1-ISOBMFF 5 has it: the colours only where they are not the usual ones."""
        colour = self.colour
        x, y = colour.subsampling
        position = colour.sample_position if x and y else 0
        colours = f".{colour.monochrome:d}.{x}{y}{position}"
        colours += f".{colour.primaries:02}.{colour.transfer:02}.{colour.matrix:02}.{colour.full_range:d}"
        codec = f"av01.{self.profile}.{self.level:02}{'H' if self.high_tier else 'M'}.{colour.bits:02}"
        return codec if colours == _DEFAULT_COLOURS else codec + colours

    def track(self, timescale: int = 90000) -> Track:
        """Describe the stream for a file."""
        return Track(
            kind="video",
            timescale=timescale,
            codec=self.codec,
            width=self.width,
            height=self.height,
            sample_entry=visual_entry(b"av01", self.width, self.height, box(b"av1C", self._configuration())),
        )

    def _configuration(self) -> bytes:
        """AV1CodecConfigurationRecord (AV1-ISOBMFF 2.3.3) with the sequence header as its only OBU.

        A `colr` box beside it would only repeat what that says.
        """
        colour = self.colour
        flags = self.high_tier << 7 | (colour.bits > 8) << 6 | colour.twelve_bit << 5 | colour.monochrome << 4
        flags |= colour.subsampling[0] << 3 | colour.subsampling[1] << 2 | colour.sample_position
        head = bytes((_MARKER_AND_VERSION, self.profile << 5 | self.level, flags, 0))
        return head + bytes((SEQUENCE_HEADER << 3 | HAS_SIZE,)) + leb128(len(self.content)) + self.content


def av1_codec(entry: str, configuration: bytes) -> str:
    """The codec (RFC 6381) by an `av1C` box; its sequence header says more than its own fields."""
    if len(configuration) < RECORD_HEAD_BYTES or configuration[0] != _MARKER_AND_VERSION:
        raise CodecError(f"a decoder configuration (av1C) of {len(configuration)} bytes, of another version, or none")
    for obu in split_obus(configuration[RECORD_HEAD_BYTES:]):
        if obu_type(obu[0]) == SEQUENCE_HEADER:
            return entry + parse_sequence_header(obu_content(obu)).codec[4:]
    raise CodecError("a decoder configuration (av1C) without a sequence header")


def parse_sequence_header(content: bytes) -> SequenceHeader:
    """Read what a sequence header OBU holds after its header (AV1 5.5.1). CodecError if no stream could have it."""
    if len(content) > MOST_BYTES:
        raise CodecError(f"a sequence header of {len(content)} bytes, more than {MOST_BYTES}")
    bits = _Bits(content)
    profile = bits.bits(3)
    if profile > 2:
        raise CodecError(f"a sequence header of profile {profile}, which AV1 does not define")
    bits.flag()  # still_picture
    reduced = bits.flag()
    level, high_tier = (bits.bits(5), False) if reduced else _operating_points(bits)
    width_bits, height_bits = bits.bits(4) + 1, bits.bits(4) + 1
    width, height = bits.bits(width_bits) + 1, bits.bits(height_bits) + 1
    if max(width, height) > MOST_SIDE:
        raise CodecError(f"a sequence header with pictures of {width} x {height} pixels")
    _skip_tools(bits, reduced=reduced)
    return SequenceHeader(
        content=content,
        profile=profile,
        reduced=reduced,
        level=level,
        high_tier=high_tier,
        width=width,
        height=height,
        colour=_colour(bits, profile),
    )


def _operating_points(bits: BitReader) -> tuple[int, bool]:
    """Level and tier of the first one, the highest quality there is."""
    delay_bits = _timing(bits) if bits.flag() else 0
    display_delays = bits.flag()
    points = [_operating_point(bits, delay_bits, display_delays=display_delays) for _ in range(bits.bits(5) + 1)]
    return points[0]


def _timing(bits: BitReader) -> int:
    """timing_info and decoder_model_info (AV1 5.5.3, 5.5.4): how long its delays are in bits; 0 without a model."""
    bits.bits(64)  # num_units_in_display_tick, time_scale
    if bits.flag():
        bits.unsigned()  # num_ticks_per_picture_minus_1: uvlc() is Exp-Golomb
    if not bits.flag():
        return 0
    delay_bits = bits.bits(5) + 1
    bits.bits(42)  # num_units_in_decoding_tick and the lengths of two times
    return delay_bits


def _operating_point(bits: BitReader, delay_bits: int, *, display_delays: bool) -> tuple[int, bool]:
    bits.bits(12)  # operating_point_idc
    level = bits.bits(5)
    high_tier = level > _LEVELS_WITHOUT_TIERS and bits.flag()
    if delay_bits and bits.flag():
        bits.bits(2 * delay_bits + 1)
    if display_delays and bits.flag():
        bits.bits(4)
    return level, high_tier


def _skip_tools(bits: BitReader, *, reduced: bool) -> None:
    """From the frame ids to the loop filters: what only a decoder needs."""
    if not reduced and bits.flag():
        bits.bits(7)  # the lengths of frame ids
    bits.bits(3)  # use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if not reduced:
        bits.bits(4)  # interintra and masked compound, warped motion, dual filter
        order_hint = bits.flag()
        if order_hint:
            bits.bits(2)
        chooses_screen_content = bits.flag()
        if (chooses_screen_content or bits.flag()) and not bits.flag():  # seq_choose_integer_mv
            bits.flag()
        if order_hint:
            bits.bits(3)
    bits.bits(3)  # enable_superres, enable_cdef, enable_restoration


def _colour(bits: BitReader, profile: int) -> Colour:
    high_depth = bits.flag()
    twelve_bit = profile == 2 and high_depth and bits.flag()
    depth = 12 if twelve_bit else 10 if high_depth else 8
    monochrome = profile != 1 and bits.flag()
    described = bits.flag()
    # Where nothing is said, a codec string has the usual colours (AV1-ISOBMFF 5).
    meaning = (bits.bits(8), bits.bits(8), bits.bits(8)) if described else (1, 1, 1)
    full_range, subsampling, position = True, (1, 1), 0
    if monochrome:
        full_range = bits.flag()
    elif described and meaning == (1, 13, 0):  # sRGB
        subsampling = (0, 0)
    else:
        full_range = bits.flag()
        subsampling = _subsampling(bits, profile, depth)
        if subsampling == (1, 1):
            position = bits.bits(2)
    primaries, transfer, matrix = meaning
    return Colour(
        bits=depth,
        twelve_bit=twelve_bit,
        monochrome=monochrome,
        subsampling=subsampling,
        sample_position=position,
        primaries=primaries,
        transfer=transfer,
        matrix=matrix,
        full_range=full_range,
    )


def _subsampling(bits: BitReader, profile: int, depth: int) -> tuple[int, int]:
    if profile == 0:
        return 1, 1
    if profile == 1:
        return 0, 0
    if depth < 12:
        return 1, 0
    across = bits.flag()
    return int(across), int(across and bits.flag())
