"""A camera's clock by its sender reports: the least delayed one tells, and no lie moves it for long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.camera_clock import MOST_OFFSET_US, UNIX_EPOCH_S, CameraClock, instant_us
from media.rtcp import SenderReport

NOON_US = 1_800_000_000_000_000
SECOND_US = 1_000_000


def ntp_of(wall_us: int) -> int:
    """As a camera writes it."""
    seconds, rest_us = divmod(wall_us, SECOND_US)
    return ((seconds + UNIX_EPOCH_S) % (1 << 32) << 32) + (rest_us << 32) // SECOND_US


def report(ntp: int, ssrc: int = 7) -> SenderReport:
    """With nothing else in it that counts."""
    return SenderReport(ssrc=ssrc, ntp=ntp, rtp_timestamp=0, packets=0, octets=0)


class Reports:
    """A camera that reports every 5 s."""

    def __init__(self) -> None:
        self.clock = CameraClock()
        self.now_us = NOON_US

    def hear(self, offset_us: int, *delays_us: int, ssrc: int = 7) -> int | None:
        """Reports that come so much later than they were made; the offset by now."""
        for delay_us in delays_us:
            self.clock.take(report(ntp_of(self.now_us + offset_us), ssrc), self.now_us + delay_us)
            self.now_us += 5 * SECOND_US
        return self.clock.offset_us


def test_the_least_delayed_report_tells_the_offset() -> None:
    """Each waits behind pictures for a while; one in a minute that does not is enough."""
    reports = Reports()
    assert reports.hear(-41 * SECOND_US, 400_000) == pytest.approx(-41_400_000, abs=1)
    assert reports.hear(-41 * SECOND_US, 380_000, 1000, 250_000, 300_000) == pytest.approx(-41_001_000, abs=1)


def test_what_is_over_a_minute_old_counts_no_more() -> None:
    """A clock that drifts is followed, in both directions."""
    reports = Reports()
    reports.hear(300_000, 0)
    assert reports.hear(0, *[0] * 12) == pytest.approx(0, abs=1)


def test_a_report_that_was_held_up_moves_nothing() -> None:
    """20 s behind a flood of pictures: that is no clock that was set back."""
    reports = Reports()
    reports.hear(1_000, 0)
    assert reports.hear(1_000, 20 * SECOND_US, 15 * SECOND_US, 1_000) == pytest.approx(1_000, abs=1)


def test_a_single_lie_moves_nothing_and_a_clock_that_was_set_is_followed() -> None:
    """Three reports that agree: 15 s."""
    reports = Reports()
    reports.hear(0, 0)
    assert reports.hear(86_400 * SECOND_US, 0) == pytest.approx(0, abs=1)
    assert reports.hear(0, 0) == pytest.approx(0, abs=1)
    assert reports.hear(-3600 * SECOND_US, 0, 0) == pytest.approx(0, abs=1)
    assert reports.hear(-3600 * SECOND_US, 0) == pytest.approx(-3600 * SECOND_US, abs=1)


def test_lies_that_do_not_agree_move_nothing() -> None:
    """Each report another time."""
    reports = Reports()
    reports.hear(0, 0)
    for number in range(1, 20):
        assert reports.hear(number * 7 * SECOND_US, 0) == pytest.approx(0, abs=1)


@pytest.mark.parametrize(
    "ntp",
    [0, 1, 3600 << 32, (UNIX_EPOCH_S + 90) << 32, UNIX_EPOCH_S << 32],
    ids=["zero", "a fraction", "an uptime", "since 1970", "1970"],
)
def test_a_camera_without_a_clock_has_no_offset(ntp: int) -> None:
    """It counts from its start, or says nothing: that is not decades of error."""
    assert instant_us(ntp, NOON_US) is None
    reports = Reports()
    reports.hear(0, 0)
    reports.clock.take(report(ntp), reports.now_us)
    assert reports.clock.offset_us is None


def test_a_camera_that_lost_its_battery_has_one() -> None:
    """It counts from 2000, and its operator should know."""
    since_2000_us = 946_684_800 * SECOND_US
    assert instant_us(ntp_of(since_2000_us), NOON_US) == since_2000_us


@given(st.integers(-MOST_OFFSET_US // 2, MOST_OFFSET_US // 2), st.integers(0, 4_000_000_000 * SECOND_US))
def test_an_instant_is_read_in_the_era_of_this_host(offset_us: int, now_us: int) -> None:
    """Also after February 2036, when the seconds since 1900 no longer fit in 32 bits."""
    told_us = instant_us(ntp_of(now_us + offset_us), now_us)
    assert told_us is None or abs(told_us - now_us - offset_us) <= 1
    if (now_us + offset_us) // SECOND_US + UNIX_EPOCH_S >> 31 == 1 or now_us > 2_085_978_496 * SECOND_US:
        assert told_us is not None


def test_another_source_has_another_clock() -> None:
    """What was learnt of the one before says nothing of it."""
    reports = Reports()
    reports.hear(0, 0, 0, 0)
    assert reports.hear(-3 * SECOND_US, 0, ssrc=8) == pytest.approx(-3 * SECOND_US, abs=1)


def test_a_step_of_our_own_clock_is_none_of_the_cameras() -> None:
    """It is off by so much from then on."""
    reports = Reports()
    reports.hear(0, 0)
    reports.clock.shift(3 * SECOND_US)
    assert reports.clock.offset_us == pytest.approx(-3 * SECOND_US, abs=1)
    reports.now_us += 3 * SECOND_US
    assert reports.hear(-3 * SECOND_US, 0) == pytest.approx(-3 * SECOND_US, abs=1)


@given(st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 53), st.integers(0, 3))))
def test_no_report_is_too_strange(reports: list[tuple[int, int, int]]) -> None:
    """Whatever they claim, the offset is one that can be, and memory stays bounded."""
    clock = CameraClock()
    for ntp, arrival_us, ssrc in reports:
        clock.take(report(ntp, ssrc), arrival_us)
        assert clock.offset_us is None or abs(clock.offset_us) <= MOST_OFFSET_US
        assert len(clock._recent) + len(clock._doubts) < 16
