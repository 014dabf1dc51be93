"""The calendar: hours, from catalog and spool."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from playback.calendar import HOUR_US, Calendar, whole_hours
from storage.spool_reader import DurableMark
from tests.builders_playback import NOON_US, RUN, Archive, film

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("range_us", "hours"),
    [((0, 1), (0, 1)), ((1, HOUR_US), (0, 1)), ((1, HOUR_US + 1), (0, 2)), ((HOUR_US, 3 * HOUR_US), (1, 3))],
)
def test_a_range_is_widened_to_whole_hours(range_us: tuple[int, int], hours: tuple[int, int]) -> None:
    """The hours that it touches, and no other."""
    assert whole_hours(*range_us) == (hours[0] * HOUR_US, hours[1] * HOUR_US)


def test_consecutive_hours_are_joined() -> None:
    """And others are not."""
    hours = tuple(number * HOUR_US for number in (0, 1, 2, 5, 7, 8))
    answer = Calendar(camera=uuid4(), from_us=0, to_us=24 * HOUR_US, recorded_us=hours, gaps_us=()).to_json()
    moments = [(part["from"][11:13], part["to"][11:13]) for part in answer["recorded"]]
    assert moments == [("00", "03"), ("05", "06"), ("07", "09")]
    assert answer["gaps"] == []


async def test_footage_that_is_still_in_the_spool_counts(tmp_path: Path) -> None:
    """Also of a segment that is being written, up to what is durable; one that was deleted does not."""
    archive = await Archive.create(tmp_path, now_us=NOON_US + 3_000_000)
    try:
        shipped, still_open = archive.record(film(100, gop=25), start_us=NOON_US - 1_500_000)
        archive.spool_open(still_open, 1)
        archive.hold_run()
        archive.marks[archive.camera.stream] = DurableMark(run=RUN, epoch=1, sequence=1, fragment=0)
        wanted = archive.camera, NOON_US - HOUR_US, NOON_US + HOUR_US
        assert (await archive.library.calendar(*wanted)).recorded_us == (NOON_US,)
        row = await archive.register(shipped)
        assert (await archive.library.calendar(*wanted)).recorded_us == (NOON_US - HOUR_US, NOON_US)
        archive.spool_sealed(shipped)
        await archive.catalog.expiry.mark([row.id], now_us=NOON_US, policy="default", reason="old")
        assert (await archive.library.calendar(*wanted)).recorded_us == (NOON_US,)
    finally:
        await archive.close()
