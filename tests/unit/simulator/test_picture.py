"""What a simulated camera shows."""

from __future__ import annotations

import numpy as np

from simulator.picture import HEIGHT, STRIP_HEIGHT, WIDTH, Picture, utc_text

NOON_US = 1_795_435_200_000_000


def test_the_clock_reads_as_people_read_clocks() -> None:
    """UTC with milliseconds."""
    assert utc_text(NOON_US + 400_000) == "2026-11-23 12:00:00.400 UTC"


def test_a_picture_is_a_function_of_its_instant() -> None:
    """Drawn again by another process it is the same, grain included."""
    assert np.array_equal(Picture("cam/0001").render(NOON_US), Picture("cam/0001").render(NOON_US))


def test_every_frame_shows_another_clock() -> None:
    """Frames 40 ms apart can be told apart by their strip alone."""
    picture = Picture("cam/0001")
    strips = {picture.render(NOON_US + step * 40_000)[:STRIP_HEIGHT].tobytes() for step in range(25)}
    assert len(strips) == 25


def test_cameras_look_different() -> None:
    """A mixed-up camera is seen at a glance: name and colour."""
    one, two = (Picture(name).render(NOON_US) for name in ("cam/0001", "cam/0002"))
    assert one.shape == two.shape == (HEIGHT * 3 // 2, WIDTH)
    assert not np.array_equal(one[:STRIP_HEIGHT, : WIDTH // 4], two[:STRIP_HEIGHT, : WIDTH // 4])
    assert abs(one[HEIGHT:].astype(int) - two[HEIGHT:]).mean() > 1
