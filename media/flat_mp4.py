"""A flat, progressive mp4: `ftyp`, `moov`, then `mdat`, from the sample tables of many segments.

A fragmented file cannot show an exact range: players ignore an edit list in it (measured). A flat one can, but its
`moov` lists every sample before the first byte of the first one. So the file is described here in two parts: the
bytes around the tables, known at once, and the tables themselves, as large as they are long, which `ChunkTables`
makes chunk by chunk when somebody reads them.

A chunk is what the file takes from one segment: consecutive samples, stored one after the other. Its sample durations
take one `stts` entry more than they have runs, because the last sample's duration depends on what follows the chunk
in the file: the next chunk, a gap, or nothing.

Composition offsets are shifted to be positive and the edit list starts that much later. Signed offsets (`ctts`
version 1) are in the standard, but FFmpeg (5.1 and 8 alike) warns about them and starts up to two frames early where
the file begins inside a group of B-frames. Layouts: ISO/IEC 14496-12 §8.

Sound, where there is any, is a second track: each of its chunks follows the chunk of pictures it goes with.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Self

import numpy as np

from media.boxes import box, full_box
from media.codecs import brand_of
from media.sample_table import SampleCounts, SampleSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # ISO 639-2 "und", five bits a letter
_TRACK_ID = 1
_ENABLED_IN_MOVIE = 3
_SELF_CONTAINED = 1
_FULL_VOLUME = 0x100
_NOTHING = -1  # the media time of an empty edit
_LARGEST_32_BIT_FILE = 0xFFFF_FFFF
_OFFSET_RUN = np.dtype([("count", ">u4"), ("ticks", ">i4")])


class Table(Enum):
    """The tables of `stbl` that describe samples, in the order of the file: box type, and bytes per entry."""

    DURATIONS = b"stts", 8
    OFFSETS = b"ctts", 8
    SYNC = b"stss", 4
    SIZES = b"stsz", 4

    @property
    def entry_bytes(self) -> int:
        """How long an entry is."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """How much one chunk puts into each table and into `mdat`."""

    samples: int
    duration_runs: int
    offset_runs: int
    sync_samples: int
    payload_bytes: int
    sample_entry: int  # number of its sample entry, from 0

    @classmethod
    def of(cls, samples: int, sync_samples: int, sums: SampleSums, sample_entry: int) -> Self:
        """The chunk of so many samples with these sums."""
        return cls(
            samples=samples,
            duration_runs=sums.duration_runs + 1,
            offset_runs=sums.offset_runs,
            sync_samples=sync_samples,
            payload_bytes=sums.payload_bytes,
            sample_entry=sample_entry,
        )

    def entries(self, table: Table) -> int:
        """How many entries of a table are this chunk's."""
        match table:
            case Table.DURATIONS:
                return self.duration_runs
            case Table.OFFSETS:
                return self.offset_runs
            case Table.SYNC:
                return self.sync_samples
            case Table.SIZES:
                return self.samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A part of the media that is shown, in ticks of the track's decode times from the file's first sample."""

    start_ticks: int
    end_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatSound:
    """The track of sound. Every sample can be decoded by itself, and none is shown at another time than decoded."""

    timescale: int
    sample_entries: tuple[bytes, ...]
    chunks: tuple[Chunk, ...]
    follows: tuple[int, ...]  # for each chunk, the number of the chunk of pictures before it
    media_ticks: int  # sum of all sample durations
    silence_ticks: int  # before it begins, in ticks of the movie
    skipped_ticks: int  # of its first sample, which begins before the movie
    heard_ticks: int  # from there on, in ticks of the movie

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its tables, in order."""
        return Table.DURATIONS, Table.SIZES

    def table_bytes(self, table: Table) -> int:
        """The entries of a table."""
        return table.entry_bytes * sum(chunk.entries(table) for chunk in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatMovie:
    """All that must be known of a file before its first byte."""

    timescale: int
    width: int
    height: int
    sample_entries: tuple[bytes, ...]
    chunks: tuple[Chunk, ...]
    edits: tuple[Edit, ...]
    media_ticks: int  # sum of all sample durations
    offset_shift_ticks: int  # what was added to every composition offset
    has_offsets: bool  # whether any frame is shown at another time than it is decoded
    sound: FlatSound | None = None

    @property
    def payload_bytes(self) -> int:
        """The content of `mdat`."""
        sound = () if self.sound is None else self.sound.chunks
        return sum(chunk.payload_bytes for chunk in (*self.chunks, *sound))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the pictures, in order. Those of the sound follow."""
        return tuple(table for table in Table if table is not Table.OFFSETS or self.has_offsets)

    def table_bytes(self, table: Table) -> int:
        """The entries of a table."""
        return table.entry_bytes * sum(chunk.entries(table) for chunk in self.chunks)

    def skeleton(self) -> tuple[bytes, ...]:
        """The bytes before, between and after the tables: one piece more than there are; the payload follows."""
        small = _Skeleton(self, large=False)
        return small.pieces() if small.file_bytes <= _LARGEST_32_BIT_FILE else _Skeleton(self, large=True).pieces()


class ChunkTables:
    """The table entries of one chunk, copied from its encoded sample table (media/sample_table.py)."""

    def __init__(self, encoded: bytes) -> None:
        """`encoded` describes the chunk's samples and no others."""
        self._counts = SampleCounts.of(encoded)
        sizes, durations, offsets, sync = (encoded[section] for section in self._counts.sections)
        self._sizes = sizes
        self._inner_durations = _without_last(np.frombuffer(durations, ">u4").reshape(-1, 2))
        self._offsets = np.frombuffer(offsets, _OFFSET_RUN)
        self._sync = np.frombuffer(sync, ">u4")

    @property
    def counts(self) -> SampleCounts:
        """How many entries each part of the sample table has."""
        return self._counts

    @property
    def sums(self) -> SampleSums:
        """What must be known of these samples before the first byte of a file that holds them."""
        return SampleSums(
            payload_bytes=int(np.frombuffer(self._sizes, ">u4").sum(dtype=np.int64)),
            duration_runs=len(self._inner_durations),
            offset_runs=self._counts.offset_runs,
            least_offset_ticks=int(self._offsets["ticks"].min()),
            last_sample_ticks=int((self._inner_durations[:, 0].astype(np.int64) * self._inner_durations[:, 1]).sum()),
        )

    def durations(self, last_duration_ticks: int) -> bytes:
        """Entries of `stts`."""
        return self._inner_durations.tobytes() + struct.pack(">II", 1, last_duration_ticks)

    def offsets(self, shift_ticks: int) -> bytes:
        """Entries of `ctts`."""
        shifted = self._offsets.copy()
        shifted["ticks"] += shift_ticks
        return shifted.tobytes()

    def sync(self, samples_before: int) -> bytes:
        """Entries of `stss`, in a file with so many samples ahead of these."""
        return bytes((self._sync + np.uint32(samples_before + 1)).astype(">u4"))

    def sizes(self) -> bytes:
        """Entries of `stsz`."""
        return self._sizes


def _without_last(runs: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Runs of (count, ticks) for all samples but the last."""
    if runs[-1, 0] == 1:
        return runs[:-1]
    shorter = runs.copy()
    shorter[-1, 0] -= 1
    return shorter


class _Skeleton:
    """The boxes around the tables, with 32- or 64-bit offsets of the chunks."""

    def __init__(self, movie: FlatMovie, *, large: bool) -> None:
        self._movie = movie
        self._large = large
        self._shown_ticks = sum(edit.end_ticks - edit.start_ticks for edit in movie.edits)
        self._tables_bytes = sum(map(movie.table_bytes, movie.tables))
        if movie.sound is not None:
            self._tables_bytes += sum(map(movie.sound.table_bytes, movie.sound.tables))
        # Where the chunks are depends on how large the moov is, not the other way round: measure, then fill in.
        self._chunks_at = self._tables_bytes + sum(map(len, self.pieces(chunks_at=0)))

    @property
    def file_bytes(self) -> int:
        """The size of the whole file."""
        return self._chunks_at + self._movie.payload_bytes

    def pieces(self, chunks_at: int | None = None) -> tuple[bytes, ...]:
        """The bytes before, between and after the tables, for chunks that begin at this byte of the file."""
        movie, sound = self._movie, self._movie.sound
        pictures_at, sound_at = self._places(self._chunks_at if chunks_at is None else chunks_at)
        traks = [_trak_pieces(movie, self._pictures(), self._chunk_offsets(pictures_at))]
        if sound is not None:
            traks.append(_trak_pieces(sound, self._sound(sound), self._chunk_offsets(sound_at)))
        mvhd = self._mvhd(_TRACK_ID + len(traks))
        moov_bytes = 8 + len(mvhd) + sum(len(piece) for trak in traks for piece in trak) + self._tables_bytes
        brands = {brand_of(entry): None for entry in movie.sample_entries}
        ftyp = box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2mp41", *brands)
        joined = [ftyp + struct.pack(">I4s", moov_bytes, b"moov") + mvhd]
        for first, *others in traks:
            joined[-1] += first
            joined += others
        joined[-1] += self._mdat_header()
        return tuple(joined)

    def _mvhd(self, next_track: int) -> bytes:
        times = struct.pack(">QQIQ", 0, 0, self._movie.timescale, self._shown_ticks)
        rate_and_volume = struct.pack(">IH10x", 0x10000, 0x100)
        return full_box(b"mvhd", 1, 0, times, rate_and_volume, _MATRIX, bytes(24), struct.pack(">I", next_track))

    def _pictures(self) -> _Heads:
        # The movie's timescale is the track's, so the edits are exact in both.
        movie, shift = self._movie, self._movie.offset_shift_ticks
        return _Heads(
            tkhd=_tkhd(_TRACK_ID, self._shown_ticks, 0, movie.width, movie.height),
            edits=[(edit.end_ticks - edit.start_ticks, edit.start_ticks + shift) for edit in movie.edits],
            handler=b"vide",
            media_header=full_box(b"vmhd", 0, 1, bytes(8)),
        )

    def _sound(self, sound: FlatSound) -> _Heads:
        silence = [(sound.silence_ticks, _NOTHING)] if sound.silence_ticks else []
        return _Heads(
            tkhd=_tkhd(_TRACK_ID + 1, sound.silence_ticks + sound.heard_ticks, _FULL_VOLUME, 0, 0),
            edits=[*silence, (sound.heard_ticks, sound.skipped_ticks)],
            handler=b"soun",
            media_header=full_box(b"smhd", 0, 0, bytes(4)),
        )

    def _places(self, chunks_at: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the chunks of pictures and of sound are in the file."""
        movie, sound = self._movie, self._movie.sound
        sizes = np.zeros((len(movie.chunks), 2), dtype=np.int64)
        sizes[:, 0] = [chunk.payload_bytes for chunk in movie.chunks]
        heard = [] if sound is None else list(sound.follows)
        if sound is not None:
            sizes[heard, 1] = [chunk.payload_bytes for chunk in sound.chunks]
        places = (chunks_at + np.cumsum(sizes) - sizes.ravel()).reshape(-1, 2)
        return places[:, 0], places[heard, 1]

    def _chunk_offsets(self, places: NDArray[np.int64]) -> bytes:
        count = struct.pack(">I", len(places))
        if self._large:
            return full_box(b"co64", 0, 0, count, places.astype(">u8").tobytes())
        return full_box(b"stco", 0, 0, count, places.astype(">u4").tobytes())

    def _mdat_header(self) -> bytes:
        payload_bytes = self._movie.payload_bytes
        if self._large:
            return struct.pack(">I4sQ", 1, b"mdat", payload_bytes + 16)
        return struct.pack(">I4s", (payload_bytes + 8) & 0xFFFF_FFFF, b"mdat")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heads:
    """What differs between a track of pictures and one of sound, outside of its tables."""

    tkhd: bytes
    edits: list[tuple[int, int]]  # how long in the movie, from where in the media
    handler: bytes
    media_header: bytes


def _trak_pieces(track: FlatMovie | FlatSound, heads: _Heads, offsets: bytes) -> list[bytes]:
    """The bytes before, between and after the tables of a track."""
    description = full_box(b"stsd", 0, 0, struct.pack(">I", len(track.sample_entries)), *track.sample_entries)
    table_heads = [_table_head(track, table) for table in track.tables]
    table_heads[-1] = _sample_to_chunk(track.chunks) + table_heads[-1]
    tables_bytes = sum(map(track.table_bytes, track.tables))
    stbl_bytes = 8 + len(description) + sum(map(len, table_heads)) + tables_bytes + len(offsets)
    return [_open_boxes(track, heads, stbl_bytes) + description + table_heads[0], *table_heads[1:], offsets]


def _open_boxes(track: FlatMovie | FlatSound, heads: _Heads, stbl_bytes: int) -> bytes:
    """Everything of a trak up to the content of `stbl`, whose size fixes those of all boxes around it."""
    in_minf = heads.media_header + _data_information()
    minf_bytes = 8 + len(in_minf) + stbl_bytes
    times = struct.pack(">QQIQHH", 0, 0, track.timescale, track.media_ticks, _UNDETERMINED, 0)
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), heads.handler, bytes(12), b"Hulta\0")
    in_mdia = full_box(b"mdhd", 1, 0, times) + hdlr
    mdia_bytes = 8 + len(in_mdia) + minf_bytes
    entries = [struct.pack(">QqHH", shown_ticks, media_ticks, 1, 0) for shown_ticks, media_ticks in heads.edits]
    in_trak = heads.tkhd + box(b"edts", full_box(b"elst", 1, 0, struct.pack(">I", len(entries)), *entries))
    boxes = (
        (b"trak", 8 + len(in_trak) + mdia_bytes, in_trak),
        (b"mdia", mdia_bytes, in_mdia),
        (b"minf", minf_bytes, in_minf),
        (b"stbl", stbl_bytes, b""),
    )
    return b"".join(struct.pack(">I4s", size, kind) + content for kind, size, content in boxes)


def _tkhd(track_id: int, shown_ticks: int, volume: int, width: int, height: int) -> bytes:
    times = struct.pack(">QQIIQ12xH2x", 0, 0, track_id, 0, shown_ticks, volume)
    return full_box(b"tkhd", 1, _ENABLED_IN_MOVIE, times, _MATRIX, struct.pack(">II", width << 16, height << 16))


def _table_head(track: FlatMovie | FlatSound, table: Table) -> bytes:
    kind = table.value[0]
    entry_bytes = track.table_bytes(table)
    count = struct.pack(">I", entry_bytes // table.entry_bytes)
    if table is Table.SIZES:
        count = bytes(4) + count  # sample_size 0: the sizes differ
    return struct.pack(">I4sI", 12 + len(count) + entry_bytes, kind, 0) + count


def _sample_to_chunk(chunks: tuple[Chunk, ...]) -> bytes:
    entries = np.empty((len(chunks), 3), dtype=">u4")
    entries[:, 0] = np.arange(1, len(chunks) + 1)
    entries[:, 1] = [chunk.samples for chunk in chunks]
    entries[:, 2] = [chunk.sample_entry + 1 for chunk in chunks]
    return full_box(b"stsc", 0, 0, struct.pack(">I", len(chunks)), entries.tobytes())


def _data_information() -> bytes:
    return box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, _SELF_CONTAINED)))
