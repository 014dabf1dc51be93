"""I4: whatever the rows say, and however they contradict each other, every instant is exactly one thing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import GapReason
from media.identity import SegmentIdentity
from playback.timeline import SETTLING_US, Evidence, Timeline, partition
from storage.model import Gap, Segment, SegmentState, Tombstone
from tests.builders_rows import CAMERA, STREAM, segment_row

INSTANTS = st.integers(0, 200).map(lambda number: number * SETTLING_US // 10)


def segment(start_us: int, length_us: int, state: SegmentState, place: tuple[int, int, int]) -> Segment:
    """A row of which only identity, time and state matter."""
    run, sequence, span = place
    return segment_row(start_us, start_us + length_us, sequence, run=run, span=span, state=state)


def tombstone(start_us: int, length_us: int, sequence: int) -> Tombstone:
    """Proof of a deletion."""
    return Tombstone(
        identity=SegmentIdentity(camera=CAMERA, stream=STREAM, epoch=1, run=9, sequence=sequence),
        start_us=start_us,
        end_us=start_us + length_us,
        size_bytes=1,
        sha256=None,
        deleted_us=0,
        policy="default",
        reason="",
    )


LENGTHS = st.integers(0, 40).map(lambda number: number * SETTLING_US // 10)
SEGMENTS = st.lists(
    st.builds(
        segment,
        INSTANTS,
        LENGTHS,
        st.sampled_from(SegmentState),
        st.tuples(st.integers(1, 2), st.integers(0, 5), st.integers(0, 1)),
    ),
    max_size=8,
)
GAPS = st.lists(
    st.builds(
        lambda start_us, length_us: Gap(
            stream=STREAM,
            start_us=start_us,
            end_us=None if length_us is None else start_us + length_us,
            reason=GapReason.CRASH,
        ),
        INSTANTS,
        st.none() | LENGTHS,
    ),
    max_size=5,
)
EVIDENCE = st.builds(
    lambda from_us, length_us, now_us, since_us, enabled, segments, tombstones, gaps, known_after: Evidence(
        from_us=from_us,
        to_us=from_us + length_us + 1,
        now_us=now_us,
        expected_since_us=since_us,
        enabled=enabled,
        segments=segments,
        tombstones=tombstones,
        gaps=gaps,
        known_after=known_after,
    ),
    INSTANTS,
    LENGTHS,
    INSTANTS,
    st.none() | INSTANTS,
    st.booleans(),
    SEGMENTS,
    st.lists(st.builds(tombstone, INSTANTS, LENGTHS, st.integers(0, 5)), max_size=4),
    GAPS,
    st.booleans(),
)


def parts(timeline: Timeline) -> list[tuple[int, int]]:
    """All intervals of all kinds, by start."""
    kinds = (timeline.spans, timeline.gaps, timeline.expired, timeline.missing, timeline.pending)
    return sorted((part.from_us, part.to_us) for kind in kinds for part in kind)


@settings(max_examples=200)
@given(EVIDENCE)
def test_every_instant_is_exactly_one_thing(evidence: Evidence) -> None:
    """No two parts overlap, none leaves the range, and since the camera was enabled nothing is left out."""
    found = parts(partition(CAMERA, evidence))
    assert all(evidence.from_us <= start < end <= evidence.to_us for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    if evidence.expected_since_us is None:
        return
    instant = max(evidence.from_us, evidence.expected_since_us)
    for start, end in found:
        if instant < min(evidence.to_us, evidence.now_us):
            assert start <= instant or end <= instant
            instant = max(instant, end)
    assert instant >= min(evidence.to_us, evidence.now_us)


@settings(max_examples=150)
@given(EVIDENCE)
def test_footage_is_always_a_span(evidence: Evidence) -> None:
    """No gap, tombstone or lost neighbour hides footage that is there."""
    spans = partition(CAMERA, evidence).spans
    for row in evidence.segments:
        start, end = max(row.start_us, evidence.from_us), min(row.end_us, evidence.to_us)
        if row.state in {SegmentState.SPOOLED, SegmentState.UPLOADING, SegmentState.STORED} and start < end:
            covered = sum(max(0, min(end, span.to_us) - max(start, span.from_us)) for span in spans)
            assert covered == end - start
