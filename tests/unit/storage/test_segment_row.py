"""A segment's row is the same from an open, a sealed and a recovered file."""

from __future__ import annotations

from dataclasses import replace

from media.fmp4_read import read_sealed, scan
from media.fragment_index import decode
from storage.model import SegmentState
from storage.segment_row import segment_from_scan
from tests.builders_catalog import at, identity, segment_bytes


def test_the_row_says_what_the_commit_boxes_say() -> None:
    """Identity, time, samples, and an entry for each fragment."""
    content = segment_bytes(identity(7), 10, 14.5, span=3)
    row = segment_from_scan(scan(lambda offset, length: content[offset : offset + length], len(content)), len(content))
    assert (row.identity, row.span, row.state, row.sha256) == (identity(7), 3, SegmentState.SPOOLED, None)
    assert (row.start_us, row.end_us, row.size_bytes) == (at(10), at(14.5), len(content))
    assert (row.media_ticks, row.duration_ticks, row.timescale) == (0, 405_000, 90_000)
    assert (row.samples, row.sync_samples, row.lost_packets) == (5, 5, 0)
    assert (row.codec, row.width, row.height) == ("avc1.64001f", 320, 240)
    entries = decode(row.fragments)
    assert [entry.wall_us for entry in entries] == [at(second) for second in (10, 11, 12, 13, 14)]
    first = entries[0]
    assert content[first.data_offset : first.offset + first.length] == f"{identity(7)} 10".encode()


def test_reading_the_seal_and_scanning_agree() -> None:
    """The short way for shipped segments gives the row that the long way gives."""
    content = segment_bytes(identity(), 0, 5)
    rows = [
        segment_from_scan(read(lambda offset, length: content[offset : offset + length], len(content)), len(content))
        for read in (read_sealed, scan)
    ]
    assert rows[0] == rows[1]


def test_an_open_file_has_the_row_of_its_whole_fragments() -> None:
    """Its torn end does not count, and nothing else differs from the sealed one."""
    whole, opened = segment_bytes(identity(), 0, 3), segment_bytes(identity(), 0, 3, sealed=False)
    sealed_row = segment_from_scan(scan(lambda o, n: whole[o : o + n], len(whole)), len(whole))
    torn = opened + whole[100:150]
    row = segment_from_scan(scan(lambda o, n: torn[o : o + n], len(torn)), len(torn))
    assert row.size_bytes == len(opened)
    assert row == replace(sealed_row, size_bytes=len(opened), sums=None)
