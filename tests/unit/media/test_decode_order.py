"""Decode times for units that are passed on as they come."""

from __future__ import annotations

from itertools import pairwise

import pytest

from media.decode_order import DecodeOrder

TICKS = 3600
SHAPES = {"no B-frames": [1], "two B-frames": [3, 1, 2], "a pyramid": [4, 2, 1, 3]}
"""In which order the pictures of a group are sent, after the one before it."""


def placed(shape: list[int], groups: int = 8) -> list[tuple[int, int]]:
    """Presentation and decode times of a sync sample and some groups of that shape."""
    order = DecodeOrder(TICKS)
    shown = [0, *(group * len(shape) + one for group in range(groups) for one in shape)]
    return [(pts * TICKS, order.place(pts * TICKS, sync=pts == 0)) for pts in shown]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_decode_times_rise_evenly(shape: list[int]) -> None:
    """Never by more than a browser takes for a hole: twice the usual duration."""
    steps = [later - earlier for (_, earlier), (_, later) in pairwise(placed(shape))]
    assert min(steps) > 0
    assert max(steps) <= 2 * TICKS


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_once_the_order_is_known_nothing_is_decoded_after_it_is_shown(shape: list[int]) -> None:
    """One usual duration lies between two, as in a file."""
    settled = placed(shape)[4 * len(shape) :]
    assert all(dts <= pts for pts, dts in settled)
    assert {later - earlier for (_, earlier), (_, later) in pairwise(settled)} == {TICKS}


def test_without_b_frames_it_is_the_presentation_time() -> None:
    """Whatever the intervals; no frame waits for another."""
    order = DecodeOrder(TICKS)
    shown = [0, 3600, 7100, 10_900, 14_400, 18_000]
    assert [order.place(pts, sync=False) for pts in shown] == shown
    assert order.depth == 0


def test_a_hole_is_passed_at_twice_the_speed_or_at_a_sync_sample() -> None:
    """Else a browser would wait for a sync sample that may be far."""
    order = DecodeOrder(TICKS)
    for number in range(10):
        order.place(number * TICKS, sync=number == 0)
    assert order.place(50 * TICKS, sync=False) == 11 * TICKS
    assert order.place(51 * TICKS, sync=True) == 51 * TICKS


def test_what_is_usual_is_learnt() -> None:
    """A camera of 5 frames a second."""
    order = DecodeOrder(TICKS)
    for number in range(5):
        order.place(number * 18_000, sync=number == 0)
    assert order.usual_ticks == 18_000
