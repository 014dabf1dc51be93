"""When retention refuses: wrong clocks and mistyped policies stop it, a healthy life never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retention.breaker import SETTLE_US, STEP_US, ClockWatch, late_limit_us, refusal
from retention.policy import decide
from storage.clock import FakeClock
from tests.builders_retention import DAY, HOUR, MINUTE, NOW, SECOND, STREAM, days, marked, policy, stored

if TYPE_CHECKING:
    from storage.model import Expiring, Policy

CITY = policy(days(62), days(60))


def refused(expiring: Expiring, rules: Policy = CITY) -> str | None:
    """What the breaker says about a plan of one segment."""
    return refusal(decide([expiring], {STREAM: rules}, NOW), rules)


def test_the_steady_state_passes() -> None:
    """A segment that became due a minute ago is what every run sees."""
    assert refused(stored(NOW - days(60) - MINUTE)) is None
    assert refused(marked(NOW - days(61) - MINUTE, NOW - DAY - MINUTE)) is None


def test_a_host_that_was_down_over_a_long_weekend_goes_on_by_itself() -> None:
    """A twentieth of keep_max: three days of 62."""
    assert refused(stored(NOW - days(63))) is None


def test_a_mistyped_policy_stops() -> None:
    """62h instead of 62d: footage of 62 days is overdue by 59, and the message says so."""
    hours = policy(62 * HOUR)
    assert refused(stored(NOW - days(62)), hours) == (
        "segments are overdue by up to 59d 16h, policy city explains 3h 6m"
    )


def test_a_mark_that_is_long_overdue_stops_too() -> None:
    """The clock may have become wrong between mark and purge."""
    assert refused(marked(NOW - days(70), NOW - days(10))) is not None


def test_what_is_not_due_is_no_reason_to_refuse() -> None:
    """Only deletions are looked at."""
    assert refused(stored(NOW)) is None
    assert refusal(decide([], {}, NOW), CITY) is None


def test_the_bound_is_exact() -> None:
    """At the limit it passes, a microsecond later it does not."""
    at_limit = NOW - days(60) - late_limit_us(CITY)
    assert refused(stored(at_limit)) is None
    assert refused(stored(at_limit - 1)) is not None


def test_short_policies_may_be_an_hour_late() -> None:
    """A twentieth of ten minutes would trip over any restart."""
    assert late_limit_us(policy(10 * MINUTE)) == HOUR


def test_an_even_clock_is_trusted() -> None:
    """NTP slews by at most 500 ppm: 1.8 s in an hour."""
    clock = FakeClock()
    watch = ClockWatch(clock)
    for _ in range(24):
        clock.advance(HOUR)
        clock.step(1_800_000)
        assert watch.doubt() is None


@pytest.mark.parametrize("step", [-days(400), -STEP_US - SECOND, STEP_US + SECOND, days(3650)])
def test_a_jump_stops_deletion_for_an_hour(step: int) -> None:
    """Whichever direction: nobody knows yet which of the two times was right."""
    clock = FakeClock()
    watch = ClockWatch(clock)
    clock.step(step)
    assert "the clock jumped" in (watch.doubt() or "")
    clock.advance(SETTLE_US - 1)
    assert watch.doubt() is not None
    clock.advance(1)
    assert watch.doubt() is None


def test_a_second_jump_starts_the_hour_again() -> None:
    """A clock that keeps jumping is never trusted."""
    clock = FakeClock()
    watch = ClockWatch(clock)
    for _ in range(5):
        clock.step(HOUR)
        clock.advance(40 * MINUTE)
        assert watch.doubt() == "the clock jumped forward by 1h, 0s ago; it has to run 1h"
