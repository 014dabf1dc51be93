"""Interval arithmetic."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from storage.coverage import Interval, holes, union

INTERVALS = st.lists(st.builds(Interval, st.integers(0, 40), st.integers(0, 40)), max_size=8)


def instants(intervals: list[Interval]) -> set[int]:
    """The instants that some intervals hold."""
    return {instant for start, end in intervals for instant in range(start, end)}


@given(INTERVALS)
def test_a_union_holds_the_same_instants_once(intervals: list[Interval]) -> None:
    """Sorted, without overlap, without neighbours that touch."""
    joined = union(intervals)
    assert instants(joined) == instants(intervals)
    assert all(before.end_us < after.start_us for before, after in pairwise(joined))


@given(INTERVALS, st.integers(0, 40), st.integers(0, 40))
def test_holes_are_what_a_union_leaves(intervals: list[Interval], start: int, end: int) -> None:
    """Together with it they fill the range."""
    left = list(holes(union(intervals), start, end))
    assert instants(left) == set(range(start, end)) - instants(intervals)
    assert all(hole.start_us < hole.end_us for hole in left)
