"""The fragment index: where the fragments of a segment are and when, small enough for the segment's row.

After a version byte and the count come ten numbers for each fragment. Each is written as its difference from the same
number of the fragment before, in zigzag (0, -1, 1, -2 ... become 0, 1, 2, 3 ...) as a varint (seven bits a byte, low
ones first). A regular stream repeats nine of the ten exactly, so a fragment takes about 12 bytes.

The index of a segment with sound is of version 2: that of its pictures, which most questions are about, then that of
its sound, and what an mp4 must know of the sound before its first byte:

    0 version (2)  1 bytes of the pictures' index p (u32)  5 type of the sound's sample entry (4 letters)
    9 its timescale (u32)  13 payload bytes (u64)  21 duration runs (u32)  25 decode time of the last sample (u64)
    33 pictures' index  33 + p the sound's index
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from media.errors import Mp4Error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VERSION = 1
WITH_SOUND = 2

_TOGETHER = struct.Struct(">BI4sIQIQ")
_NUMBERS = 10
_MOST_OCTETS = 9  # 63 bits


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


class SoundIndex(NamedTuple):
    """The sound of a segment."""

    entry: bytes
    """The four letters of its sample entry."""
    timescale: int
    fragments: list[FragmentEntry]
    payload_bytes: int
    duration_runs: int
    """Of all samples but the last; 0 while the segment grows, as the next one."""
    last_sample_ticks: int
    """From the first sample to the last."""

    @property
    def samples(self) -> int:
        """How many there are."""
        return sum(entry.samples for entry in self.fragments)


def encode_with_sound(pictures: Sequence[FragmentEntry], sound: SoundIndex) -> bytes:
    """The index of a segment with sound."""
    index = encode(pictures)
    numbers = sound.timescale, sound.payload_bytes, sound.duration_runs, sound.last_sample_ticks
    return _TOGETHER.pack(WITH_SOUND, len(index), sound.entry, *numbers) + index + encode(sound.fragments)


def decode_sound(blob: bytes) -> SoundIndex | None:
    """The sound of a segment with this index; None where it has none."""
    if not blob.startswith(bytes([WITH_SOUND])):
        return None
    if len(blob) < _TOGETHER.size:
        raise Mp4Error("a fragment index is cut short")
    _version, pictures_bytes, entry, timescale, *sums = _TOGETHER.unpack_from(blob)
    return SoundIndex(entry, timescale, decode(blob[_TOGETHER.size + pictures_bytes :]), *sums)


class FragmentColumns(NamedTuple):
    """The fields of all fragments of an index, each as one array."""

    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    data_offset: NDArray[np.int64]
    media_ticks: NDArray[np.int64]
    duration_ticks: NDArray[np.int64]
    wall_us: NDArray[np.int64]
    end_wall_us: NDArray[np.int64]
    samples: NDArray[np.int64]
    sync_samples: NDArray[np.int64]
    starts_with_sync: NDArray[np.bool_]
    lost_packets: NDArray[np.int64]


def decode(blob: bytes) -> list[FragmentEntry]:
    """The fragments in an index; Mp4Error when it is not one or of another version."""
    rows = zip(*(column.tolist() for column in columns(blob)), strict=True)
    return [FragmentEntry(**dict(zip(FragmentColumns._fields, row, strict=True))) for row in rows]


def columns(blob: bytes) -> FragmentColumns:
    """The same as arrays, in a third of the time: the playlist of a day reads 1440 indexes of 60 fragments."""
    if blob.startswith(bytes([WITH_SOUND])) and len(blob) >= _TOGETHER.size:
        blob = blob[_TOGETHER.size : _TOGETHER.size + _TOGETHER.unpack_from(blob)[1]]
    if not blob or blob[0] != VERSION:
        raise Mp4Error(f"fragment index of version {blob[0] if blob else 'none'}; this Hulta knows 1 and {WITH_SOUND}")
    varints = _varints(np.frombuffer(blob, np.uint8)[1:])
    if not len(varints) or len(varints) != 1 + _NUMBERS * int(varints[0]):
        raise Mp4Error("a fragment index is cut short or too long")
    zigzag = varints[1:].reshape(-1, _NUMBERS)
    differences = (zigzag >> np.uint64(1)).astype(np.int64) ^ -(zigzag & np.uint64(1)).astype(np.int64)
    gap, length, header, media_gap, duration, wall_gap, wall_duration, samples, sync, lost = np.cumsum(
        differences, axis=0
    ).T
    offset = np.cumsum(gap + _before(length))
    wall_us = np.cumsum(wall_gap + _before(wall_duration))
    return FragmentColumns(
        offset=offset,
        length=length,
        data_offset=offset + header,
        media_ticks=np.cumsum(media_gap + _before(duration)),
        duration_ticks=duration,
        wall_us=wall_us,
        end_wall_us=wall_us + wall_duration,
        samples=samples,
        sync_samples=sync >> 1,
        starts_with_sync=(sync & 1).astype(np.bool_),
        lost_packets=lost,
    )


def sound_columns(blob: bytes) -> tuple[bytes, FragmentColumns] | None:
    """The letters of the sound's sample entry, and its fragments; None where there is no sound."""
    if not blob.startswith(bytes([WITH_SOUND])) or len(blob) < _TOGETHER.size:
        return None
    _version, pictures_bytes, entry, *_ = _TOGETHER.unpack_from(blob)
    return entry, columns(blob[_TOGETHER.size + pictures_bytes :])


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


def _append_varint(blob: bytearray, number: int) -> None:
    while number > 0x7F:
        blob.append(number & 0x7F | 0x80)
        number >>= 7
    blob.append(number)


def _varints(octets: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """All numbers in a row of varints."""
    ends = np.flatnonzero(octets < 0x80)
    starts = np.concatenate(([0], ends + 1))
    lengths = np.diff(starts, append=len(octets))
    if lengths.max(initial=0) > _MOST_OCTETS:
        raise Mp4Error("a number in a fragment index is longer than 64 bits")
    if lengths[-1]:
        raise Mp4Error("a fragment index is cut short")
    if not len(ends):
        return np.empty(0, np.uint64)
    shifts = 7 * (np.arange(len(octets)) - np.repeat(starts[:-1], lengths[:-1]))
    septets = (octets & 0x7F).astype(np.uint64) << shifts.astype(np.uint64)
    return np.add.reduceat(septets, starts[:-1])


def _before(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each value the one before it, 0 for the first."""
    return np.concatenate((np.zeros(1, np.int64), values))[: len(values)]
