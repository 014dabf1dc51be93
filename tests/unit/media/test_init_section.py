"""The init section: one track, and the same bytes for every segment of a span."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.boxes import box, child
from media.errors import Mp4Error
from media.init_section import init_section, init_section_bytes, read_init_section
from tests.builders_segment import encode, plain_track


def test_the_track_survives() -> None:
    """What a reader gets is equal to what the writer was given, for a real encoder's parameter sets."""
    track = encode().track
    assert read_init_section(init_section(track)) == track
    assert init_section(track) == init_section(replace(track))


def test_its_length_is_known_from_its_first_bytes() -> None:
    """The headers of ftyp and moov are enough."""
    init = init_section(plain_track())
    assert init_section_bytes(init[:40]) == len(init)


@pytest.mark.parametrize(
    "start",
    [b"", b"RIFF\0\0\0\0AVI ", box(b"ftyp"), box(b"ftyp") + box(b"free"), box(b"ftyp") + b"\x7f\xff\xff\xffmoov"],
    ids=["empty", "another format", "nothing behind ftyp", "no moov", "a moov of 2 GB"],
)
def test_a_foreign_start_is_refused(start: bytes) -> None:
    """A file that does not begin like a segment is none."""
    with pytest.raises(Mp4Error):
        init_section_bytes(start)


def test_an_unknown_codec_is_named() -> None:
    """A sample entry that this version cannot describe is refused, and the message says which."""
    track = replace(plain_track(), sample_entry=box(b"hvc1", bytes(78)))
    with pytest.raises(Mp4Error, match="hvc1"):
        read_init_section(init_section(track))


def test_a_track_without_a_configuration_is_refused() -> None:
    """An avc1 entry needs its avcC."""
    track = replace(plain_track(), sample_entry=box(b"avc1", bytes(78)))
    with pytest.raises(Mp4Error, match="avcC"):
        read_init_section(init_section(track))


def test_a_timescale_of_zero_is_refused() -> None:
    """Nothing can be divided by it later."""
    with pytest.raises(Mp4Error, match="timescale"):
        read_init_section(init_section(replace(plain_track(), timescale=0)))


def test_it_says_that_fragments_follow() -> None:
    """An mvex makes it a fragmented file, and the sample tables are empty."""
    moov = child(init_section(plain_track()), b"moov")
    assert len(child(moov, b"mvex", b"trex")) == 24
    stbl = child(moov, b"trak", b"mdia", b"minf", b"stbl")
    assert child(stbl, b"stsz") == bytes(12)
    assert child(stbl, b"stco") == bytes(8)
