"""When the disk will be full: told in time, and never of a disk that only breathes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.model import SECOND_US
from storage.spool_forecast import Forecast
from storage.spool_room import Room

GB = 1_000_000_000
HOUR_US = 3600 * SECOND_US
SIZE = 1000 * GB  # of which the last 50 GB are the last step's


def forecast(free: Callable[[int], int], *, seconds: int = 1200, taken_in: Callable[[int], int] = int) -> Forecast:
    """After so long of looks every 2 s at a disk with `free` bytes at each second."""
    made = Forecast()
    for at in range(0, seconds + 1, 2):
        made.note(Room(SIZE, free(at)), taken_in_bytes=taken_in(at), boot_us=at * SECOND_US)
    return made


@pytest.mark.parametrize("seconds", [240, 1200, 4000])
def test_a_disk_that_fills_is_full_when_the_forecast_says(seconds: int) -> None:
    """10 MB a second into what is left above the last step."""
    left = 450 * GB - seconds * 10_000_000
    found = forecast(lambda at: 500 * GB - at * 10_000_000, seconds=seconds).full_in_us
    assert found is not None
    assert found == pytest.approx(left / 10_000_000 * SECOND_US, rel=0.05)


def test_a_store_that_keeps_up_is_no_trend() -> None:
    """Each minute 220 segments are sealed at once, and shipped within 40 s."""
    assert forecast(lambda at: 500 * GB - max(0, 40 - at % 60) * 160_000_000).full_in_us is None


def test_a_trend_is_seen_below_the_sawtooth() -> None:
    """A store that takes 95 % of what comes."""
    found = forecast(lambda at: 500 * GB - max(0, 40 - at % 60) * 160_000_000 - at * 5_000_000).full_in_us
    assert found is not None
    assert found == pytest.approx(444 * GB / 5_000_000 * SECOND_US, rel=0.05)


def test_a_store_that_is_back_ends_the_forecast() -> None:
    """Once the backlog goes down, nothing is going to be full."""
    filling = forecast(lambda at: 500 * GB - (at if at < 1200 else 2400 - at) * 10_000_000, seconds=2400)
    assert filling.full_in_us is None


def test_how_long_it_would_last_follows_from_what_comes_in() -> None:
    """Also while everything that comes in leaves again."""
    found = forecast(lambda _: 410 * GB, taken_in=lambda at: at // 60 * 6_000_000_000).lasts_us
    assert found == pytest.approx(1 * HOUR_US, rel=0.06)


def test_a_disk_at_its_last_step_is_full_now() -> None:
    """There is nothing left to wait for."""
    assert forecast(lambda at: 50 * GB - at).full_in_us == 0


def test_nothing_is_said_before_anything_is_known() -> None:
    """Neither at the start, nor after three minutes."""
    assert Forecast().full_in_us is None
    assert Forecast().lasts_us is None
    short = forecast(lambda at: 500 * GB - at * GB, seconds=230, taken_in=lambda at: at * GB)
    assert (short.full_in_us, short.lasts_us) == (None, None)
