"""What the sweeper does not do: whatever looks like a mistake, of a person or of a clock, deletes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from storage.catalog import MAX_BATCH
from storage.model import Policy, SegmentState
from tests.builders_retention import HOUR, MINUTE, days, policy
from tests.builders_sweeper import START, Rig

if TYPE_CHECKING:
    pass


async def test_a_mistyped_policy_deletes_nothing_until_somebody_accepts(rig: Rig) -> None:
    """62h instead of 62d is refused for this camera, run after run; the acceptance counts for one run."""
    (row,) = await rig.record(START)
    rig.at(START + days(30))
    await rig.use(policy(62 * HOUR))
    sweeper = rig.sweeper()
    for _ in range(2):
        sweep = await sweeper.run_once()
        assert "overdue" in sweep.refused[str(rig.stream)]
        assert sweeper.state()["sweep"]["refused"] == sweep.refused
    assert await rig.states([row]) == [SegmentState.STORED]
    rig.acceptance.touch()
    assert (await sweeper.run_once()).marked == 1
    assert not rig.acceptance.exists()
    rig.clock.advance(HOUR)
    assert (await sweeper.run_once()).deleted == 1, "the deletion that follows an accepted mark needs no second word"


async def test_an_acceptance_lasts_until_all_of_it_is_done(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of many batches takes several runs; it was accepted once, and as a whole."""
    monkeypatch.setattr("retention.sweeper.BATCHES_PER_STREAM", 1)
    await rig.record(*(START + minute * MINUTE for minute in range(2 * MAX_BATCH + 1)))
    rig.at(START + days(90))
    rig.acceptance.touch()
    sweeper = rig.sweeper()
    assert [(await sweeper.run_once()).marked for _ in range(3)] == [MAX_BATCH, MAX_BATCH, 1]
    assert not rig.acceptance.exists()


async def test_a_refused_camera_does_not_stop_another(rig: Rig) -> None:
    """The bound is asked for each stream: a typing error must not keep the rest beyond its time."""
    first = rig.stream
    await rig.record(START)
    await rig.use(policy(HOUR, name="short"), name="yard")
    rig.at(START + days(64))
    (row,) = await rig.record(rig.clock.wall_us() - 55 * MINUTE)
    sweep = await rig.sweeper().run_once()
    assert set(sweep.refused) == {str(first)}
    assert await rig.states([row]) == [SegmentState.MARKED]


@pytest.mark.parametrize("jump", [days(400), -days(400)])
async def test_a_clock_that_jumped_deletes_nothing(rig: Rig, jump: int) -> None:
    """Neither while the clock is wrong nor right after it was set: everything stays until it has run evenly."""
    (row,) = await rig.record(START)
    rig.at(START + days(59))
    sweeper = rig.sweeper()
    rig.clock.step(jump)
    sweep = await sweeper.run_once()
    assert "the clock jumped" in (sweep.doubt or "")
    rig.clock.step(-jump)
    assert (await sweeper.run_once()).doubt is not None
    assert await rig.states([row]) == [SegmentState.STORED]
    rig.clock.advance(HOUR)
    assert (await sweeper.run_once()).doubt is None
    assert await rig.states([row]) == [SegmentState.STORED]


async def test_a_clock_that_jumps_during_a_run(rig: Rig) -> None:
    """Asked before each batch: what was planned by the wrong time is never begun."""
    rows = await rig.record(*(START + minute * MINUTE for minute in range(MAX_BATCH + 1)))
    rig.at(rows[0].end_us + days(60) + MAX_BATCH * MINUTE - MINUTE)  # all but the last one
    mark = rig.catalog.expiry.mark

    async def mark_and_jump(*words: Any, **named: Any) -> int:
        marked = await mark(*words, **named)
        rig.clock.step(days(1))
        return marked

    rig.catalog.expiry.mark = mark_and_jump  # type: ignore[method-assign]
    sweep = await rig.sweeper().run_once()
    assert (sweep.marked, sweep.doubt is None) == (MAX_BATCH, False)
    assert await rig.states(rows[-1:]) == [SegmentState.STORED]


async def test_a_host_that_started_with_a_clock_in_the_future(rig: Rig) -> None:
    """No jump is seen, but everything is overdue by years: the second bound stops it."""
    (row,) = await rig.record(START)
    rig.at(START + days(3650))
    sweep = await rig.sweeper().run_once()
    assert sweep.doubt is None
    assert list(sweep.refused) == [str(rig.stream)]
    assert await rig.states([row]) == [SegmentState.STORED]


async def test_a_stream_without_a_policy_is_kept_and_named(rig: Rig) -> None:
    """Nobody says for how long: the state shows it."""
    (row,) = await rig.record(START)

    async def no_policies() -> dict[str, Policy]:
        return {}

    rig.catalog.inventory.policies = no_policies  # type: ignore[method-assign]
    rig.at(START + days(9999))
    sweep = await rig.sweeper().run_once()
    assert sweep.without_policy == [str(rig.stream)]
    assert await rig.states([row]) == [SegmentState.STORED]
