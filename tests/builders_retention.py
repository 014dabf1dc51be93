"""Segments as retention sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.model import Expiring, Policy, Segment, SegmentState
from tests.builders_rows import STREAM, segment_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOW = 1_800_000_000 * SECOND

days: Callable[[float], int] = lambda count: round(count * DAY)  # noqa: E731 - reads as a unit


def policy(keep_max: int, keep_min: int | None = None, name: str = "city") -> Policy:
    """A policy in microseconds."""
    return Policy(name=name, keep_max_us=keep_max, keep_min_us=keep_min)


def segment(
    end_us: int, *, state: SegmentState = SegmentState.STORED, sequence: int = 0, stream: UUID = STREAM
) -> Segment:
    """A minute of footage that ended at `end_us`."""
    return segment_row(
        end_us - MINUTE, end_us, sequence, stream=stream, state=state, size_bytes=30_000_000, sha256=bytes(32)
    )


def stored(end_us: int, **fields: int) -> Expiring:
    """A stored segment."""
    return Expiring(segment=segment(end_us, **fields))


def marked(end_us: int, marked_us: int) -> Expiring:
    """A segment marked at an instant."""
    return Expiring(
        segment=segment(end_us, state=SegmentState.MARKED), marked_us=marked_us, policy="city", reason="old"
    )
