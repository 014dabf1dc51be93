"""A segment file that is looked at again and again while it grows; each byte is parsed once or twice, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.commit import COMMIT_BOX_BYTES
from media.segment_scanner import SegmentScanner
from storage import files

if TYPE_CHECKING:
    from media.identity import SegmentIdentity
    from media.segment_scanner import SegmentScan


class GrowingSegment:
    """Two scans of one file: one as far as its bytes go, which knows where fragments end, and one of what counts.

    The second never sees a byte past the last fragment that counts, so it says what a file that ends there would say.
    It is used only while it must be: when everything counts, the first one's answer is the same.
    """

    def __init__(self, identity: SegmentIdentity, *, verify: bool) -> None:
        self._identity = identity
        self._verify = verify
        self._fd = -1
        self._size_bytes = 0
        self._ahead = self._counted = self._scanner()
        self._counted_bytes = 0
        self._all: SegmentScan | None = None
        self._result: SegmentScan | None = None

    def scan(self, fd: int, last_fragment: int | None) -> SegmentScan | None:
        """What is in the open file `fd`, up to and with `last_fragment` (None: all); None if nothing counts.

        Mp4Error when the file holds no whole fragment, or no segment at all.
        """
        self._fd = fd
        try:
            everything = self._look_ahead(files.size_bytes(fd))
            if last_fragment is None or everything.fragments[-1].commit.fragment <= last_fragment:
                return everything
            return self._count(_end_of(everything, last_fragment))
        finally:
            self._fd = -1

    def _look_ahead(self, size_bytes: int) -> SegmentScan:
        if size_bytes < self._size_bytes:  # recovery cut a torn tail
            self._ahead, self._size_bytes, self._all = self._scanner(), 0, None
        if size_bytes > self._size_bytes:
            self._all = None
            self._ahead.advance(size_bytes)
            self._size_bytes = size_bytes
        if self._all is None:
            self._all = self._ahead.result()
        return self._all

    def _count(self, end: int) -> SegmentScan | None:
        if end < self._counted_bytes or not self._counted_bytes:
            self._counted, self._counted_bytes = self._scanner(), 0
        if end > self._counted_bytes:
            self._counted.advance(end)
            self._counted_bytes, self._result = end, self._counted.result()
        return self._result if end else None

    def _scanner(self) -> SegmentScanner:
        return SegmentScanner(self._read_at, verify=self._verify, identity=self._identity)

    def _read_at(self, offset: int, length: int) -> bytes:
        return files.read_at(self._fd, offset, length)


def _end_of(found: SegmentScan, last_fragment: int) -> int:
    """Where the last fragment that counts ends; 0 if none does."""
    commits = [fragment.commit for fragment in found.fragments if fragment.commit.fragment <= last_fragment]
    return commits[-1].box_offset + COMMIT_BOX_BYTES if commits else 0
