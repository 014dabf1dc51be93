"""A segment file read while it grows, in any steps and with any mark: always what a file ending there would say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.commit import COMMIT_BOX_BYTES
from media.errors import Mp4Error
from media.fmp4_read import scan
from storage import files
from storage.growing_segment import GrowingSegment
from tests.builders_segment import plain_track, plain_units, reader, write
from tests.builders_spool import identity

if TYPE_CHECKING:
    from pathlib import Path

    from media.segment_scanner import SegmentScan

SEGMENT = write(plain_track(), plain_units(6), identity=identity())
CONTENT = SEGMENT.sealed


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.integers(0, 900), st.none() | st.integers(-1, 6)), min_size=1, max_size=12),
    verify=st.booleans(),
)
def test_an_incremental_scan_says_what_a_fresh_one_would(
    tmp_path: Path, steps: list[tuple[int, int | None]], verify: bool
) -> None:
    """Growing by any number of bytes, up to and with any last fragment, the answer is that of a scan of just that."""
    path = tmp_path / "segment"
    path.write_bytes(b"")
    growing = GrowingSegment(identity(), verify=verify)
    fd = files.open_read(path)
    size_bytes = 0
    for step, last_fragment in steps:
        size_bytes = min(size_bytes + step, len(CONTENT))
        path.write_bytes(CONTENT[:size_bytes])
        assert _look(growing, fd, last_fragment) == _expected(size_bytes, last_fragment)
    files.close(fd)


def _look(growing: GrowingSegment, fd: int, last_fragment: int | None) -> SegmentScan | None:
    try:
        return growing.scan(fd, last_fragment)
    except Mp4Error:
        return None


def _expected(size_bytes: int, last_fragment: int | None) -> SegmentScan | None:
    ends = [commit.box_offset + COMMIT_BOX_BYTES for commit in SEGMENT.commits]
    whole = [end for end in ends if end <= size_bytes]
    if last_fragment is not None and last_fragment < len(whole) - 1:
        size_bytes = whole[last_fragment] if last_fragment >= 0 else 0
    if not whole or not size_bytes:
        return None
    return scan(reader(CONTENT), size_bytes, identity=identity())
