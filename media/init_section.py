"""The init section: `ftyp` and `moov` of a fragmented file of pictures, and of sound if there is any; and read.

It holds nothing that changes with time or place, so all segments of a span begin with the same bytes and one
EXT-X-MAP serves all of them. Box layouts: ISO/IEC 14496-12 §8.
"""

from __future__ import annotations

import struct

from media.audio_description import describe_audio_entry
from media.boxes import box, child, children, full_box, parse_header
from media.codecs import brand_of, describe_entry
from media.errors import Mp4Error
from media.moof import SOUND_TRACK_ID, TRACK_ID
from media.track import Track

MOST_INIT_BYTES = 1 << 20
"""An init section has about 700 bytes; one longer than this is none."""

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # ISO 639-2 "und", five bits a letter
_MOVIE_TIMESCALE = 1000
_ENABLED_IN_MOVIE = 3
_SELF_CONTAINED = 1


def init_section(track: Track, sound: Track | None = None) -> bytes:
    """`ftyp` and `moov` for fragments of this track, and of that of its sound."""
    # iso5 brings default-base-is-moof, iso6 tfdt and signed composition offsets: no brand claims what is not used.
    ftyp = box(b"ftyp", b"iso6", bytes(4), b"iso6iso5mp41", brand_of(track.sample_entry))
    if sound is None:
        return ftyp + box(b"moov", _mvhd(TRACK_ID), _trak(track, TRACK_ID), _mvex(TRACK_ID))
    traks = _trak(track, TRACK_ID), _trak(sound, SOUND_TRACK_ID)
    return ftyp + box(b"moov", _mvhd(SOUND_TRACK_ID), *traks, _mvex(TRACK_ID, SOUND_TRACK_ID))


def read_init_section(init: bytes) -> Track:
    """The track of the pictures; Mp4Error unless this is an init section that `init_section` could have written."""
    return read_tracks(init)[0]


def read_tracks(init: bytes) -> tuple[Track, Track | None]:
    """The tracks of pictures and of sound; Mp4Error as above."""
    traks = [content for kind, content in children(child(init, b"moov")) if kind == b"trak"]
    if not 1 <= len(traks) <= 2:
        raise Mp4Error(f"an init section of {len(traks)} tracks")
    return _read_trak(traks[0], "video"), _read_trak(traks[1], "audio") if len(traks) > 1 else None


def _read_trak(trak: bytes, kind: str) -> Track:
    mdia = child(trak, b"mdia")
    mdhd = child(mdia, b"mdhd")
    if len(mdhd) != 24:
        raise Mp4Error(f"an mdhd of {len(mdhd)} bytes; Hulta writes version 0 with 24")
    (timescale,) = struct.unpack_from(">I", mdhd, 12)
    if timescale == 0:
        raise Mp4Error("a timescale of 0 ticks per second")
    stsd = child(mdia, b"minf", b"stbl", b"stsd")
    return _track_of(kind, timescale, stsd[8:])


def sound_bytes(sample_entry_bytes: int) -> int:
    """By how much sound with a sample entry of this size makes an init section longer."""
    sound = Track(kind="audio", timescale=1, codec="", width=0, height=0, sample_entry=bytes(sample_entry_bytes))
    return len(_trak(sound, SOUND_TRACK_ID)) + len(_mvex(TRACK_ID, SOUND_TRACK_ID)) - len(_mvex(TRACK_ID))


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


def _mvhd(last_track: int) -> bytes:
    times = struct.pack(">4I", 0, 0, _MOVIE_TIMESCALE, 0)
    rate_and_volume = struct.pack(">IH10x", 0x10000, 0x100)
    return full_box(b"mvhd", 0, 0, times, rate_and_volume, _MATRIX, bytes(24), struct.pack(">I", last_track + 1))


def _trak(track: Track, track_id: int) -> bytes:
    size = struct.pack(">II", track.width << 16, track.height << 16)
    head = struct.pack(">5I12xH2x", 0, 0, track_id, 0, 0, volume(track))
    tkhd = full_box(b"tkhd", 0, _ENABLED_IN_MOVIE, head, _MATRIX, size)
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, track.timescale, 0, _UNDETERMINED, 0))
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), handler(track), bytes(12), b"Hulta\0")
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, _minf(track)))


def _minf(track: Track) -> bytes:
    dinf = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, _SELF_CONTAINED)))
    stsd = full_box(b"stsd", 0, 0, struct.pack(">I", 1), track.sample_entry)
    no_samples = [full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc", b"stco")]
    return box(b"minf", media_header(track), dinf, box(b"stbl", stsd, *no_samples, full_box(b"stsz", 0, 0, bytes(8))))


def handler(track: Track) -> bytes:
    """The type in its `hdlr` (§12.1.1, §12.2.1)."""
    return b"vide" if track.kind == "video" else b"soun"


def media_header(track: Track) -> bytes:
    """`vmhd`, or `smhd` of sound in the middle."""
    return full_box(b"vmhd", 0, 1, bytes(8)) if track.kind == "video" else full_box(b"smhd", 0, 0, bytes(4))


def volume(track: Track) -> int:
    """In 8.8 bits: full for sound, none for pictures."""
    return 0 if track.kind == "video" else 0x100


def _mvex(*track_ids: int) -> bytes:
    return box(b"mvex", *(full_box(b"trex", 0, 0, struct.pack(">5I", each, 1, 0, 0, 0)) for each in track_ids))


def _track_of(kind: str, timescale: int, entry: bytes) -> Track:
    codec, width, height = describe_entry(entry) if kind == "video" else (describe_audio_entry(entry), 0, 0)
    return Track(kind=kind, timescale=timescale, codec=codec, width=width, height=height, sample_entry=entry)
