"""What is wrong with a stream, finding by finding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from media.errors import GapReason
from storage.audit import Evidence, FindingKind, audit
from storage.model import Gap, Segment, SegmentState, Tombstone
from tests.builders_catalog import STREAM, at, digest, segment


def stored(start: float, end: float, sequence: int) -> Segment:
    """A stored segment."""
    row = segment(start, end, sequence)
    return replace(row, state=SegmentState.STORED, sha256=digest(row))


def gap(start: float, end: float | None) -> Gap:
    """A gap."""
    return Gap(
        stream=STREAM, start_us=at(start), end_us=None if end is None else at(end), reason=GapReason.STALLED, detail=""
    )


def tombstone(row: Segment) -> Tombstone:
    """What is left of a segment."""
    return Tombstone(
        identity=row.identity,
        start_us=row.start_us,
        end_us=row.end_us,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        deleted_us=at(1000),
        policy="default",
        reason="old",
    )


ROWS = [stored(0, 60, 0), stored(60, 120, 1), stored(130, 190, 2)]


def kinds(**changes: Any) -> list[str]:
    """The kinds of findings about a healthy stream with some changes."""
    healthy = Evidence(
        stream=STREAM,
        since_us=at(0),
        segments=ROWS,
        gaps=[gap(120, 130), gap(190, None)],
        objects={row.key: row.size_bytes for row in ROWS},
    )
    return [finding.kind.value for finding in audit(replace(healthy, **changes))]


def test_a_healthy_stream_has_no_findings() -> None:
    """Footage and gaps meet, rows and objects agree."""
    assert kinds() == []


def test_a_suppressed_gap_row_is_an_undeclared_hole() -> None:
    """The safety net of I4: what the catalog does not explain is told, with its edges."""
    assert kinds(gaps=[gap(190, None)]) == ["undeclared_hole"]
    (finding,) = audit(Evidence(stream=STREAM, since_us=at(0), segments=ROWS, objects={r.key: 30_000 for r in ROWS}))
    assert finding.kind is FindingKind.UNDECLARED_HOLE
    assert f"from {at(120)} to {at(130)} us" in str(finding)
    assert "for 10.000000 s" in str(finding)


def test_time_before_the_first_footage_is_owed_since_the_camera_was_enabled() -> None:
    """Nothing happens silently at the beginning either."""
    assert kinds(since_us=at(-5)) == ["undeclared_hole"]


def test_a_hole_of_a_microsecond_is_a_hole() -> None:
    """Tight means tight."""
    short = replace(ROWS[0], end_us=ROWS[0].end_us - 1)
    assert kinds(segments=[short, *ROWS[1:]]) == ["undeclared_hole"]


def test_expired_footage_is_accounted_for() -> None:
    """A tombstone covers its time, and its object should be gone."""
    objects = {row.key: row.size_bytes for row in ROWS[1:]}
    assert kinds(segments=ROWS[1:], tombstones=[tombstone(ROWS[0])], objects=objects) == []
    assert kinds(segments=ROWS[1:], tombstones=[tombstone(ROWS[0])]) == ["object_not_deleted"]


def test_what_waits_in_the_spool_is_not_judged_yet() -> None:
    """Journals and segments of the spool are still to be imported, from the first unregistered segment on."""
    waiting = [segment(250, 300, 3)]
    assert kinds(gaps=[gap(120, 130)], spooled=waiting) == []
    assert kinds(gaps=[], spooled=waiting) == ["undeclared_hole"]


def test_a_gap_over_footage_is_wrong() -> None:
    """Also an open one, and one over another gap."""
    assert kinds(gaps=[gap(119, 130), gap(190, None)]) == ["overlapping_gap"]
    assert kinds(gaps=[gap(120, 130), gap(189, None)]) == ["overlapping_gap"]
    assert kinds(gaps=[gap(120, 126), gap(125, 130), gap(190, None)]) == ["overlapping_gap"]


def test_rows_and_objects_must_agree() -> None:
    """Missing, of another size, or of nobody."""
    sizes = {row.key: row.size_bytes for row in ROWS}
    assert kinds(objects={key: size for key, size in sizes.items() if key != ROWS[1].key}) == ["object_missing"]
    assert kinds(objects={**sizes, ROWS[1].key: 29_999}) == ["object_differs"]
    assert kinds(objects={**sizes, segment(500, 560, 9).key: 30_000}) == ["object_unknown"]


def test_a_row_that_waits_needs_its_copy() -> None:
    """In the spool, or already in the store by a put whose outcome was not noted."""
    row = replace(segment(190, 250, 3), state=SegmentState.UPLOADING)
    rows, sizes = [*ROWS, row], {each.key: each.size_bytes for each in ROWS}
    gaps = [gap(120, 130), gap(250, None)]
    assert kinds(segments=rows, gaps=gaps, objects=sizes) == ["copy_missing"]
    assert kinds(segments=rows, gaps=gaps, objects=sizes, spooled=[row]) == []
    assert kinds(segments=rows, gaps=gaps, objects={**sizes, row.key: row.size_bytes}) == []


def test_missing_footage_is_told_every_time() -> None:
    """A row that says so itself is a finding, not an excuse."""
    assert kinds(segments=[replace(ROWS[0], state=SegmentState.MISSING), *ROWS[1:]]) == ["footage_missing"]


def test_a_segment_is_in_one_state() -> None:
    """A row and a tombstone contradict each other."""
    assert kinds(tombstones=[tombstone(ROWS[0])]) == ["two_states"]
