"""Which instants are covered: arithmetic on half-open intervals of wall time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Interval(NamedTuple):
    """`[start_us, end_us)`."""

    start_us: int
    end_us: int


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same instants as sorted intervals that neither overlap nor touch."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if interval.end_us <= interval.start_us:
            continue
        if merged and interval.start_us <= merged[-1].end_us:
            merged[-1] = Interval(merged[-1].start_us, max(merged[-1].end_us, interval.end_us))
        else:
            merged.append(interval)
    return merged


def holes(covered: Sequence[Interval], start_us: int, end_us: int) -> Iterator[Interval]:
    """What of `[start_us, end_us)` a union leaves uncovered, in order."""
    for interval in covered:
        if interval.end_us <= start_us:
            continue
        if interval.start_us >= end_us:
            break
        if interval.start_us > start_us:
            yield Interval(start_us, interval.start_us)
        start_us = interval.end_us
    if start_us < end_us:
        yield Interval(start_us, end_us)
