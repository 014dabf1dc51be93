"""The scan of a segment file that may be open, torn or damaged: it believes only what checks out.

A fragment counts when its commit box is whole, stands where it says it does, and its moof agrees with it. The scan
walks from box to box; where that fails it searches for the next whole commit box. Each byte is searched at most once,
in windows of bounded size, so damage costs one pass and no memory, and an open file is never scanned twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from media.boxes import CHECKED_MARK, COMMIT_USERTYPE, SAMPLES_USERTYPE, SEAL_USERTYPE, is_intact, parse_header
from media.closing import MOST_SAMPLES_BOX_BYTES, closing_boxes, parse_samples_box
from media.commit import (
    COMMIT_BOX_BYTES,
    PICTURES_ALONE,
    SEAL_BOX_BYTES,
    WITH_SOUND,
    Commit,
    Seal,
    link,
    of_pictures,
)
from media.errors import Mp4Error
from media.init_section import init_section_bytes, read_tracks
from media.moof import SOUND_TRACK_ID, TRACK_ID, fragment_samples, totals
from media.read_window import ReadWindow
from media.sample_table import SampleTableBuilder, join_tables

if TYPE_CHECKING:
    from media.identity import SegmentIdentity
    from media.read_window import ReadAt
    from media.track import Track

_FTYP_AND_MOOV_HEADER_BYTES = 64

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
    """What is in a segment file: at least one fragment of pictures."""

    identity: SegmentIdentity
    track: Track
    """Of the pictures."""
    sound: Track | None
    init_bytes: int
    fragments: tuple[StoredFragment, ...]
    """Of both tracks, in the order of the file."""
    seal: Seal | None
    samples: bytes
    """The encoded sample tables: those of a sealed file, the same made from the moofs of any other."""
    valid_bytes: int
    """End of the last good fragment's commit box, or of the seal."""
    torn: tuple[tuple[int, int], ...]
    """Start and end of each range that belongs to nothing valid."""
    faults: tuple[str, ...]
    """What contradicts what, in words: damage and tampering. Empty when all is well."""

    @property
    def pictures(self) -> list[StoredFragment]:
        """Those fragments that are of pictures."""
        return [fragment for fragment in self.fragments if fragment.commit.track == TRACK_ID]

    @property
    def commits(self) -> list[Commit]:
        """The commit box of each fragment."""
        return [fragment.commit for fragment in self.fragments]

    @property
    def end_us(self) -> int:
        """Where the pictures end."""
        return of_pictures(self.commits)[-1].end_wall_us if self.seal is None else self.seal.end_us

    def closing_boxes(self) -> list[bytes]:
        """Samples box and seal for a file without them, to append at `valid_bytes`."""
        return closing_boxes(
            self.commits,
            self.samples,
            self.track,
            init_bytes=self.init_bytes,
            offset=self.valid_bytes,
            end_us=of_pictures(self.commits)[-1].end_wall_us,
        )


class SegmentScanner:
    """Scans a file as it grows: `advance` looks at what was appended, `result` tells what is there by now.

    With `verify`, the hashes of init section and fragments and the links of the chain are checked, too. With
    `identity`, only boxes of that segment count: a box that a camera planted inside its pictures cannot even be
    mistaken for one after damage.
    """

    def __init__(self, read_at: ReadAt, *, verify: bool = False, identity: SegmentIdentity | None = None) -> None:
        self._file = ReadWindow(read_at)
        self._verify = verify
        self._identity = identity
        self._track: Track | None = None
        self._sound: Track | None = None
        self._init_bytes = 0
        self._init_sha256 = b""
        self._fragments: list[StoredFragment] = []
        self._tables = {TRACK_ID: SampleTableBuilder()}
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
        self._file.forget()

    def result(self) -> SegmentScan:
        """What was found so far; Mp4Error when there is not one fragment of pictures."""
        pictures = any(fragment.commit.track == TRACK_ID for fragment in self._fragments)
        if self._track is None or self._identity is None or not pictures:
            raise Mp4Error("the file holds no whole fragment")
        torn = list(self._torn)
        if self._valid_bytes < self._file.size_bytes:
            tail = self._valid_bytes, self._file.size_bytes
            torn = [*(piece for piece in torn if piece[0] < self._valid_bytes), tail]
        return SegmentScan(
            identity=self._identity,
            track=self._track,
            sound=self._sound,
            init_bytes=self._init_bytes,
            fragments=tuple(self._fragments),
            seal=self._seal,
            samples=self._encoded_tables(),
            valid_bytes=self._valid_bytes,
            torn=tuple(torn),
            faults=tuple(self._faults),
        )

    def _read_init(self) -> None:
        init_bytes = init_section_bytes(self._file.peek(0, _FTYP_AND_MOOV_HEADER_BYTES))
        init = self._file.peek(0, init_bytes)
        if len(init) < init_bytes:
            raise Mp4Error("the file ends inside its init section")
        self._track, self._sound = read_tracks(init)
        if self._sound is not None:
            self._tables[SOUND_TRACK_ID] = SampleTableBuilder()
        self._init_bytes = self._valid_bytes = self._position = init_bytes
        self._init_sha256 = sha256(init).digest()

    # --- finding the next box

    def _walk(self) -> bool:
        """Take what begins at the position, when it is whole. A box of a newer version raises Mp4Error."""
        end = self._end_of_box(self._position, b"moof")
        end = end and self._end_of_box(end, b"mdat")
        if end:
            commit = self._commit_at(end)
            return commit is not None and commit.offset == self._position and self._take_commit(commit)
        if self._file.peek(self._position + 4, 20) == b"uuid" + SAMPLES_USERTYPE:
            end = self._end_of_box(self._position, b"uuid")
            seal = self._seal_at(end) if end else None
            return seal is not None and self._take_seal(seal)
        return False

    def _search(self) -> bool:
        """Take the next whole box that fits, wherever it is."""
        for mark_at in self._file.find_all(CHECKED_MARK, max(self._searched, self._position) + 4):
            if self._take_found(mark_at - 4):
                return True
        self._searched = max(self._position, self._file.size_bytes - max(COMMIT_BOX_BYTES, SEAL_BOX_BYTES))
        return False

    def _take_found(self, at: int) -> bool:
        try:
            commit, seal = self._commit_at(at), self._seal_at(at)
        except Mp4Error:
            return False  # whole, yet not of our making: something in the payload that looks like a box
        return (commit is not None and self._take_commit(commit)) or (seal is not None and self._take_seal(seal))

    def _end_of_box(self, at: int, kind: bytes) -> int | None:
        try:
            header = parse_header(self._file.peek(at, 8))
        except Mp4Error:
            return None
        return at + header.size_bytes if header.kind == kind else None

    def _commit_at(self, at: int) -> Commit | None:
        """The commit box at this place, if one is whole and means this place."""
        candidate = self._file.small_box(at)
        if not is_intact(candidate, COMMIT_USERTYPE):
            return None
        commit = Commit.from_box(candidate)
        return commit if commit.box_offset == at else None

    def _seal_at(self, at: int) -> Seal | None:
        """The seal at this place, if one is whole and means this place."""
        candidate = self._file.small_box(at)
        if not is_intact(candidate, SEAL_USERTYPE):
            return None
        seal = Seal.from_box(candidate)
        return seal if seal.samples_offset + seal.samples_length == at else None

    # --- judging it

    def _take_commit(self, commit: Commit) -> bool:
        """Settle everything up to the end of this commit box; False when the box does not belong here."""
        number = self._fragments[-1].commit.fragment if self._fragments else -1
        if not self._is_ours(commit.identity) or commit.offset < self._position or commit.fragment <= number:
            return False
        self._identity = commit.identity
        end = commit.box_offset + COMMIT_BOX_BYTES
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

    def _is_ours(self, identity: SegmentIdentity) -> bool:
        return self._identity is None or identity == self._identity

    def _fault_of(self, commit: Commit) -> str:
        """Why the fragment of a whole commit box cannot be used; empty when it can. If so, its samples are kept."""
        if not 0 < commit.header_bytes <= min(commit.length, _MOST_HEADER_BYTES):
            return "its commit box contradicts itself"
        header = self._file.peek(commit.offset, commit.header_bytes)
        if self._verify and self._file.sha256(commit.offset, commit.length) != commit.sha256:
            return "its bytes do not have the hash they had when they were written"
        try:
            decode_ticks, samples = fragment_samples(header[:-_MDAT_HEADER_BYTES], commit.track)
            mdat = parse_header(header, len(header) - _MDAT_HEADER_BYTES)
            payload_bytes = commit.length - commit.header_bytes
            if (
                decode_ticks != commit.media_ticks
                or len(samples) != commit.samples
                or totals(samples) != (payload_bytes, commit.duration_ticks)
                or mdat != (b"mdat", _MDAT_HEADER_BYTES, payload_bytes + _MDAT_HEADER_BYTES)
                or commit.track not in self._tables
                or commit.version != self._version
            ):
                return "its moof and its commit box contradict each other"
            self._tables[commit.track].add(decode_ticks, samples)
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

    def _take_seal(self, seal: Seal) -> bool:
        """Settle the file's end; False when the seal does not belong here."""
        if not self._is_ours(seal.identity) or seal.samples_offset < self._position:
            return False
        self._identity = seal.identity
        self._tear(self._position, seal.samples_offset)
        samples_end = seal.samples_offset + seal.samples_length
        try:
            self._check_samples_box(seal)
        except Mp4Error as error:
            self._faults.append(str(error))
            self._tear(seal.samples_offset, samples_end)
        last = self._fragments[-1].commit if self._fragments else None
        if last is None or (seal.fragments, seal.chain) != (len(self._fragments), last.chain):
            self._faults.append(f"the seal tells of {seal.fragments} fragments and another end of the chain")
        self._seal = seal
        self._valid_bytes = self._position = samples_end + SEAL_BOX_BYTES
        return True

    def _check_samples_box(self, seal: Seal) -> None:
        if seal.samples_length > MOST_SAMPLES_BOX_BYTES:
            raise Mp4Error(f"a samples box of {seal.samples_length} bytes is not read")
        commits, table = parse_samples_box(self._file.read(seal.samples_offset, seal.samples_length))
        if commits != [fragment.commit for fragment in self._fragments] or table != self._encoded_tables():
            self._faults.append("the samples box and the fragments contradict each other")

    @property
    def _version(self) -> int:
        return PICTURES_ALONE if self._sound is None else WITH_SOUND

    def _encoded_tables(self) -> bytes:
        pictures, *sound = (builder.table().encode() for builder in self._tables.values())
        return join_tables(pictures, *sound) if sound else pictures

    def _tear(self, start: int, end: int) -> None:
        if self._torn and self._torn[-1][1] == start:
            start = self._torn.pop()[0]
        if start < end:
            self._torn.append((start, end))
