"""The sequence header of AV1, and how a file describes it. The second opinion is FFmpeg's."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import av
import pytest

from media.av1_obu import SEQUENCE_HEADER, join_obus, obu_content, obu_type
from media.av1_sequence import MOST_BYTES, SequenceHeader, av1_codec, parse_sequence_header
from media.codecs import describe_entry
from media.errors import CodecError, Mp4Error
from media.init_section import init_section, read_init_section
from tests.builders_av1 import OTHER_SEQUENCE, SEQUENCE, encode


class Bits:
    """Writes a sequence header bit by bit."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, count: int = 1) -> None:
        """So many bits."""
        self.text += f"{value:0{count}b}"

    def content(self) -> bytes:
        """With its trailing bits."""
        padded = self.text + "1"
        padded += "0" * (-len(padded) % 8)
        return int(padded, 2).to_bytes(len(padded) // 8, "big")


def end(bits: Bits, *, profile: int = 0) -> bytes:
    """From the size on: 1920 x 1080, everything of the rest off."""
    bits.put(10, 4), bits.put(10, 4), bits.put(1919, 11), bits.put(1079, 11)
    bits.put(0)  # frame ids
    bits.put(0, 3 + 4)
    bits.put(0)  # order hint
    bits.put(1), bits.put(1)  # screen content tools and integer motion vectors are chosen
    bits.put(0, 3)
    bits.put(0)  # high_bitdepth
    if profile != 1:
        bits.put(0)
    bits.put(0)  # no colour description
    bits.put(0), bits.put(0, 2), bits.put(0), bits.put(0)
    return bits.content()


def test_operating_points_with_all_their_times_are_read() -> None:
    """Timing, decoder model, display delays; level and tier are those of the first point."""
    bits = Bits()
    bits.put(0, 3), bits.put(0), bits.put(0)
    bits.put(1), bits.put(1000, 32), bits.put(25000, 32), bits.put(1), bits.put(0b00101, 5)  # uvlc: 4
    bits.put(1), bits.put(9, 5), bits.put(90000, 32), bits.put(9, 5), bits.put(9, 5)
    bits.put(1), bits.put(1, 5)
    bits.put(0x101, 12), bits.put(13, 5), bits.put(1), bits.put(1), bits.put(77, 10), bits.put(88, 10), bits.put(1)
    bits.put(1), bits.put(3, 4)
    bits.put(0x100, 12), bits.put(5, 5), bits.put(0), bits.put(0)
    header = parse_sequence_header(end(bits))
    assert (header.width, header.height, header.level, header.high_tier) == (1920, 1080, 13, True)
    assert header.codec == "av01.0.13H.08"


def test_a_still_picture_needs_no_operating_points() -> None:
    """reduced_still_picture_header: the level, then the size."""
    bits = Bits()
    bits.put(0, 3), bits.put(1), bits.put(1), bits.put(8, 5)
    bits.put(7, 4), bits.put(7, 4), bits.put(255, 8), bits.put(127, 8)
    bits.put(0, 3), bits.put(0, 3), bits.put(0, 2), bits.put(0), bits.put(1), bits.put(2, 2), bits.put(0), bits.put(0)
    header = parse_sequence_header(bits.content())
    assert (header.reduced, header.width, header.height, header.level) == (True, 256, 128, 8)
    assert header.codec == "av01.0.08M.08.0.112.01.01.01.1"


@pytest.mark.parametrize(
    ("pixel_format", "options", "codec"),
    [
        ("yuv420p", [], "av01.0.00M.08"),
        ("yuv420p10le", [], "av01.0.00M.10"),
        ("gray", [], "av01.0.00M.08.1.110.01.01.01.1"),
        ("yuv444p", [], "av01.1.00M.08.0.000.01.01.01.0"),
        ("yuv422p", [], "av01.2.00M.08.0.100.01.01.01.0"),
        ("yuv422p12le", [], "av01.2.00M.12.0.100.01.01.01.0"),
        ("yuv420p12le", [], "av01.2.00M.12"),
        (
            "yuv420p10le",
            ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "pc"],
            "av01.0.00M.10.0.110.09.16.09.1",
        ),
    ],
)
def test_headers_of_an_encoder_are_read(pixel_format: str, options: list[str], codec: str, tmp_path: Path) -> None:
    """By libaom, in all ways to code a sample; ffprobe sees the same in the file that is made of it."""
    units = encode("192x128", frames=1, pixel_format=pixel_format, options=options)
    header = sequence_of(units[0])
    assert (header.width, header.height, header.codec) == (192, 128, codec)
    file = tmp_path / "init.mp4"
    file.write_bytes(init_section(header.track()))
    shown = probe(file)
    assert shown["codec_name"] == "av1"
    assert (shown["width"], shown["height"]) == (192, 128)
    assert shown["profile"] == ("Main", "High", "Professional")[header.profile]
    assert header.high_tier or shown["level"] == header.level
    assert shown["pix_fmt"] == pixel_format
    assert shown.get("color_range", "tv") == ("pc" if header.colour.full_range else "tv")


def test_the_description_is_read_back() -> None:
    """Of both encoders' headers; libav agrees with the size."""
    for obu in (SEQUENCE, OTHER_SEQUENCE):
        track = parse_sequence_header(obu_content(obu)).track(90000)
        init = init_section(track)
        assert read_init_section(init) == track
        assert b"av01" in init[8:32], "the brand that AV1-ISOBMFF 2.1 wants"
        assert track.sample_entry.endswith(bytes(join_obus([obu])))
        with av.open(io.BytesIO(init)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.width, stream.codec_context.height) == (track.width, track.height)
            assert bytes(stream.codec_context.extradata or b"")[4:] == bytes(join_obus([obu]))


@pytest.mark.parametrize("configuration", ["", "81000c", "80000c00", "81000c00", "81000c001200"])
def test_a_description_without_a_sequence_header_is_refused(configuration: str) -> None:
    """Hulta writes none."""
    with pytest.raises(CodecError, match="av1C"):
        av1_codec("av01", bytes.fromhex(configuration))
    entry = parse_sequence_header(obu_content(SEQUENCE)).track().sample_entry
    with pytest.raises(Mp4Error, match="av01"):
        describe_entry(entry.replace(b"av1C", b"avcC"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "early"),
        (obu_content(SEQUENCE)[:6], "early"),
        (b"\x60" + obu_content(SEQUENCE)[1:], "profile 3"),
        (bytes(MOST_BYTES + 1), "more than"),
    ],
)
def test_an_unusable_header_is_an_error(content: bytes, problem: str) -> None:
    """CodecError, and which."""
    with pytest.raises(CodecError, match=problem):
        parse_sequence_header(content)


def test_pictures_larger_than_a_file_can_say_are_refused() -> None:
    """65536 does not fit the sample entry."""
    bits = Bits()
    bits.put(0, 3), bits.put(1), bits.put(1), bits.put(8, 5)
    bits.put(15, 4), bits.put(0, 4), bits.put(65535, 16), bits.put(0)
    with pytest.raises(CodecError, match="65536 x 1 pixels"):
        parse_sequence_header(bits.content() + bytes(10))


def sequence_of(unit: list[bytes]) -> SequenceHeader:
    """The sequence header of a temporal unit."""
    return parse_sequence_header(next(obu_content(obu) for obu in unit if obu_type(obu[0]) == SEQUENCE_HEADER))


def probe(file: Path) -> dict[str, object]:
    """The stream as ffprobe sees it."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(file)]
    streams = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]
    assert len(streams) == 1
    return dict(streams[0])
