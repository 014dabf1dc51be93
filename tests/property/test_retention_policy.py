"""Retention for any policy and any segment: never early, gone in time, and the same answer to the same question."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retention.policy import Action, Schedule, decide
from retention.sweeper import pause_us
from storage.model import Expiring, Policy, SegmentState
from tests.builders_retention import DAY, MINUTE, NOW, STREAM, marked, segment

LENGTHS = st.integers(min_value=MINUTE, max_value=400 * DAY)
ENDS = st.integers(min_value=NOW - 500 * DAY, max_value=NOW + DAY)
STATES = st.sampled_from([state for state in SegmentState if state is not SegmentState.GONE])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that the configuration accepts."""
    keep_max = draw(LENGTHS)
    keep_min = draw(st.none() | st.integers(min_value=0, max_value=keep_max))
    return Policy(name="any", keep_max_us=keep_max, keep_min_us=keep_min)


@st.composite
def expirings(draw: st.DrawFn) -> Expiring:
    """Any segment in any state."""
    end_us, state = draw(ENDS), draw(STATES)
    is_marked = state is SegmentState.MARKED
    return Expiring(segment=segment(end_us, state=state), marked_us=draw(ENDS) if is_marked else None)


def promised_us(policy: Policy) -> int:
    """Until which age a segment is visible: keep_min, or keep_max less the delay."""
    delay_us = min(DAY, policy.keep_max_us // 10)
    return policy.keep_max_us - delay_us if policy.keep_min_us is None else policy.keep_min_us


@given(policy=policies(), each=expirings(), now_us=ENDS)
def test_nothing_goes_early(policy: Policy, each: Expiring, now_us: int) -> None:
    """No mark and no purge before the promised age, whatever the mark says; a purge only of what is marked."""
    (decision,) = decide([each], {STREAM: policy}, now_us).decisions
    if each.segment.state is SegmentState.PURGING:
        assert decision.action is Action.PURGE
    elif decision.action in {Action.MARK, Action.PURGE}:
        assert now_us >= each.segment.end_us + promised_us(policy)
        assert (decision.action is Action.PURGE) == (each.segment.state is SegmentState.MARKED)


@given(policy=policies(), data=st.data())
def test_gone_by_keep_max(policy: Policy, data: st.DataObject) -> None:
    """Runs at most a pause apart purge every segment by keep_max, if the policy leaves any room between its figures."""
    end_us = NOW
    schedule, step_us = Schedule.of(policy), pause_us(policy)
    first_us = end_us + schedule.mark_age_us + data.draw(st.integers(min_value=0, max_value=step_us))
    (mark,) = decide([Expiring(segment=segment(end_us))], {STREAM: policy}, first_us).decisions
    assert mark.action is Action.MARK
    due_us = schedule.purge_us(end_us, first_us)
    purged_us = due_us + data.draw(st.integers(min_value=0, max_value=step_us))
    (purge,) = decide([marked(end_us, first_us)], {STREAM: policy}, purged_us).decisions
    assert purge.action is Action.PURGE
    slack_us = policy.keep_max_us - promised_us(policy)
    late_us = max(0, 4 * step_us - slack_us)  # a policy without room is late by the runs themselves, never early
    assert purged_us <= end_us + policy.keep_max_us + late_us


@given(policy=policies(), each=expirings(), now_us=ENDS)
def test_the_same_question_has_the_same_answer(policy: Policy, each: Expiring, now_us: int) -> None:
    """decide() is a function: no clock, no state, nothing changed in place."""
    assert decide([each], {STREAM: policy}, now_us) == decide([each], {STREAM: policy}, now_us)


@given(policy=policies(), several=st.lists(expirings(), max_size=5), now_us=ENDS)
def test_segments_are_decided_one_by_one(policy: Policy, several: list[Expiring], now_us: int) -> None:
    """A segment's fate does not depend on its neighbours or on their order."""
    together = decide(several, {STREAM: policy}, now_us).decisions
    assert list(together) == [decide([each], {STREAM: policy}, now_us).decisions[0] for each in several]
    assert sorted(map(repr, together)) == sorted(map(repr, decide(several[::-1], {STREAM: policy}, now_us).decisions))


@given(policy=policies(), each=expirings(), now_us=ENDS, later_us=st.integers(min_value=0, max_value=DAY))
def test_time_only_moves_forward(policy: Policy, each: Expiring, now_us: int, later_us: int) -> None:
    """What is due stays due: a run that was missed changes when, not whether."""
    (now,) = decide([each], {STREAM: policy}, now_us).decisions
    (later,) = decide([each], {STREAM: policy}, now_us + later_us).decisions
    if now.action in {Action.MARK, Action.PURGE}:
        assert later.action is now.action


@given(each=expirings(), now_us=ENDS)
def test_an_unknown_policy_keeps(each: Expiring, now_us: int) -> None:
    """Without a policy nothing is marked, and nothing marked is purged."""
    (decision,) = decide([each], {}, now_us).decisions
    if each.segment.state is not SegmentState.PURGING:
        assert decision.action in {Action.KEEP, Action.UNMARK}


@given(policy=policies(), each=expirings(), now_us=ENDS)
def test_carrying_out_a_decision_settles_it(policy: Policy, each: Expiring, now_us: int) -> None:
    """Idempotent: after a mark or an unmark was carried out, the same instant asks for neither again."""
    (decision,) = decide([each], {STREAM: policy}, now_us).decisions
    end_us = each.segment.end_us
    if decision.action is Action.MARK:
        (again,) = decide([marked(end_us, now_us)], {STREAM: policy}, now_us).decisions
        assert again.action in {Action.KEEP, Action.PURGE}
    if decision.action is Action.UNMARK:
        (again,) = decide([Expiring(segment=segment(end_us))], {STREAM: policy}, now_us).decisions
        assert again.action is Action.KEEP
