"""What a segment file proves by itself: its hashes, its chain and its seal, without a catalog, a store or a key.

Every byte of a sealed segment is covered: the init section and each fragment by the SHA-256 in a commit box, the commit
boxes by the chain, samples box and seal by what they repeat. A chain has no key: a file that somebody wrote anew from
its first byte on verifies, too, but ends in another head. Who has the head from elsewhere can tell (docs/verify.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from media.commit import ZERO_CHAIN, Seal
from media.fmp4_read import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.fmp4_read import ReadAt, SegmentScan


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One file that is a segment, as a whole or in part. `torn`: ranges of bytes that nothing vouches for."""

    size_bytes: int
    scan: SegmentScan
    faults: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether every byte is as it was when the segment was sealed, or, of one without a seal, committed."""
        return not self.faults and not self.scan.torn

    @property
    def sealed(self) -> bool:
        """Whether it is also known that nothing is missing at its end."""
        return self.scan.seal is not None

    @property
    def previous(self) -> bytes:
        """The head of the chain before its first fragment."""
        return self.scan.commits[0].previous

    @property
    def head(self) -> bytes:
        """The head of the chain after its last fragment."""
        return self.scan.commits[-1].chain


def verify(read_at: ReadAt, size_bytes: int) -> Verification:
    """Read a whole file and compare what is said twice. Mp4Error if it is no segment, or nothing in it is whole."""
    found = scan(read_at, size_bytes, verify=True)
    faults = list(found.faults)
    if found.commits[0].fragment != 0:
        faults.append(f"the first fragment is number {found.commits[0].fragment}: what was before it is gone")
    if found.seal is not None and not faults and not found.torn:
        faults += _contradictions(found, found.seal)
    return Verification(size_bytes=size_bytes, scan=found, faults=tuple(faults))


def _contradictions(found: SegmentScan, seal: Seal) -> list[str]:
    """A seal repeats what the fragments say. Its own end may be later than that of the last picture."""
    expected = Seal.over(
        found.commits,
        found.track,
        init_bytes=found.init_bytes,
        samples_offset=seal.samples_offset,
        samples_length=seal.samples_length,
        end_us=seal.end_us,
    )
    return [] if replace(expected, init_sha256=seal.init_sha256) == seal else ["the seal says what no fragment says"]


class Break(NamedTuple):
    """Two segments, by their place in the order in which they were given, that do not follow one another."""

    before: int
    after: int
    why: str


def breaks(files: Sequence[Verification]) -> list[Break]:
    """Where the chain does not go on from one segment to the next. Another run, or stream, has a chain of its own."""
    found = []
    for number, (one, two) in enumerate(pairwise(files)):
        why = _break(one, two)
        if why:
            found.append(Break(number, number + 1, why))
    return found


def _break(one: Verification, two: Verification) -> str:
    before, after = one.scan.identity, two.scan.identity
    if (before.stream, before.epoch) != (after.stream, after.epoch):
        return "they are of different streams"
    if before.run != after.run:
        begins = after.sequence == 0 and two.previous == ZERO_CHAIN
        return "" if begins else f"a new run begins with segment {after.sequence}, not with its first"
    if after.sequence != before.sequence + 1:
        return f"segment {before.sequence} is followed by segment {after.sequence}"
    return "" if two.previous == one.head else "the chain is broken: one of them is not what it was"
