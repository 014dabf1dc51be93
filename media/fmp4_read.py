"""Reading a segment back: the scan for any file, and the short way for a sealed one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.boxes import SEAL_USERTYPE, is_intact
from media.closing import MOST_SAMPLES_BOX_BYTES, parse_samples_box
from media.commit import COMMIT_BOX_BYTES, SEAL_BOX_BYTES, Seal, of_pictures
from media.errors import Mp4Error
from media.init_section import MOST_INIT_BYTES, read_tracks
from media.moof import fragment_samples
from media.read_window import ReadAt
from media.segment_scanner import SegmentScan, SegmentScanner, StoredFragment

if TYPE_CHECKING:
    from media.commit import Commit
    from media.identity import SegmentIdentity

__all__ = ["ReadAt", "SegmentScan", "SegmentScanner", "StoredFragment", "fragment_samples", "read_sealed", "scan"]

_TAIL_BYTES = 64 << 10
"""Holds seal and samples box of a segment of a minute, so that one read from the end gives both."""


def scan(
    read_at: ReadAt, size_bytes: int, *, verify: bool = False, identity: SegmentIdentity | None = None
) -> SegmentScan:
    """All that is valid in a file of `size_bytes`; Mp4Error unless an init section and one fragment are."""
    scanner = SegmentScanner(read_at, verify=verify, identity=identity)
    scanner.advance(size_bytes)
    return scanner.result()


def read_sealed(read_at: ReadAt, size_bytes: int) -> SegmentScan:
    """What `scan` says, in two or three reads when the file is sealed and its samples box is whole; else the scan."""
    tail_at = max(size_bytes - _TAIL_BYTES, 0)
    tail = read_at(tail_at, size_bytes - tail_at)
    if not is_intact(tail[-SEAL_BOX_BYTES:], SEAL_USERTYPE):
        return scan(read_at, size_bytes)
    seal = Seal.from_box(tail[-SEAL_BOX_BYTES:])
    if (
        seal.samples_offset + seal.samples_length + SEAL_BOX_BYTES != size_bytes
        or seal.samples_length > MOST_SAMPLES_BOX_BYTES
        or seal.init_bytes > MOST_INIT_BYTES
    ):
        return scan(read_at, size_bytes)
    if seal.samples_offset >= tail_at:
        box = tail[seal.samples_offset - tail_at : -SEAL_BOX_BYTES]
    else:
        box = read_at(seal.samples_offset, seal.samples_length)
    try:
        commits, table = parse_samples_box(box)
    except Mp4Error:
        return scan(read_at, size_bytes)
    if not of_pictures(commits) or len(commits) != seal.fragments:
        return scan(read_at, size_bytes)
    track, sound = read_tracks(read_at(0, seal.init_bytes))
    return SegmentScan(
        identity=seal.identity,
        track=track,
        sound=sound,
        init_bytes=seal.init_bytes,
        fragments=tuple(StoredFragment.of(commit) for commit in commits),
        seal=seal,
        samples=table,
        valid_bytes=size_bytes,
        torn=tuple(_holes(commits, seal)),
        faults=(),
    )


def _holes(commits: list[Commit], seal: Seal) -> list[tuple[int, int]]:
    starts = [*(commit.offset for commit in commits), seal.samples_offset]
    ends = [seal.init_bytes, *(commit.box_offset + COMMIT_BOX_BYTES for commit in commits)]
    return [(end, start) for end, start in zip(ends, starts, strict=True) if end < start]
