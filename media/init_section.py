"""The init section: `ftyp` and `moov` of a fragmented file with one track, written and read.

It holds nothing that changes with time or place, so all segments of a span begin with the same bytes and one
EXT-X-MAP serves all of them. Box layouts: ISO/IEC 14496-12 §8.
"""

from __future__ import annotations

import struct

from media.boxes import box, child, full_box, parse_header
from media.codecs import describe_entry
from media.errors import Mp4Error
from media.moof import TRACK_ID
from media.track import Track

MOST_INIT_BYTES = 1 << 20
"""An init section has about 700 bytes; one longer than this is none."""

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # ISO 639-2 "und", five bits a letter
_MOVIE_TIMESCALE = 1000
_ENABLED_IN_MOVIE = 3
_SELF_CONTAINED = 1


def init_section(track: Track) -> bytes:
    """`ftyp` and `moov` for fragments of this one track."""
    # iso5 brings default-base-is-moof, iso6 tfdt and signed composition offsets: no brand claims what is not used.
    ftyp = box(b"ftyp", b"iso6", bytes(4), b"iso6iso5mp41")
    return ftyp + box(b"moov", _mvhd(), _trak(track), _mvex())


def read_init_section(init: bytes) -> Track:
    """The track an init section describes; Mp4Error unless it is one that `init_section` could have written."""
    moov = child(init, b"moov")
    mdia = child(moov, b"trak", b"mdia")
    mdhd = child(mdia, b"mdhd")
    if len(mdhd) != 24:
        raise Mp4Error(f"an mdhd of {len(mdhd)} bytes; Hulta writes version 0 with 24")
    (timescale,) = struct.unpack_from(">I", mdhd, 12)
    if timescale == 0:
        raise Mp4Error("a timescale of 0 ticks per second")
    stsd = child(mdia, b"minf", b"stbl", b"stsd")
    return _track_of(timescale, stsd[8:])


def init_section_bytes(start: bytes) -> int:
    """How long the init section at the start of a file is, as far as its boxes' headers in `start` tell."""
    ftyp = parse_header(start)
    if ftyp.kind != b"ftyp":
        raise Mp4Error("the file does not begin with an ftyp box")
    moov = parse_header(start, ftyp.size_bytes)
    if moov.kind != b"moov":
        raise Mp4Error("no moov box follows the ftyp box")
    total = ftyp.size_bytes + moov.size_bytes
    if total > MOST_INIT_BYTES:
        raise Mp4Error(f"an init section of {total} bytes")
    return total


def _mvhd() -> bytes:
    times = struct.pack(">4I", 0, 0, _MOVIE_TIMESCALE, 0)
    rate_and_volume = struct.pack(">IH10x", 0x10000, 0x100)
    return full_box(b"mvhd", 0, 0, times, rate_and_volume, _MATRIX, bytes(24), struct.pack(">I", TRACK_ID + 1))


def _trak(track: Track) -> bytes:
    size = struct.pack(">II", track.width << 16, track.height << 16)
    tkhd = full_box(b"tkhd", 0, _ENABLED_IN_MOVIE, struct.pack(">5I16x", 0, 0, TRACK_ID, 0, 0), _MATRIX, size)
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, track.timescale, 0, _UNDETERMINED, 0))
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), b"vide", bytes(12), b"Hulta\0")
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, _minf(track)))


def _minf(track: Track) -> bytes:
    vmhd = full_box(b"vmhd", 0, 1, bytes(8))
    dinf = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, _SELF_CONTAINED)))
    stsd = full_box(b"stsd", 0, 0, struct.pack(">I", 1), track.sample_entry)
    no_samples = [full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc", b"stco")]
    return box(b"minf", vmhd, dinf, box(b"stbl", stsd, *no_samples, full_box(b"stsz", 0, 0, bytes(8))))


def _mvex() -> bytes:
    return box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", TRACK_ID, 1, 0, 0, 0)))


def _track_of(timescale: int, entry: bytes) -> Track:
    codec, width, height = describe_entry(entry)
    return Track(kind="video", timescale=timescale, codec=codec, width=width, height=height, sample_entry=entry)
