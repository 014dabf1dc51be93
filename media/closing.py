"""The boxes that close a segment: the samples box and the seal.

The samples box repeats all commit boxes and holds the sample tables, so that one read from the end of the file gives
all that the catalog wants to know, hashes included, without a walk through hundreds of megabytes:

    0 checked box header  28 track (u32)  32 fragments n (u32)  36 table bytes t (u32)
    40 n commit boxes  40 + COMMIT_BOX_BYTES * n sample table  40 + COMMIT_BOX_BYTES * n + t CRC-32
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media.boxes import SAMPLES_USERTYPE, checked_box, require_intact
from media.commit import COMMIT_BOX_BYTES, VERSION, Commit, Seal
from media.errors import Mp4Error
from media.moof import TRACK_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.track import Track

MOST_SAMPLES_BOX_BYTES = 16 << 20
"""Ten minutes at 60 frames a second take under 1 MiB. What a longer box says is taken from the moofs instead."""

_COUNTS = struct.Struct(">3xIII")
_CONTENT_AT = 25
_COMMITS_AT = _CONTENT_AT + _COUNTS.size
_CRC_BYTES = 4


def closing_boxes(
    commits: Sequence[Commit], table: bytes, track: Track, *, init_bytes: int, offset: int, end_us: int
) -> list[bytes]:
    """Samples box and seal to append at `offset` behind these fragments (at least one of pictures) and their tables."""
    samples = samples_box(commits, table)
    seal = Seal.over(
        commits, track, init_bytes=init_bytes, samples_offset=offset, samples_length=len(samples), end_us=end_us
    )
    return [samples, seal.to_box()]


def samples_box(commits: Sequence[Commit], table: bytes) -> bytes:
    """All commit boxes once more, and the encoded sample table, or the two of them."""
    counts = _COUNTS.pack(TRACK_ID, len(commits), len(table))
    return checked_box(
        SAMPLES_USERTYPE, commits[0].version, b"".join((counts, *(commit.to_box() for commit in commits), table))
    )


def parse_samples_box(candidate: bytes) -> tuple[list[Commit], bytes]:
    """Commits and encoded sample table; Mp4Error unless the box is undamaged and of this version."""
    require_intact(candidate, SAMPLES_USERTYPE, VERSION)
    if len(candidate) < _COMMITS_AT + _CRC_BYTES:
        raise Mp4Error(f"a samples box of {len(candidate)} bytes")
    _track, fragments, table_bytes = _COUNTS.unpack_from(candidate, _CONTENT_AT)
    table_at = _COMMITS_AT + COMMIT_BOX_BYTES * fragments
    if len(candidate) != table_at + table_bytes + _CRC_BYTES:
        raise Mp4Error(f"a samples box of {len(candidate)} bytes cannot hold {fragments} fragments")
    boxes = [candidate[start : start + COMMIT_BOX_BYTES] for start in range(_COMMITS_AT, table_at, COMMIT_BOX_BYTES)]
    return [Commit.from_box(box) for box in boxes], candidate[table_at:-_CRC_BYTES]
