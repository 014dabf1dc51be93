"""The fragment header: one `moof` of one track, and the header of the `mdat` behind it (ISO/IEC 14496-12 §8.8).

One fixed layout, written and read as a whole, so that a fragment costs one struct.pack:

    moof ( mfhd, traf ( tfhd default-base-is-moof, tfdt v1, trun v1 with duration, size, flags, offset ) ) mdat

Composition offsets are signed (trun version 1): decode times are the sorted presentation times, so a picture that is
shown before its turn in decode order has a negative offset, and no presentation time is shifted to avoid that.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from media.errors import Mp4Error

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACK_ID = 1
"""Of the pictures."""

SOUND_TRACK_ID = 2
"""Of the sound, where there is any."""

_MOOF_BYTES = 88
_SAMPLE_BYTES = 16
_HEAD = "I4s I4sII I4s I4sII I4sIQ I4sIIi"
_SAMPLE = struct.Struct(">IIIi")

_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000
_TFDT_VERSION_1 = 0x01000000
_TRUN_VERSION_1 = 0x01000F01  # data offset; duration, size, flags and composition offset of each sample

_NOT_SYNC = 0x0001_0000
_SAMPLE_FLAGS = (0x0101_0000, 0x0200_0000)  # by `sync`: depends on others and not sync; depends on none


class Sample(NamedTuple):
    """One access unit in decode order."""

    size_bytes: int
    duration_ticks: int
    composition_offset_ticks: int
    sync: bool


@lru_cache(maxsize=256)
def _layout(samples: int) -> struct.Struct:
    # Parsing the format costs more than packing by it; a camera's fragments mostly have one and the same count.
    return struct.Struct(f">{_HEAD}{'IIIi' * samples}I4s")


def fragment_header(sequence: int, decode_ticks: int, samples: Sequence[Sample], track: int = TRACK_ID) -> bytes:
    """The moof of these samples and the 8-byte mdat header; `sequence` counts fragments from 1."""
    moof_bytes = _MOOF_BYTES + _SAMPLE_BYTES * len(samples)
    run = [field for size, ticks, offset, sync in samples for field in (ticks, size, _SAMPLE_FLAGS[sync], offset)]
    head = _head(moof_bytes, sequence, decode_ticks, len(samples), track)
    try:
        return _layout(len(samples)).pack(*head, *run, 8 + sum(run[1::4]), b"mdat")
    except struct.error as error:
        raise Mp4Error(f"a number in fragment {sequence} is out of range: {error}") from error


def fragment_samples(moof: bytes, track: int = TRACK_ID) -> tuple[int, list[Sample]]:
    """Decode time of the first sample, and all samples of a moof of this track; Mp4Error unless it is as above."""
    count, rest = divmod(len(moof) - _MOOF_BYTES, _SAMPLE_BYTES)
    if count < 0 or rest:
        raise Mp4Error(f"a moof of {len(moof)} bytes does not have the layout of Hulta's")
    found = struct.unpack_from(f">{_HEAD}", moof)
    sequence, decode_ticks = found[5], found[15]
    if found != _head(len(moof), sequence, decode_ticks, count, track):
        raise Mp4Error("a moof does not have the layout of Hulta's")
    return decode_ticks, [
        Sample(size, ticks, offset, not flags & _NOT_SYNC)
        for ticks, size, flags, offset in _SAMPLE.iter_unpack(moof[_MOOF_BYTES:])
    ]


def totals(samples: Sequence[Sample]) -> tuple[int, int]:
    """Bytes and ticks of all samples."""
    return sum(sample.size_bytes for sample in samples), sum(sample.duration_ticks for sample in samples)


def _head(moof_bytes: int, sequence: int, decode_ticks: int, samples: int, track: int) -> tuple[int | bytes, ...]:
    return (
        *(moof_bytes, b"moof"),
        *(16, b"mfhd", 0, sequence),
        *(moof_bytes - 24, b"traf"),
        *(16, b"tfhd", _TFHD_DEFAULT_BASE_IS_MOOF, track),
        *(20, b"tfdt", _TFDT_VERSION_1, decode_ticks),
        *(moof_bytes - 68, b"trun", _TRUN_VERSION_1, samples, moof_bytes + 8),
    )
