"""Sample tables: parts that can be copied into a flat file, and sizes known from the header."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from media.errors import Mp4Error
from media.moof import Sample
from media.sample_table import (
    SAMPLE_TABLE_HEADER_BYTES,
    SampleCounts,
    SampleTable,
    SampleTableBuilder,
)

GOP = [Sample(900, 3600, 0, sync=True), Sample(40, 3600, 3600, sync=False), Sample(30, 3600, -3600, sync=False)]


def table_of(*fragments: tuple[int, list[Sample]]) -> SampleTable:
    """The table of these fragments."""
    builder = SampleTableBuilder()
    for decode_ticks, samples in fragments:
        builder.add(decode_ticks, samples)
    return builder.table()


def test_the_parts_are_laid_out_for_stsz_stts_ctts_and_stss() -> None:
    """The bytes of each part, as a flat mp4 wants them."""
    blob = table_of((500, GOP), (500 + 10_800, GOP)).encode()
    sizes, durations, offsets, sync = (blob[part] for part in SampleCounts.of(blob).sections)
    assert sizes == struct.pack(">6I", 900, 40, 30, 900, 40, 30)
    assert durations == struct.pack(">2I", 6, 3600)
    assert offsets == struct.pack(">" + "Ii" * 6, 1, 0, 1, 3600, 1, -3600, 1, 0, 1, 3600, 1, -3600)
    assert sync == struct.pack(">2I", 0, 3)


def test_the_header_alone_tells_the_size() -> None:
    """A flat file's size for a whole day is computed from headers."""
    blob = table_of((0, GOP)).encode()
    counts = SampleCounts.of(blob[:SAMPLE_TABLE_HEADER_BYTES])
    assert counts == (3, 1, 3, 1)
    assert counts.table_bytes == len(blob)


def test_a_table_survives_its_bytes() -> None:
    """Arrays in, the same arrays out."""
    table = table_of((0, GOP), (10_900, GOP))
    back = SampleTable.decode(table.encode())
    assert back.encode() == table.encode()
    assert back.sizes.tolist() == [900, 40, 30, 900, 40, 30]
    assert back.offsets.tolist() == [0, 3600, -3600] * 2
    assert back.sync.tolist() == [0, 3]


def test_durations_lead_to_the_next_fragment() -> None:
    """Where a fragment begins later than the last one said, the last sample is shown for longer."""
    table = table_of((0, GOP), (10_900, GOP))
    assert table.durations.tolist() == [3600, 3600, 3700, 3600, 3600, 3600]
    assert table.decode_ticks.tolist() == [0, 3600, 7200, 10_900, 14_500, 18_100]
    assert table.presentation_ticks.tolist() == [0, 7200, 3600, 10_900, 18_100, 14_500]


def test_presentation_stays_exact_when_a_fragment_begins_too_early() -> None:
    """Decode times never go back; the offset makes up for it."""
    table = table_of((0, GOP), (7_000, GOP))
    assert table.decode_ticks.tolist() == [0, 3600, 7200, 7200, 10_600, 14_200]
    assert table.presentation_ticks.tolist() == [0, 7200, 3600, 7_000, 14_200, 10_600]


def test_no_samples_are_a_table_too() -> None:
    """Nothing in, nothing out."""
    table = SampleTable.decode(SampleTableBuilder().table().encode())
    assert len(table.sizes) == len(table.durations) == len(table.sync) == 0


def test_a_fragment_hours_later_is_refused_and_changes_nothing() -> None:
    """A duration has 32 bits."""
    builder = SampleTableBuilder()
    builder.add(0, GOP)
    before = builder.table().encode()
    with pytest.raises(Mp4Error, match="too far"):
        builder.add(1 << 40, GOP)
    with pytest.raises(Mp4Error, match="out of range"):
        SampleTableBuilder().add((1 << 64) - 1, GOP)
    assert builder.table().encode() == before


def test_a_newer_version_is_refused() -> None:
    """The message names both versions."""
    with pytest.raises(Mp4Error, match="version 2; this Hulta knows version 1"):
        SampleTable.decode(b"\x02" + table_of((0, GOP)).encode()[1:])


@pytest.mark.parametrize(
    "counts", [(3, 0, 1, 0), (3, 1, 0, 0), (2, 1, 1, 0)], ids=["no durations", "no offsets", "runs too long"]
)
def test_parts_that_do_not_fit_together_are_refused(counts: tuple[int, int, int, int]) -> None:
    """The header promises other samples than the runs describe."""
    samples, durations, offsets, sync = counts
    runs = struct.pack(">II", 3, 9)
    blob = struct.pack(">B3x4I", 1, *counts) + bytes(4 * samples) + runs * durations + runs * offsets + bytes(4 * sync)
    with pytest.raises(Mp4Error, match="runs"):
        SampleTable.decode(blob)


def test_sync_samples_are_in_order_and_exist() -> None:
    """Numbers past the end, twice or backwards are refused."""
    runs = struct.pack(">II", 3, 9)
    for sync in [(3,), (0, 0), (2, 1)]:
        header = struct.pack(">B3x4I", 1, 3, 1, 1, len(sync))
        with pytest.raises(Mp4Error, match="sync"):
            SampleTable.decode(header + bytes(12) + runs + runs + np.array(sync, ">u4").tobytes())
