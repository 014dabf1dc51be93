"""What sender reports say about sound and pictures, and when they are not believed."""

from __future__ import annotations

import pytest

from media.lip_sync import LipSync

SECOND = 1 << 32
NTP = 3_900_000_000 * SECOND
WALL_US = 1_800_000_000_000_000


def ntp_of(at_us: int, origin: int = NTP) -> int:
    """An instant as a report names it."""
    return (origin + (at_us << 32) // 1_000_000) % (1 << 64)


def told(*apart_us: int | None, origin: int = NTP) -> LipSync:
    """A pair of reports each 5 s: sound came earlier by so much. None: of zeros."""
    lips = LipSync()
    for number, apart in enumerate(apart_us):
        at_us = number * 5_000_000
        lips.take(0 if apart is None else ntp_of(at_us, origin), WALL_US + at_us + (apart or 0), of_sound=False)
        lips.take(0 if apart is None else ntp_of(at_us + 1_000_000, origin), WALL_US + at_us + 1_000_000, of_sound=True)
    return lips


def test_one_report_says_nothing() -> None:
    """Of however many of one track."""
    lips = LipSync()
    for at_us in (0, 5_000_000, 10_000_000):
        lips.take(ntp_of(at_us), WALL_US + at_us, of_sound=True)
    assert (lips.apart_us, lips.known) == (0, False)


@pytest.mark.parametrize("origin", [NTP, (1 << 64) - SECOND // 2, 17 * SECOND, -SECOND // 3])
@pytest.mark.parametrize("apart_us", [0, 46_000, -30_000, 100_000])
def test_a_pair_of_reports_says_it_whatever_the_clock_shows(apart_us: int, origin: int) -> None:
    """The right time, an uptime, the end of an era between the two."""
    lips = told(apart_us, origin=origin)
    assert abs(lips.apart_us - apart_us) <= 1
    assert lips.known


@pytest.mark.parametrize(
    ("apart_us", "expected_us"),
    [
        ([250_000], 0),  # a large difference may be a lie
        ([250_000, 251_000], 0),
        ([250_000, 251_000, 249_000], 249_000),  # three that agree are none
        ([40_000, 45_000, 60_000, 80_000], 80_000),  # drift is followed
        ([40_000, 300_000, 40_000], 40_000),  # the clock was set between two reports of a pair
        ([40_000, 300_000, 301_000, 40_000, 299_000, 300_000], 40_000),
        ([40_000, 140_000, 141_000, 142_000], 142_000),
        ([40_000, 200_000, -90_000, 330_000], 0),  # reports that jump: by arrival
        ([40_000, 200_000, -90_000, 330_000, 331_000], 0),
        ([40_000, 200_000, -90_000, 330_000, 10_000], 0),  # once caught, a plausible one needs to be confirmed, too
        ([200_000, 10_000, 11_000], 0),
        ([200_000, 10_000, 11_000, 12_000], 12_000),
        ([40_000, 200_000, -90_000, 330_000, 331_000, 330_000], 330_000),
        ([600_000] * 9, 0),  # one track's clock is off
        ([40_000] + [3_600_000_000] * 3, 0),
        ([None] * 4, 0),  # no time at all
        ([40_000, None, None], 40_000),
    ],
)
def test_what_is_believed(apart_us: list[int | None], expected_us: int) -> None:
    """One pair at once if it is plausible; another difference after three that agree; none after three that do not."""
    assert abs(told(*apart_us).apart_us - expected_us) <= 1


def test_the_two_halves_of_a_pair_tell_the_same_utc() -> None:
    """A step of it between them would look like a difference."""
    lips = LipSync()
    lips.take(ntp_of(0), WALL_US, of_sound=False)
    lips.forget_half()
    lips.take(ntp_of(1_000_000), WALL_US + 1_000_000 + 70_000, of_sound=True)
    assert not lips.known
    lips.take(ntp_of(2_000_000), WALL_US + 2_000_000 + 70_000, of_sound=False)
    assert (lips.apart_us, lips.known) == (0, True)
