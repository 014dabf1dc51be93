"""Are the invariants true of one stream? Rows, objects, spool and gaps in, findings out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from media.identity import parse_key
from storage.coverage import Interval, holes, union
from storage.model import SegmentState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from storage.model import Gap, Segment, Tombstone

_WAITING = frozenset({SegmentState.SPOOLED, SegmentState.UPLOADING})


class FindingKind(StrEnum):
    """What can be wrong. The list is closed: scripts switch on it."""

    OBJECT_MISSING = "object_missing"  # a row `stored` without its object (I1)
    OBJECT_DIFFERS = "object_differs"  # an object of another size or hash than its row says (I1)
    OBJECT_UNKNOWN = "object_unknown"  # an object without row or tombstone
    OBJECT_NOT_DELETED = "object_not_deleted"  # an object whose segment has a tombstone
    OBJECT_FOREIGN = "object_foreign"  # a key that is no segment's
    FOOTAGE_MISSING = "footage_missing"  # a row that says so itself
    COPY_MISSING = "copy_missing"  # a row that waits for its upload, and neither spool copy nor object (I3)
    SPOOL_UNREADABLE = "spool_unreadable"  # a sealed file of the spool that is damaged, cut or another segment's
    NOT_TAKEN_IN = "not_taken_in"  # a run or a file of the spool that `ship` cannot bring into the catalog
    SPOOL_FOREIGN = "spool_foreign"  # a name in a stream's directory of the spool that is no segment's
    TWO_STATES = "two_states"  # a row and a tombstone (I2)
    UNDECLARED_HOLE = "undeclared_hole"  # neither footage nor gap (I4)
    JOURNAL_MISSING = "journal_missing"  # an object of the catalog journal that was written and is not there (I6)
    JOURNAL_BROKEN = "journal_broken"  # one that does not have its bytes, or a chain that does not hold (I6)
    OVERLAPPING_GAP = "overlapping_gap"  # a gap over footage or over another gap (I4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be: which, and how so."""

    kind: FindingKind
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of a stream."""

    stream: UUID
    since_us: int | None  # since when every instant is declared
    segments: Sequence[Segment] = ()
    tombstones: Sequence[Tombstone] = ()
    gaps: Sequence[Gap] = ()
    spooled: Sequence[Segment] = ()  # what lies in the spool, open segments included
    objects: Mapping[str, int] = field(default_factory=dict)  # key: size


def audit(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong with a stream."""
    return [*_rows(evidence), *_objects(evidence), *_gaps(evidence), *_holes(evidence)]


def _rows(evidence: Evidence) -> Iterator[Finding]:
    """Every row against the object it speaks of."""
    spooled = {segment.id for segment in evidence.spooled}
    buried = {tombstone.id for tombstone in evidence.tombstones}
    for row in evidence.segments:
        size_bytes, subject = evidence.objects.get(row.key), f"segment {row.id}"
        if row.id in buried:
            yield Finding(kind=FindingKind.TWO_STATES, subject=subject, what=f"{row.state}, and it has a tombstone")
        if row.state is SegmentState.MISSING:
            yield Finding(kind=FindingKind.FOOTAGE_MISSING, subject=subject, what=f"no object {row.key}")
        elif row.state is SegmentState.STORED and size_bytes is None:
            yield Finding(kind=FindingKind.OBJECT_MISSING, subject=subject, what=f"stored, but no object {row.key}")
        elif row.state is SegmentState.STORED and size_bytes != row.size_bytes:
            what = f"object {row.key} has {size_bytes} bytes instead of {row.size_bytes}"
            yield Finding(kind=FindingKind.OBJECT_DIFFERS, subject=subject, what=what)
        elif row.state in _WAITING and row.id not in spooled and size_bytes is None:
            what = f"{row.state}, but neither in the spool nor in the object store"
            yield Finding(kind=FindingKind.COPY_MISSING, subject=subject, what=what)


def _objects(evidence: Evidence) -> Iterator[Finding]:
    """Every object against the rows."""
    rows = {row.id for row in evidence.segments}
    buried = {tombstone.id for tombstone in evidence.tombstones}
    for key in evidence.objects:
        segment_id = parse_key(key)[0].segment_id
        if segment_id in buried and segment_id not in rows:
            what = "its segment has a tombstone"
            yield Finding(kind=FindingKind.OBJECT_NOT_DELETED, subject=f"object {key}", what=what)
        elif segment_id not in rows:
            what = "no row and no tombstone"
            yield Finding(kind=FindingKind.OBJECT_UNKNOWN, subject=f"object {key}", what=what)


def _gaps(evidence: Evidence) -> Iterator[Finding]:
    """No gap lies over footage or another gap."""
    footage = union(_footage(evidence))
    end_us = max((interval.end_us for interval in footage), default=0)
    before_us: int | None = None
    for gap in evidence.gaps:
        until_us = max(end_us, gap.start_us) if gap.end_us is None else gap.end_us
        free_us = sum(hole.end_us - hole.start_us for hole in holes(footage, gap.start_us, until_us))
        if free_us < until_us - gap.start_us or (before_us is not None and gap.start_us < before_us):
            subject = f"stream {evidence.stream} from {gap.start_us} us"
            what = f"the gap {gap.reason} lies over footage or another gap"
            yield Finding(kind=FindingKind.OVERLAPPING_GAP, subject=subject, what=what)
        before_us = until_us


def _holes(evidence: Evidence) -> Iterator[Finding]:
    """No instant since the stream was expected is unaccounted for, as far as `ship` has come with it."""
    gaps = [Interval(gap.start_us, gap.start_us if gap.end_us is None else gap.end_us) for gap in evidence.gaps]
    covered = union([*_footage(evidence), *gaps])
    known = {row.id for row in evidence.segments} | {tombstone.id for tombstone in evidence.tombstones}
    ends = [interval.end_us for interval in covered] + [gap.start_us for gap in evidence.gaps]
    pending = [segment.start_us for segment in evidence.spooled if segment.id not in known]
    if evidence.since_us is None or not ends:
        return
    for hole in holes(covered, evidence.since_us, min([max(ends), *pending])):
        subject = f"stream {evidence.stream} from {hole.start_us} to {hole.end_us} us"
        what = f"neither footage nor a gap for {(hole.end_us - hole.start_us) / 1e6:.6f} s"
        yield Finding(kind=FindingKind.UNDECLARED_HOLE, subject=subject, what=what)


def _footage(evidence: Evidence) -> Iterator[Interval]:
    yield from (Interval(row.start_us, row.end_us) for row in evidence.segments)
    yield from (Interval(tombstone.start_us, tombstone.end_us) for tombstone in evidence.tombstones)
