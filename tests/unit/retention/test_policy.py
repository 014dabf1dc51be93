"""What policy says: the figures an operator reads in docs/retention.md, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retention.policy import Action, Schedule, decide, explain, span, utc
from storage.model import Expiring, SegmentState
from tests.builders_retention import DAY, HOUR, MINUTE, NOW, SECOND, STREAM, days, marked, policy, segment, stored

CITY = policy(days(62), days(60))
ONE_FIGURE = policy(days(62))


def action(expiring: Expiring, rules: object = CITY, now: int = NOW) -> Action:
    """What is decided about one segment."""
    return decide([expiring], {STREAM: rules}, now).decisions[0].action  # type: ignore[dict-item]


def test_a_segment_is_marked_at_keep_min_and_not_a_microsecond_earlier() -> None:
    """With two figures the mark comes at the lower one, counted from the end of the segment."""
    assert action(stored(NOW - days(60) + 1)) is Action.KEEP
    assert action(stored(NOW - days(60))) is Action.MARK


def test_with_one_figure_it_is_marked_a_day_before() -> None:
    """62d alone: marked at 61 days, so that it is gone by 62."""
    assert action(stored(NOW - days(61) + 1), ONE_FIGURE) is Action.KEEP
    assert action(stored(NOW - days(61)), ONE_FIGURE) is Action.MARK


def test_a_short_policy_has_a_short_delay() -> None:
    """A tenth of keep_max where that is less than a day: of 10 hours the last is spent marked."""
    assert action(stored(NOW - 9 * HOUR + 1), policy(10 * HOUR)) is Action.KEEP
    assert action(stored(NOW - 9 * HOUR), policy(10 * HOUR)) is Action.MARK


def test_a_mark_stands_for_the_delay() -> None:
    """Marked at 60 days it goes at 61."""
    end = NOW - days(61)
    assert action(marked(end, end + days(60)), now=NOW - 1) is Action.KEEP
    assert action(marked(end, end + days(60))) is Action.PURGE


def test_with_one_figure_it_goes_ten_minutes_before_its_time() -> None:
    """Deleting takes time; it is done by keep_max because it begins before."""
    end = NOW - days(62) + 10 * MINUTE
    assert action(marked(end, end + days(61)), ONE_FIGURE, NOW - 1) is Action.KEEP
    assert action(marked(end, end + days(61)), ONE_FIGURE) is Action.PURGE


def test_a_late_mark_still_stands_for_an_hour() -> None:
    """After an outage of `keep` everything overdue is marked first, and goes an hour later."""
    assert action(marked(NOW - days(65), NOW - HOUR + 1)) is Action.KEEP
    assert action(marked(NOW - days(65), NOW - HOUR)) is Action.PURGE


def test_a_policy_without_room_never_deletes_early() -> None:
    """keep_min = keep_max leaves no delay: it is marked at that age and purged by the next run."""
    exact = policy(days(30), days(30))
    assert action(stored(NOW - days(30) + 1), exact) is Action.KEEP
    assert action(stored(NOW - days(30)), exact) is Action.MARK
    assert action(marked(NOW - days(30), NOW), exact) is Action.PURGE


def test_contradicting_figures_keep_longer() -> None:
    """keep_min over keep_max is refused by the configuration; should it get here, the longer one counts."""
    assert action(stored(NOW - days(40)), policy(days(30), days(50))) is Action.KEEP


def test_without_a_policy_everything_stays() -> None:
    """Nobody said how long: it is kept, and a mark of earlier days is taken back."""
    plan = decide([stored(NOW - days(9999)), marked(NOW - days(9999), NOW - days(9000))], {}, NOW)
    assert [decision.action for decision in plan.decisions] == [Action.KEEP, Action.UNMARK]
    assert plan.decisions[0].reason == "no policy is known for its stream"


def test_a_longer_policy_takes_marks_back() -> None:
    """Marked under 30 days, then the policy became 62: it is visible again."""
    assert action(marked(NOW - days(30), NOW - HOUR)) is Action.UNMARK


def test_a_deletion_that_was_begun_is_finished() -> None:
    """Past the point of no return no policy helps: the object may be gone already."""
    purging = Expiring(segment=segment(NOW, state=SegmentState.PURGING), policy="city")
    assert action(purging) is Action.PURGE
    assert decide([purging], {}, NOW).decisions[0].action is Action.PURGE


@pytest.mark.parametrize(
    "state", [SegmentState.SPOOLED, SegmentState.UPLOADING, SegmentState.STORED, SegmentState.MISSING]
)
def test_every_visible_state_expires(state: SegmentState) -> None:
    """Footage that never reached the object store, or was lost there, has an end too."""
    expired = stored(NOW - days(60))
    assert action(replace(expired, segment=replace(expired.segment, state=state))) is Action.MARK


def test_a_segment_from_the_future_stays() -> None:
    """A clock that went back makes footage younger, never older."""
    assert action(stored(NOW + days(1))) is Action.KEEP


def test_the_plan_prints_what_and_why() -> None:
    """A line for each action and reason, with count, bytes and range."""
    plan = decide([stored(NOW - days(60)), stored(NOW - days(61)), stored(NOW)], {STREAM: CITY}, NOW)
    assert str(plan).splitlines() == [
        "plan of 2027-01-15T08:00:00Z",
        (
            "  keep        1 segments      30,000,000 bytes  2027-01-15T07:59:00Z to 2027-01-15T08:00:00Z"
            "  policy city keeps at most 62d and at least 60d"
        ),
        (
            "  mark        2 segments      60,000,000 bytes  2026-11-15T07:59:00Z to 2026-11-16T08:00:00Z"
            "  policy city keeps at most 62d and at least 60d"
        ),
    ]


def test_the_plan_keeps_the_order_it_was_given() -> None:
    """Nothing is sorted in place; the decisions are in the order of the segments."""
    segments = [stored(NOW - days(age)) for age in (1, 70, 3)]
    given = list(segments)
    plan = decide(segments, {STREAM: CITY}, NOW)
    assert segments == given
    assert [decision.expiring for decision in plan.decisions] == given


def test_reasons_read_like_a_sentence() -> None:
    """They go into marks and tombstones, where somebody reads them years later."""
    assert explain(ONE_FIGURE) == "policy city keeps at most 62d"
    assert explain(policy(36 * HOUR, 30 * HOUR, "short")) == "policy short keeps at most 1d 12h and at least 1d 6h"


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "0s"), (999_999, "0s"), (90 * SECOND, "1m 30s"), (DAY + SECOND, "1d 1s"), (days(62), "62d")],
)
def test_lengths_in_two_units(microseconds: int, text: str) -> None:
    """The two largest units say enough."""
    assert span(microseconds) == text


def test_times_are_utc() -> None:
    """RFC 3339 to the second."""
    assert utc(0) == "1970-01-01T00:00:00Z"


def test_the_default_schedule() -> None:
    """The figures of docs/retention.md."""
    assert Schedule.of(CITY) == Schedule(
        mark_age_us=days(60), purge_age_us=days(61), reflection_us=HOUR, room_us=10 * MINUTE
    )
    assert Schedule.of(ONE_FIGURE) == Schedule(
        mark_age_us=days(61), purge_age_us=days(62) - 10 * MINUTE, reflection_us=HOUR, room_us=10 * MINUTE
    )
