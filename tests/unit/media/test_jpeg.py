"""Motion JPEG: pictures as sent, and a file that says what they are."""

from __future__ import annotations

import io

import av
import pytest

from media.codecs import describe_entry
from media.errors import CodecError, Mp4Error
from media.fmp4_write import Sample, fragment_header, init_section
from media.init_section import read_init_section
from media.jpeg import CODEC, JpegParameters, jpeg_unit, read_esds, read_frame_header
from media.sample_entry import visual_entry
from tests.mjpeg_server import jpeg

PICTURES = [jpeg(number) for number in range(3)]


def test_a_picture_tells_its_size() -> None:
    """Also with fill bytes and comments before its frame header, as cameras write them."""
    assert read_frame_header(PICTURES[0]) == JpegParameters(width=320, height=240)
    padded = PICTURES[0][:2] + b"\xff\xff\xff\xfe\x00\x06spam" + PICTURES[0][2:]
    assert read_frame_header(padded) == JpegParameters(width=320, height=240)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x00",
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 2000 + PICTURES[0][2:],
        b"\xff\xd8\xff\xe0\x00\x00" * 3,
        PICTURES[0][1:],
        b"GIF89a" + bytes(100),
    ],
)
def test_what_is_no_picture_is_refused(junk: bytes) -> None:
    """And never read past its end."""
    with pytest.raises(CodecError):
        read_frame_header(junk)


@pytest.mark.parametrize("length", range(0, 700, 7))
def test_a_picture_cut_anywhere_is_damage_or_none(length: int) -> None:
    """One whose frame header came is kept, and counts as damage."""
    try:
        unit = jpeg_unit(PICTURES[0][:length], 7, 0, None)
    except CodecError:
        assert length < PICTURES[0].index(b"\xff\xc0") + 9
        return
    assert (bytes(unit.nals), unit.lost_packets, unit.rtp_timestamp) == (PICTURES[0][:length], 1, 7)


def test_a_whole_picture_is_no_damage() -> None:
    """Nor is one that the camera fills up behind its end."""
    for picture in (PICTURES[0], PICTURES[0] + bytes(40)):
        unit = jpeg_unit(picture, 0, 0, None)
        assert (bytes(unit.nals), unit.sync, unit.lost_packets) == (picture, True, 0)


def test_parameters_come_with_the_first_picture_and_with_another_size() -> None:
    """A change of them starts a new span."""
    first = jpeg_unit(PICTURES[0], 0, 0, None)
    assert isinstance(first.parameters, JpegParameters)
    assert jpeg_unit(PICTURES[1], 0, 0, first.parameters).parameters is None
    assert jpeg_unit(jpeg(1, 640, 480), 0, 0, first.parameters).parameters == JpegParameters(width=640, height=480)


def test_a_file_gives_the_pictures_back_byte_by_byte() -> None:
    """To PyAV, which knows them as Motion JPEG; and to ourselves."""
    track = JpegParameters(width=320, height=240).track()
    samples = [Sample(len(picture), 3600, 0, True) for picture in PICTURES]
    init = init_section(track)
    file = init + fragment_header(1, 0, samples) + b"".join(PICTURES)
    with av.open(io.BytesIO(file)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
        assert [bytes(packet) for packet in container.demux(video=0) if packet.size] == PICTURES
    assert read_init_section(init) == track
    assert describe_entry(track.sample_entry) == (CODEC, 320, 240)


@pytest.mark.parametrize(
    "esds", [b"", bytes(4), bytes(4) + b"\x03\xff\xff\xff\xff", bytes(4) + b"\x03\x05\0\0\0\x04\x01\x20"]
)
def test_other_object_types_are_refused(esds: bytes) -> None:
    """MPEG-4 Visual, for one, and what is cut off."""
    with pytest.raises(CodecError):
        read_esds("mp4v", esds)


def test_an_entry_of_mpeg4_visual_is_no_jpeg() -> None:
    """It has the same four letters."""
    entry = JpegParameters(width=8, height=8).track().sample_entry
    other = entry.replace(b"\x04\x0d\x6c\x11", b"\x04\x0d\x20\x11")
    assert other != entry
    assert visual_entry(b"mp4v", 8, 8)[4:8] == entry[4:8]
    with pytest.raises(Mp4Error, match="another object type"):
        describe_entry(other)
