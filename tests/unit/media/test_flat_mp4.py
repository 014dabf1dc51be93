"""The boxes around the tables of a flat mp4."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from media.boxes import child, children, parse_header
from media.flat_mp4 import Chunk, ChunkTables, Edit, FlatMovie, Table
from media.sample_table import SampleTable

ENTRIES = (b"\0\0\0\x0cavc1\1\2\3\4", b"\0\0\0\x0chvc1\5\6\7\x08")


def movie(payload_bytes: tuple[int, ...] = (100, 200), *, has_offsets: bool = True) -> FlatMovie:
    """Chunks of ten samples, alternating between two sample entries."""
    return FlatMovie(
        timescale=90_000,
        width=1920,
        height=1080,
        sample_entries=ENTRIES,
        chunks=tuple(
            Chunk(
                samples=10,
                duration_runs=3,
                offset_runs=4,
                sync_samples=2,
                payload_bytes=size,
                sample_entry=number % 2,
            )
            for number, size in enumerate(payload_bytes)
        ),
        edits=(Edit(start_ticks=7200, end_ticks=90_000), Edit(start_ticks=100_000, end_ticks=100_001)),
        media_ticks=1 << 33,
        offset_shift_ticks=3600,
        has_offsets=has_offsets,
    )


def head(file: FlatMovie) -> bytes:
    """Everything before the payload, with zeros for the tables."""
    pieces = file.skeleton()
    tables = [bytes(file.table_bytes(table)) for table in file.tables]
    return b"".join(piece for pair in zip(pieces, [*tables, b""], strict=True) for piece in pair)


def boxes(content: bytes) -> dict[bytes, bytes]:
    """The boxes of the sample table by type."""
    moov = content[parse_header(content).size_bytes :]
    stbl = child(moov[: parse_header(moov).size_bytes], b"moov", b"trak", b"mdia", b"minf", b"stbl")
    return dict(children(stbl))


def test_all_sizes_fit_together() -> None:
    """ftyp, moov and mdat follow each other, and every box of the moov fills its parent."""
    content = head(movie())
    ftyp = parse_header(content)
    moov = parse_header(content, ftyp.size_bytes)
    mdat = parse_header(content, ftyp.size_bytes + moov.size_bytes)
    assert [ftyp.kind, moov.kind, mdat.kind] == [b"ftyp", b"moov", b"mdat"]
    assert ftyp.size_bytes + moov.size_bytes + mdat.header_bytes == len(content)
    assert mdat.size_bytes == mdat.header_bytes + 300
    assert list(boxes(content)) == [b"stsd", b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco"]


@pytest.mark.parametrize("has_offsets", [True, False])
def test_the_tables_announce_what_the_chunks_bring(*, has_offsets: bool) -> None:
    """Counts, entries, and where each chunk is."""
    content = head(movie(has_offsets=has_offsets))
    found = boxes(content)
    assert (b"ctts" in found) == has_offsets
    assert struct.unpack_from(">II", found[b"stts"]) == (0, 6)
    assert struct.unpack_from(">II", found[b"stss"]) == (0, 4)
    assert struct.unpack_from(">III", found[b"stsz"]) == (0, 0, 20)
    assert struct.unpack(">8I", found[b"stsc"]) == (0, 2, 1, 10, 1, 2, 10, 2)
    assert struct.unpack(">4I", found[b"stco"]) == (0, 2, len(content), len(content) + 100)
    assert found[b"stsd"] == struct.pack(">II", 0, 2) + b"".join(ENTRIES)


def test_edits_are_shifted_with_the_offsets() -> None:
    """The edit list counts in presentation time of the media; the movie's clock is the track's."""
    content = head(movie())
    moov = content[parse_header(content).size_bytes :]
    moov = moov[: parse_header(moov).size_bytes]
    elst = child(moov, b"moov", b"trak", b"edts", b"elst")
    assert struct.unpack(">IIQqHHQqHH", elst) == (1 << 24, 2, 82_800, 10_800, 1, 0, 1, 103_600, 1, 0)
    mvhd = child(moov, b"moov", b"mvhd")
    assert struct.unpack_from(">IQ", mvhd, 20) == (90_000, 82_801)


@pytest.mark.parametrize(("payload_bytes", "large"), [((1 << 31, (1 << 31) - 5000), False), ((1 << 31, 1 << 31), True)])
def test_beyond_4_gib_offsets_and_mdat_have_64_bits(payload_bytes: tuple[int, ...], *, large: bool) -> None:
    """And only then: old readers do without."""
    file = movie(payload_bytes)
    content = head(file)
    found = boxes(content)
    assert (b"co64" in found, b"stco" in found) == (large, not large)
    table, form = (found[b"co64"], ">2I2Q") if large else (found[b"stco"], ">4I")
    assert struct.unpack(form, table)[2:] == (len(content), len(content) + (1 << 31))
    mdat = parse_header(content, content.rindex(b"mdat") - 4)
    assert mdat.header_bytes == (16 if large else 8)
    assert mdat.size_bytes - mdat.header_bytes == sum(payload_bytes)


def test_entries_are_those_of_the_sample_table() -> None:
    """The last duration comes from outside, offsets are shifted, sync samples counted on from the file's others."""
    tables = ChunkTables(
        SampleTable(
            sizes=np.array([10, 20, 30, 40], np.uint32),
            durations=np.array([5, 5, 5, 9], np.uint32),
            offsets=np.array([0, -2, -2, 7], np.int32),
            sync=np.array([0, 3], np.uint32),
        ).encode()
    )
    sums = tables.sums
    chunk = Chunk.of(tables.counts.samples, tables.counts.sync_samples, sums, 1)
    assert (chunk.samples, chunk.payload_bytes, chunk.sample_entry) == (4, 100, 1)
    assert (sums.least_offset_ticks, sums.has_offsets, sums.last_sample_ticks) == (-2, True, 15)
    entries = {
        Table.DURATIONS: tables.durations(77),
        Table.OFFSETS: tables.offsets(2),
        Table.SYNC: tables.sync(100),
        Table.SIZES: tables.sizes(),
    }
    assert {table: struct.unpack(f">{len(found) // 4}I", found) for table, found in entries.items()} == {
        Table.DURATIONS: (3, 5, 1, 77),
        Table.OFFSETS: (1, 2, 2, 0, 1, 9),
        Table.SYNC: (101, 104),
        Table.SIZES: (10, 20, 30, 40),
    }
    assert {table: chunk.entries(table) * table.entry_bytes for table in Table} == {
        table: len(found) for table, found in entries.items()
    }


@pytest.mark.parametrize(("durations", "runs"), [([5], 1), ([5, 5], 2), ([5, 7], 2), ([5, 5, 7], 2), ([5, 7, 7], 3)])
def test_the_last_sample_is_always_an_entry_of_its_own(durations: list[int], runs: int) -> None:
    """So the size does not depend on whether its own duration happens to continue a run."""
    tables = ChunkTables(
        SampleTable(
            sizes=np.ones(len(durations), np.uint32),
            durations=np.array(durations, np.uint32),
            offsets=np.zeros(len(durations), np.int32),
            sync=np.array([0], np.uint32),
        ).encode()
    )
    assert Chunk.of(len(durations), 1, tables.sums, 0).duration_runs == runs
    assert len(tables.durations(1)) == 8 * runs
    assert not tables.sums.has_offsets
