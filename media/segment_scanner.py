"""The scan of a segment file that may be open, torn or damaged: it believes only what checks out.

A fragment counts when its commit box is whole, stands where it says it does, and its moof agrees with it. The scan
walks from box to box; where that fails it searches for the next whole commit box. Each byte is searched at most once,
in windows of bounded size, so damage costs one pass and no memory, and an open file is never scanned twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from media.boxes import CHECKED_MARK, COMMIT_USERTYPE, SAMPLES_USERTYPE, SEAL_USERTYPE, is_intact, parse_header
from media.closing import closing_boxes, parse_samples_box
from media.commit import COMMIT_BOX_BYTES, SEAL_BOX_BYTES, Commit, Seal, link
from media.errors import Mp4Error
from media.init_section import init_section_bytes, read_init_section
from media.moof import TRACK_ID, fragment_samples, totals
from media.sample_table import SampleTableBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from media.identity import SegmentIdentity
    from media.track import Track

ReadAt = Callable[[int, int], bytes]
"""Offset and length to up to `length` bytes of the file."""

_SEARCH_BYTES = 1 << 20
_PEEK_BYTES = 4096
"""Holds a commit box and the moof behind it, so that a walk costs one read a fragment."""

_MOST_HEADER_BYTES = 1 << 20
"""A moof of 65 000 samples. What claims more is damage."""

_MDAT_HEADER_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFragment:
    """A fragment that is in the file, and where its payload is."""

    commit: Commit
    data_offset: int
    data_bytes: int

    @classmethod
    def of(cls, commit: Commit) -> StoredFragment:
        """The fragment this commit box tells of."""
        return cls(
            commit=commit,
            data_offset=commit.offset + commit.header_bytes,
            data_bytes=commit.length - commit.header_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentScan:
    """What is in a segment file: at least one fragment."""

    identity: SegmentIdentity
    track: Track
    init_bytes: int
    fragments: tuple[StoredFragment, ...]
    seal: Seal | None
    samples: bytes
    """The encoded sample table: that of a sealed file, the same made from the moofs of any other."""
    valid_bytes: int
    """End of the last good fragment's commit box, or of the seal."""
    torn: tuple[tuple[int, int], ...]
    """Start and end of each range that belongs to nothing valid."""
    faults: tuple[str, ...]
    """What contradicts what, in words: damage and tampering. Empty when all is well."""

    def closing_boxes(self) -> list[bytes]:
        """Samples box and seal for a file without them, to append at `valid_bytes`."""
        commits = [fragment.commit for fragment in self.fragments]
        return closing_boxes(
            commits,
            self.samples,
            self.track,
            init_bytes=self.init_bytes,
            offset=self.valid_bytes,
            end_us=commits[-1].end_wall_us,
        )


class SegmentScanner:
    """Scans a file as it grows: `advance` looks at what was appended, `result` tells what is there by now.

    With `verify`, the hashes of init section and fragments and the links of the chain are checked, too. With
    `identity`, only boxes of that segment count: a box that a camera planted inside its pictures cannot even be
    mistaken for one after damage.
    """

    def __init__(self, read_at: ReadAt, *, verify: bool = False, identity: SegmentIdentity | None = None) -> None:
        self._file = _Window(read_at)
        self._verify = verify
        self._identity = identity
        self._track: Track | None = None
        self._init_bytes = 0
        self._init_sha256 = b""
        self._fragments: list[StoredFragment] = []
        self._table = SampleTableBuilder()
        self._seal: Seal | None = None
        self._valid_bytes = 0
        self._position = 0  # what is before it is settled, good or torn
        self._searched = 0  # no whole box begins between position and here
        self._torn: list[tuple[int, int]] = []
        self._faults: list[str] = []

    def advance(self, size_bytes: int) -> None:
        """Look at the file up to `size_bytes`. Mp4Error when it does not begin with a whole init section of ours."""
        self._file.resize(size_bytes)
        if self._track is None:
            self._read_init()
        while self._seal is None and (self._walk() or self._search()):
            pass

    def result(self) -> SegmentScan:
        """What was found so far; Mp4Error when there is not one fragment."""
        if self._track is None or self._identity is None or not self._fragments:
            raise Mp4Error("the file holds no whole fragment")
        torn = list(self._torn)
        if self._valid_bytes < self._file.size_bytes:
            tail = self._valid_bytes, self._file.size_bytes
            torn = [*(piece for piece in torn if piece[0] < self._valid_bytes), tail]
        return SegmentScan(
            identity=self._identity,
            track=self._track,
            init_bytes=self._init_bytes,
            fragments=tuple(self._fragments),
            seal=self._seal,
            samples=self._table.table().encode(),
            valid_bytes=self._valid_bytes,
            torn=tuple(torn),
            faults=tuple(self._faults),
        )

    def _read_init(self) -> None:
        init_bytes = init_section_bytes(self._file.peek(0, _PEEK_BYTES))
        init = self._file.peek(0, init_bytes)
        if len(init) < init_bytes:
            raise Mp4Error("the file ends inside its init section")
        self._track = read_init_section(init)
        self._init_bytes = self._valid_bytes = self._position = init_bytes
        self._init_sha256 = sha256(init).digest()

    # --- finding the next box

    def _walk(self) -> bool:
        """Take what begins at the position, when it is whole. A box of a newer version raises Mp4Error."""
        end = self._end_of_box(self._position, b"moof")
        end = end and self._end_of_box(end, b"mdat")
        if end:
            return self._is_commit(end) and self._take_commit(Commit.from_box(self._file.box(end)), end)
        if self._file.peek(self._position + 4, 20) == b"uuid" + SAMPLES_USERTYPE:
            end = self._end_of_box(self._position, b"uuid")
            return end is not None and self._is_seal(end) and self._take_seal(Seal.from_box(self._file.box(end)), end)
        return False

    def _search(self) -> bool:
        """Take the next whole box that fits, wherever it is."""
        for at in self._file.find_all(CHECKED_MARK, max(self._searched, self._position) + 4):
            if self._try(at - 4):
                return True
        self._searched = max(self._position, self._file.size_bytes - max(COMMIT_BOX_BYTES, SEAL_BOX_BYTES))
        return False

    def _try(self, at: int) -> bool:
        try:
            if self._is_commit(at):
                return self._take_commit(Commit.from_box(self._file.box(at)), at)
            if self._is_seal(at):
                return self._take_seal(Seal.from_box(self._file.box(at)), at)
        except Mp4Error:
            return False  # whole, yet not of our making: something in the payload that looks like a box
        return False

    def _end_of_box(self, at: int, kind: bytes) -> int | None:
        try:
            header = parse_header(self._file.peek(at, 8))
        except Mp4Error:
            return None
        return at + header.size_bytes if header.kind == kind else None

    def _is_commit(self, at: int) -> bool:
        return is_intact(self._file.box(at), COMMIT_USERTYPE)

    def _is_seal(self, at: int) -> bool:
        return is_intact(self._file.box(at), SEAL_USERTYPE)

    # --- judging it

    def _take_commit(self, commit: Commit, at: int) -> bool:
        """Settle everything up to the end of this commit box; False when the box does not belong here."""
        number = self._fragments[-1].commit.fragment if self._fragments else -1
        if (
            commit.identity != (self._identity or commit.identity)
            or commit.box_offset != at
            or commit.offset < self._position
            or commit.fragment <= number
        ):
            return False
        self._identity = commit.identity
        end = at + COMMIT_BOX_BYTES
        fault = self._fault_of(commit)
        if fault:
            self._faults.append(f"fragment {commit.fragment}: {fault}")
            self._tear(self._position, end)
        else:
            self._tear(self._position, commit.offset)
            if self._verify:
                self._check_links(commit)
            self._fragments.append(StoredFragment.of(commit))
            self._valid_bytes = end
        self._position = end
        return True

    def _fault_of(self, commit: Commit) -> str:
        """Why the fragment of a whole commit box cannot be used; empty when it can. If so, its samples are kept."""
        if not 0 < commit.header_bytes <= min(commit.length, _MOST_HEADER_BYTES):
            return "its commit box contradicts itself"
        header = self._file.peek(commit.offset, commit.header_bytes)
        if self._verify and self._file.sha256(commit.offset, commit.length) != commit.sha256:
            return "its bytes do not have the hash they had when they were written"
        try:
            decode_ticks, samples = fragment_samples(header[:-_MDAT_HEADER_BYTES])
            mdat = parse_header(header, len(header) - _MDAT_HEADER_BYTES)
            payload_bytes = commit.length - commit.header_bytes
            if (
                decode_ticks != commit.media_ticks
                or len(samples) != commit.samples
                or totals(samples) != (payload_bytes, commit.duration_ticks)
                or mdat != (b"mdat", _MDAT_HEADER_BYTES, payload_bytes + _MDAT_HEADER_BYTES)
                or commit.track != TRACK_ID
            ):
                return "its moof and its commit box contradict each other"
            self._table.add(decode_ticks, samples)
        except Mp4Error as error:
            return str(error)
        return ""

    def _check_links(self, commit: Commit) -> None:
        name = f"fragment {commit.fragment}"
        if commit.chain != link(commit):
            self._faults.append(f"{name}: its commit box was changed after it was written")
        if commit.init_sha256 != self._init_sha256:
            self._faults.append(f"{name}: it was written for another init section")
        last = self._fragments[-1].commit if self._fragments else None
        expected = last.fragment + 1 if last else 0
        if commit.fragment != expected:
            self._faults.append(f"{name}: {commit.fragment - expected} before it missing or damaged")
        elif last and commit.previous != last.chain:
            self._faults.append(f"{name}: the chain is broken between it and fragment {last.fragment}")

    def _take_seal(self, seal: Seal, at: int) -> bool:
        """Settle the file's end; False when the seal does not belong here."""
        if (
            seal.identity != (self._identity or seal.identity)
            or seal.samples_offset + seal.samples_length != at
            or seal.samples_offset < self._position
        ):
            return False
        self._identity = seal.identity
        self._tear(self._position, seal.samples_offset)
        try:
            self._check_samples_box(self._file.read(seal.samples_offset, seal.samples_length))
        except Mp4Error as error:
            self._faults.append(str(error))
            self._tear(seal.samples_offset, at)
        last = self._fragments[-1].commit if self._fragments else None
        if last is None or (seal.fragments, seal.chain) != (len(self._fragments), last.chain):
            self._faults.append(f"the seal tells of {seal.fragments} fragments and another end of the chain")
        self._seal = seal
        self._valid_bytes = self._position = at + SEAL_BOX_BYTES
        return True

    def _check_samples_box(self, box: bytes) -> None:
        commits, table = parse_samples_box(box)
        if commits != [fragment.commit for fragment in self._fragments] or table != self._table.table().encode():
            self._faults.append("the samples box and the fragments contradict each other")

    def _tear(self, start: int, end: int) -> None:
        if self._torn and self._torn[-1][1] == start:
            start = self._torn.pop()[0]
        if start < end:
            self._torn.append((start, end))


class _Window:
    """The file up to a size, read through two small windows: one at the moof, one at the commit box behind it."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self.size_bytes = 0
        self._windows: list[tuple[int, bytes]] = []

    def resize(self, size_bytes: int) -> None:
        """The file is this long by now; what was read before may have been its end."""
        self.size_bytes = size_bytes
        self._windows.clear()

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes, none of them past the end."""
        length = min(length, self.size_bytes - offset)
        return self._read_at(offset, length) if length > 0 else b""

    def peek(self, offset: int, length: int) -> bytes:
        """The same by way of a window, so that neighbouring looks cost one read."""
        for start, content in self._windows:
            if start <= offset and offset + length <= start + len(content):
                return content[offset - start : offset - start + length]
        content = self.read(offset, max(length, _PEEK_BYTES))
        self._windows = [(offset, content), *self._windows[:1]]
        return content[:length]

    def box(self, at: int) -> bytes:
        """The bytes of the box at this place, as far as its size is that of a commit box or a seal of some version."""
        size = int.from_bytes(self.peek(at, 4), "big")
        return self.peek(at, size) if size <= _PEEK_BYTES else b""

    def find_all(self, mark: bytes, start: int) -> Iterator[int]:
        """Each place of `mark` from `start` on."""
        while start < self.size_bytes:
            window = self.peek(start, _SEARCH_BYTES)
            found = window.find(mark)
            while found >= 0:
                yield start + found
                found = window.find(mark, found + 1)
            start += max(len(window) - len(mark) + 1, 1)

    def sha256(self, offset: int, length: int) -> bytes:
        """The hash of a range; of a shorter one, and so another, where the file ends early."""
        digest = sha256()
        for start in range(offset, offset + length, _SEARCH_BYTES):
            digest.update(self.read(start, min(_SEARCH_BYTES, offset + length - start)))
        return digest.digest()
