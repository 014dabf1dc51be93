"""What is there and what is not. Pure: rows in, a partition of the range out.

Every instant since the camera was first to record is exactly one of (I4):

    span      recorded
    gap       not recorded, with the reason that was declared
    expired   deleted by policy, or about to be
    missing   lost: an object is gone, or nobody declared the hole
    pending   not known yet: after the last durable instant, or so recent that its declaration may be on its way

Footage that is there beats every claim that it is not, so a gap that is still open ends where footage begins; and a
hole that nothing explains is never silent.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from media.errors import GapReason
from playback.slices import follows
from playback.timerange import SECOND_US, format_instant
from storage.model import Gap, SegmentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from storage.model import Event, Segment, Stretch, Tombstone

SETTLING_US = 30 * SECOND_US
"""What a declaration takes at most: a journal sync, an import, a transaction. An older hole without one is missing."""

SHOWN = frozenset({SegmentState.SPOOLED, SegmentState.UPLOADING, SegmentState.STORED})
_EXPIRING = frozenset({SegmentState.MARKED, SegmentState.PURGING, SegmentState.GONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Consecutive segments of one span, clipped to the range; counts are of the segments in it, clipped or not.

    Their bytes are those that the evidence gives them: `Library.timeline` counts the fragments inside the range.
    """

    from_us: int
    to_us: int
    segments: int
    size_bytes: int
    damaged: int  # segments in which packets were lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """An interval without footage to show: expired, missing or pending, and why."""

    from_us: int
    to_us: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredGap:
    """A gap, clipped to the range."""

    from_us: int
    to_us: int
    reason: GapReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A range of a camera, partitioned."""

    camera: UUID
    from_us: int
    to_us: int
    spans: tuple[Span, ...]
    gaps: tuple[DeclaredGap, ...]
    expired: tuple[Absence, ...]
    missing: tuple[Absence, ...]
    pending: tuple[Absence, ...]
    events: tuple[Event, ...]

    def to_json(self) -> dict[str, Any]:
        """The answer of the API and of `hulta footage --json`."""
        return {
            "camera": str(self.camera),
            **_range(self.from_us, self.to_us),
            "spans": [
                {**_of(span), "segments": span.segments, "bytes": span.size_bytes, "damaged": span.damaged}
                for span in self.spans
            ],
            "gaps": [{**_of(gap), "reason": gap.reason.value, "detail": gap.detail} for gap in self.gaps],
            "expired": [{**_of(part), "detail": part.detail} for part in self.expired],
            "missing": [{**_of(part), "detail": part.detail} for part in self.missing],
            "pending": [{**_of(part), "detail": part.detail} for part in self.pending],
            "events": [
                {**event.fields, **_range(event.at_us, event.at_us), "kind": event.kind} for event in self.events
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of a stream about `[from_us, to_us)`, as rows."""

    from_us: int
    to_us: int
    now_us: int
    expected_since_us: int | None  # None: it was never to record
    enabled: bool
    segments: Sequence[Segment | Stretch]  # in any state
    tombstones: Sequence[Tombstone] = ()
    gaps: Sequence[Gap] = ()
    events: Sequence[Event] = ()
    known_after: bool = False  # whether footage or gaps are known after `to_us`


def partition(camera: UUID, evidence: Evidence) -> Timeline:
    """The timeline that follows from the evidence."""
    free = _Free(evidence.from_us, evidence.to_us)
    spans = tuple(_spans(evidence.segments, free))
    missing = [*_lost(evidence.segments, free)]
    expired = [*_expired(evidence, free)]
    gaps = [*_declared(evidence, free)]
    pending: list[Absence] = []
    for start, end in _holes(evidence, free):
        if _may_be_explained(evidence, end):
            if evidence.enabled:
                pending.append(Absence(from_us=start, to_us=end, detail="not yet durable, or on its way"))
            else:
                gaps.append(DeclaredGap(from_us=start, to_us=end, reason=GapReason.CAMERA_DISABLED, detail=""))
        else:
            missing.append(Absence(from_us=start, to_us=end, detail="neither footage nor a declared gap"))
    return Timeline(
        camera=camera,
        from_us=evidence.from_us,
        to_us=evidence.to_us,
        spans=spans,
        gaps=tuple(sorted(gaps, key=_from_us)),
        expired=tuple(_joined(expired)),
        missing=tuple(_joined(missing)),
        pending=tuple(_joined(pending)),
        events=tuple(evidence.events),
    )


@dataclass(slots=True)
class _Free:
    """The instants that nothing was said about yet, as sorted intervals."""

    from_us: int
    to_us: int
    _intervals: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._intervals = [(self.from_us, self.to_us)]

    def claim(self, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """Take what is still free between two instants."""
        taken: list[tuple[int, int]] = []
        left: list[tuple[int, int]] = []
        first = max(0, bisect_right(self._intervals, (start_us,)) - 1)
        stop = first
        while stop < len(self._intervals) and self._intervals[stop][0] < end_us:
            start, end = self._intervals[stop]
            inside = max(start, start_us), min(end, end_us)
            if inside[0] < inside[1]:
                taken.append(inside)
                left += [(s, e) for s, e in ((start, inside[0]), (inside[1], end)) if s < e]
            else:
                left.append((start, end))
            stop += 1
        self._intervals[first:stop] = left
        return taken


def _spans(segments: Iterable[Segment | Stretch], free: _Free) -> Iterator[Span]:
    visible = sorted((s for s in segments if s.state in SHOWN), key=lambda s: (s.start_us, s.identity.sequence))
    for run in _runs(visible):
        for start, end in free.claim(run[0].start_us, max(segment.end_us for segment in run)):
            inside = [segment for segment in run if segment.start_us < end and segment.end_us > start]
            yield Span(
                from_us=start,
                to_us=end,
                segments=len(inside),
                size_bytes=sum(segment.size_bytes for segment in inside),
                damaged=sum(segment.lost_packets > 0 for segment in inside),
            )


def _runs(segments: Sequence[Segment | Stretch]) -> Iterator[Sequence[Segment | Stretch]]:
    """Consecutive segments of one span. One that lost its end to the disk is not joined with what follows the loss."""
    start = 0
    for index, (before, after) in enumerate(pairwise(segments), start=1):
        if not follows(after, before) or after.start_us > before.end_us:
            yield segments[start:index]
            start = index
    if segments:
        yield segments[start:]


def _lost(segments: Iterable[Segment | Stretch], free: _Free) -> Iterator[Absence]:
    for segment in segments:
        if segment.state is SegmentState.MISSING:
            yield from _claimed(free, segment.start_us, segment.end_us, "the object store does not have it")


def _expired(evidence: Evidence, free: _Free) -> Iterator[Absence]:
    for segment in evidence.segments:
        if segment.state in _EXPIRING:
            yield from _claimed(free, segment.start_us, segment.end_us, "deleted by policy")
    for tombstone in evidence.tombstones:
        yield from _claimed(free, tombstone.start_us, tombstone.end_us, "deleted by policy")


def _claimed(free: _Free, start_us: int, end_us: int, detail: str) -> Iterator[Absence]:
    for start, end in free.claim(start_us, end_us):
        yield Absence(from_us=start, to_us=end, detail=detail)


def _declared(evidence: Evidence, free: _Free) -> Iterator[DeclaredGap]:
    for gap in evidence.gaps:
        for start, end in free.claim(gap.start_us, _gap_end_us(gap, evidence)):
            yield DeclaredGap(from_us=start, to_us=end, reason=gap.reason, detail=gap.detail)


def _gap_end_us(gap: Gap, evidence: Evidence) -> int:
    """Where a gap ends; an open one at the first footage after its start, whether the catalog knows of it or not."""
    if gap.end_us is not None:
        return gap.end_us
    footage = (s.start_us for s in evidence.segments if s.state in SHOWN and s.start_us >= gap.start_us)
    return min(footage, default=min(evidence.to_us, evidence.now_us))


def _holes(evidence: Evidence, free: _Free) -> list[tuple[int, int]]:
    """What is left of the instants that somebody should account for."""
    if evidence.expected_since_us is None:
        return []
    return free.claim(evidence.expected_since_us, min(evidence.to_us, evidence.now_us))


def _may_be_explained(evidence: Evidence, end_us: int) -> bool:
    """Whether an unexplained hole may still be explained."""
    if end_us > evidence.now_us - SETTLING_US:
        return True
    return end_us == evidence.to_us and not evidence.known_after


def _joined(parts: Sequence[Absence]) -> Iterator[Absence]:
    """Neighbours of one kind as one."""
    ordered = sorted(parts, key=_from_us)
    current = ordered[0] if ordered else None
    for part in ordered[1:]:
        assert current is not None
        if part.from_us == current.to_us and part.detail == current.detail:
            current = Absence(from_us=current.from_us, to_us=part.to_us, detail=part.detail)
        else:
            yield current
            current = part
    if current is not None:
        yield current


def _from_us(part: Span | Absence | DeclaredGap) -> int:
    return part.from_us


def _of(part: Span | Absence | DeclaredGap) -> dict[str, str]:
    return _range(part.from_us, part.to_us)


def _range(from_us: int, to_us: int) -> dict[str, str]:
    return {"from": format_instant(from_us), "to": format_instant(to_us)}
