"""The fragment index: where the fragments of a segment are and when, small enough for the segment's row.

After a version byte and the count come ten numbers for each fragment. Each is written as its difference from the same
number of the fragment before, in zigzag (0, -1, 1, -2 ... become 0, 1, 2, 3 ...) as a varint (seven bits a byte, low
ones first). A regular stream repeats nine of the ten exactly, so a fragment takes about 12 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.errors import Mp4Error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION = 1

_NUMBERS = 10
_MOST_BITS = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentEntry:
    """One fragment: its bytes in the file, its time, what it holds."""

    offset: int
    length: int
    data_offset: int
    media_ticks: int
    duration_ticks: int
    wall_us: int
    end_wall_us: int
    samples: int
    sync_samples: int
    starts_with_sync: bool
    lost_packets: int


_BEFORE_THE_FIRST = FragmentEntry(
    offset=0,
    length=0,
    data_offset=0,
    media_ticks=0,
    duration_ticks=0,
    wall_us=0,
    end_wall_us=0,
    samples=0,
    sync_samples=0,
    starts_with_sync=False,
    lost_packets=0,
)


def encode(entries: Sequence[FragmentEntry]) -> bytes:
    """The index of these fragments, which are in file order."""
    blob = bytearray([VERSION])
    _append_varint(blob, len(entries))
    before, last = _BEFORE_THE_FIRST, [0] * _NUMBERS
    for entry in entries:
        numbers = _numbers(entry, before)
        for number, previous in zip(numbers, last, strict=True):
            difference = number - previous
            _append_varint(blob, difference << 1 if difference >= 0 else ~(difference << 1))
        before, last = entry, numbers
    return bytes(blob)


def decode(blob: bytes) -> list[FragmentEntry]:
    """The fragments in an index; Mp4Error when it is not one or of another version."""
    if not blob or blob[0] != VERSION:
        raise Mp4Error(f"fragment index of version {blob[0] if blob else 'none'}; this Hulta knows version {VERSION}")
    varints = list(_varints(blob))
    if not varints or len(varints) != 1 + _NUMBERS * varints[0]:
        raise Mp4Error("a fragment index is cut short or too long")
    entries: list[FragmentEntry] = []
    before, last = _BEFORE_THE_FIRST, [0] * _NUMBERS
    for start in range(1, len(varints), _NUMBERS):
        last = [n + (z >> 1 ^ -(z & 1)) for n, z in zip(last, varints[start : start + _NUMBERS], strict=True)]
        before = _entry(last, before)
        entries.append(before)
    return entries


def _numbers(entry: FragmentEntry, before: FragmentEntry) -> list[int]:
    return [
        entry.offset - before.offset - before.length,
        entry.length,
        entry.data_offset - entry.offset,
        entry.media_ticks - before.media_ticks - before.duration_ticks,
        entry.duration_ticks,
        entry.wall_us - before.end_wall_us,
        entry.end_wall_us - entry.wall_us,
        entry.samples,
        entry.sync_samples << 1 | entry.starts_with_sync,
        entry.lost_packets,
    ]


def _entry(numbers: Sequence[int], before: FragmentEntry) -> FragmentEntry:
    gap, length, header, media_gap, duration, wall_gap, wall_duration, samples, sync, lost = numbers
    offset = before.offset + before.length + gap
    wall_us = before.end_wall_us + wall_gap
    return FragmentEntry(
        offset=offset,
        length=length,
        data_offset=offset + header,
        media_ticks=before.media_ticks + before.duration_ticks + media_gap,
        duration_ticks=duration,
        wall_us=wall_us,
        end_wall_us=wall_us + wall_duration,
        samples=samples,
        sync_samples=sync >> 1,
        starts_with_sync=bool(sync & 1),
        lost_packets=lost,
    )


def _append_varint(blob: bytearray, number: int) -> None:
    while number > 0x7F:
        blob.append(number & 0x7F | 0x80)
        number >>= 7
    blob.append(number)


def _varints(blob: bytes) -> Iterator[int]:
    number = shift = 0
    for octet in blob[1:]:
        number |= (octet & 0x7F) << shift
        if octet & 0x80:
            shift += 7
            if shift > _MOST_BITS:
                raise Mp4Error("a number in a fragment index is longer than 64 bits")
        else:
            yield number
            number = shift = 0
    if shift:
        raise Mp4Error("a fragment index is cut short")
