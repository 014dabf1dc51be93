"""The fragment index: small, exact, and refused when it is not one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media.errors import Mp4Error
from media.fragment_index import FragmentEntry, decode, encode

FIRST = FragmentEntry(
    offset=700,
    length=500_321,
    data_offset=700 + 496,
    media_ticks=5_400_000,
    duration_ticks=90_007,
    wall_us=1_700_000_000_123_456,
    end_wall_us=1_700_000_001_123_533,
    samples=25,
    sync_samples=1,
    starts_with_sync=True,
    lost_packets=0,
)


def regular(count: int) -> list[FragmentEntry]:
    """A stream of 4 Mbit/s whose fragments differ in size and, by jitter, in length."""
    entries = [FIRST]
    for number in range(1, count):
        last = entries[-1]
        offset = last.offset + last.length + 300
        duration_ticks = 90_000 + number % 7
        entries.append(
            replace(
                last,
                offset=offset,
                length=500_000 + number * 7919 % 4001,
                data_offset=offset + 496,
                media_ticks=last.media_ticks + last.duration_ticks,
                duration_ticks=duration_ticks,
                wall_us=last.end_wall_us,
                end_wall_us=last.end_wall_us + duration_ticks * 100 // 9,
            )
        )
    return entries


def test_an_index_survives_its_bytes() -> None:
    """Every field of every fragment."""
    assert decode(encode(regular(60))) == regular(60)


def test_a_minute_takes_about_700_bytes() -> None:
    """20 million rows must fit a database: some 12 bytes a fragment."""
    assert len(encode(regular(60))) < 60 * 13


def test_holes_and_odd_values_survive() -> None:
    """Damage leaves holes, clocks are slewed backwards, and a fragment may begin without a sync sample."""
    odd = replace(
        FIRST,
        offset=5_000_000_000,
        data_offset=5_000_000_496,
        wall_us=FIRST.end_wall_us - 400,
        end_wall_us=FIRST.end_wall_us + 1,
        media_ticks=1 << 40,
        starts_with_sync=False,
        sync_samples=0,
        lost_packets=4_000_000_000,
    )
    assert decode(encode([FIRST, odd, FIRST])) == [FIRST, odd, FIRST]
    assert decode(encode([])) == []


def test_another_version_is_refused() -> None:
    """The message names both versions."""
    with pytest.raises(Mp4Error, match="version 3; this Hulta knows 1 and 2"):
        decode(b"\x03" + encode([FIRST])[1:])


@pytest.mark.parametrize("cut", range(len(encode([FIRST, FIRST]))))
def test_a_piece_of_an_index_is_refused(cut: int) -> None:
    """Whatever is missing at the end is noticed."""
    with pytest.raises(Mp4Error):
        decode(encode([FIRST, FIRST])[:cut])


def test_more_than_an_index_is_refused() -> None:
    """So is what is too much, and a number of endless bytes."""
    with pytest.raises(Mp4Error, match="too long"):
        decode(encode([FIRST]) + b"\0")
    with pytest.raises(Mp4Error, match="64 bits"):
        decode(b"\x01" + b"\xff" * 20)
