"""The sample table: size, duration, composition offset and sync flag of every sample of a segment, in decode order.

Laid out so that the `stbl` of a flat mp4 is made by copying (ISO/IEC 14496-12 §8.6, §8.7), and so that the header
alone tells how large that `stbl` will be; all numbers are big-endian:

    0 version (1), 3 zero bytes  4 samples  8 duration runs  12 offset runs  16 sync samples
    20 samples       x size (u32)                               as in stsz
       duration runs x samples (u32), duration in ticks (u32)   as in stts
       offset runs   x samples (u32), offset in ticks (i32)     as in ctts version 1
       sync samples  x number of the sample from 0 (u32)        stss counts from 1

A duration is the distance to the next decode time, across fragments too; the last one is that of its trun.

Pictures and sound have a table each. Where there is sound, they are kept together, and say so by their version:

    0 version (2), 3 zero bytes  4 bytes of the table of the pictures v  8 this table  8 + v the table of the sound
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from media.errors import Mp4Error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from media.moof import Sample

VERSION = 1
WITH_SOUND = 2

_TOGETHER = struct.Struct(">B3xI")
_HEADER = struct.Struct(">B3x4I")
SAMPLE_TABLE_HEADER_BYTES = _HEADER.size
_MOST_TICKS = 0xFFFF_FFFF


class SampleCounts(NamedTuple):
    """How many entries each part of a table has."""

    samples: int
    duration_runs: int
    offset_runs: int
    sync_samples: int

    @property
    def table_bytes(self) -> int:
        """How long the whole table is."""
        words = self.samples + 2 * self.duration_runs + 2 * self.offset_runs + self.sync_samples
        return SAMPLE_TABLE_HEADER_BYTES + 4 * words

    @property
    def sections(self) -> tuple[slice, slice, slice, slice]:
        """Where sizes, duration runs, offset runs and sync samples are in the table."""
        sizes = SAMPLE_TABLE_HEADER_BYTES + 4 * self.samples
        durations = sizes + 8 * self.duration_runs
        offsets = durations + 8 * self.offset_runs
        return (
            slice(SAMPLE_TABLE_HEADER_BYTES, sizes),
            slice(sizes, durations),
            slice(durations, offsets),
            slice(offsets, offsets + 4 * self.sync_samples),
        )

    @classmethod
    def of(cls, start: bytes) -> SampleCounts:
        """The counts from the first SAMPLE_TABLE_HEADER_BYTES of a table."""
        if len(start) < SAMPLE_TABLE_HEADER_BYTES:
            raise Mp4Error(f"a sample table of {len(start)} bytes")
        version, *counts = _HEADER.unpack_from(start)
        if version != VERSION:
            raise Mp4Error(f"sample table of version {version}; this Hulta knows version {VERSION}")
        return cls(*counts)


class SampleSums(NamedTuple):
    """What an mp4 of all samples of a table must know of it before its first byte, apart from how many there are."""

    payload_bytes: int
    duration_runs: int  # of all samples but the last, whose duration depends on what follows
    offset_runs: int
    least_offset_ticks: int
    last_sample_ticks: int  # decode time of the last sample since the first one

    @property
    def has_offsets(self) -> bool:
        """Whether any frame is shown at another time than it is decoded."""
        return self.offset_runs > 1 or self.least_offset_ticks != 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleTable:
    """All samples of a segment as arrays in decode order; `sync` holds the numbers of the sync samples, from 0."""

    sizes: NDArray[np.uint32]
    durations: NDArray[np.uint32]
    offsets: NDArray[np.int32]
    sync: NDArray[np.uint32]

    @property
    def decode_ticks(self) -> NDArray[np.int64]:
        """Decode time of each sample since the first one."""
        ends = np.cumsum(self.durations, dtype=np.int64)
        return ends - self.durations

    @property
    def presentation_ticks(self) -> NDArray[np.int64]:
        """Presentation time of each sample since the first decode time, which is also the first presentation time."""
        return self.decode_ticks + self.offsets

    def encode(self) -> bytes:
        """The table as bytes."""
        durations, offsets = _runs(self.durations), _runs(self.offsets)
        header = _HEADER.pack(VERSION, len(self.sizes), len(durations) // 8, len(offsets) // 8, len(self.sync))
        return b"".join(
            (header, self.sizes.astype(">u4").tobytes(), durations, offsets, self.sync.astype(">u4").tobytes())
        )

    @classmethod
    def decode(cls, table: bytes) -> SampleTable:
        """The arrays in a table; Mp4Error unless its parts fit together."""
        counts = SampleCounts.of(table)
        if counts.table_bytes != len(table):
            raise Mp4Error(f"a sample table of {len(table)} bytes whose header tells of {counts.table_bytes}")
        sizes, durations, offsets, sync = (table[section] for section in counts.sections)
        decoded = cls(
            sizes=np.frombuffer(sizes, ">u4").astype(np.uint32),
            durations=_expanded(durations, counts.samples),
            offsets=_expanded(offsets, counts.samples).view(np.int32),
            sync=np.frombuffer(sync, ">u4").astype(np.uint32),
        )
        if np.any(decoded.sync >= counts.samples) or np.any(decoded.sync[1:] <= decoded.sync[:-1]):
            raise Mp4Error("the sync samples of a sample table are not in order or not among its samples")
        return decoded


class SampleTableBuilder:
    """Collects the samples of one fragment after the other."""

    def __init__(self) -> None:
        self._sizes = array("I")
        self._ticks = array("q")
        self._offsets = array("i")
        self._sync = array("I")
        self._end_ticks = 0

    def add(self, decode_ticks: int, samples: Sequence[Sample]) -> None:
        """Append a fragment; Mp4Error when its times do not fit, which changes nothing.

        A fragment that begins before the last sample (a picture shown before one that was already committed) gets later
        decode times and smaller offsets: what is presented when stays exact, and no duration is negative.
        """
        ticks, offsets = [], []
        floor = self._ticks[-1] if self._ticks else decode_ticks
        end_ticks = decode_ticks
        for sample in samples:
            floor = max(floor, end_ticks)
            ticks.append(floor)
            offsets.append(end_ticks + sample.composition_offset_ticks - floor)
            end_ticks += sample.duration_ticks
        if self._ticks and ticks and ticks[0] - self._ticks[-1] > _MOST_TICKS:
            raise Mp4Error(f"a fragment at {decode_ticks} ticks is too far behind a sample at {self._ticks[-1]}")
        number = len(self._sizes)
        try:
            columns = array("q", ticks), array("i", offsets)
        except OverflowError as error:
            raise Mp4Error(f"the times of a fragment at {decode_ticks} ticks are out of range") from error
        self._ticks += columns[0]
        self._offsets += columns[1]
        self._sizes.extend(sample.size_bytes for sample in samples)
        self._sync.extend(index for index, sample in enumerate(samples, number) if sample.sync)
        self._end_ticks = max(floor, end_ticks)

    def table(self) -> SampleTable:
        """The table of all samples so far."""
        ends = [self._end_ticks] if self._ticks else []
        ticks = np.concatenate((np.array(self._ticks, dtype=np.int64), np.array(ends, dtype=np.int64)))
        return SampleTable(
            sizes=np.array(self._sizes, dtype=np.uint32),
            durations=np.diff(ticks).astype(np.uint32),
            offsets=np.array(self._offsets, dtype=np.int32),
            sync=np.array(self._sync, dtype=np.uint32),
        )


def join_tables(pictures: bytes, sound: bytes) -> bytes:
    """The encoded tables of a segment with sound, as one."""
    return _TOGETHER.pack(WITH_SOUND, len(pictures)) + pictures + sound


def split_tables(encoded: bytes) -> tuple[bytes, bytes]:
    """The encoded tables of pictures and of sound, which is empty where there is none. Mp4Error when cut short."""
    if not encoded.startswith(bytes([WITH_SOUND])):
        return encoded, b""
    pictures_at = _TOGETHER.size
    _version, pictures_bytes = _TOGETHER.unpack_from(encoded.ljust(pictures_at, b"\0"))
    sound_at = pictures_at + pictures_bytes
    if len(encoded) < sound_at + SAMPLE_TABLE_HEADER_BYTES:
        raise Mp4Error(f"two sample tables in {len(encoded)} bytes")
    return encoded[pictures_at:sound_at], encoded[sound_at:]


def _runs(values: NDArray[np.uint32] | NDArray[np.int32]) -> bytes:
    if not len(values):
        return b""
    starts = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
    runs = np.empty((len(starts), 2), dtype=">u4")
    runs[:, 0] = np.diff(starts, append=len(values))
    runs[:, 1] = values[starts].view(np.uint32)
    return runs.tobytes()


def _expanded(runs: bytes, samples: int) -> NDArray[np.uint32]:
    pairs = np.frombuffer(runs, ">u4").reshape(-1, 2)
    if int(pairs[:, 0].sum(dtype=np.uint64)) != samples:
        raise Mp4Error(f"the runs of a sample table do not add up to its {samples} samples")
    return np.repeat(pairs[:, 1].astype(np.uint32), pairs[:, 0])
