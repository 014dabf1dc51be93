"""The sweeper over the real catalog and the real directory store, with a clock that is told what time it is.

Objects must really be gone, tombstones really be there, and a kill between any two steps must cost nothing but time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from media.errors import CatalogError, ObjectStoreError
from retention.policy import Schedule
from retention.sweeper import FULL_LOOK_EVERY, PAUSE_US, pause_us
from storage.model import VISIBLE, Policy, SegmentState
from tests.builders_retention import DAY, HOUR, MINUTE, SECOND, days, policy
from tests.builders_spool import Stopped
from tests.builders_sweeper import CITY, EVER, START, Rig
from tests.mortal import Calls

if TYPE_CHECKING:
    from uuid import UUID

    from storage.model import Expiring

HELD = VISIBLE | {SegmentState.MARKED}
"""The states in which the object has to be there."""


async def test_mark_then_delay_then_object_gone_and_tombstone_there(rig: Rig) -> None:
    """The whole way of one segment, next to a younger one that stays."""
    old, young = await rig.record(START, START + DAY * 3)
    sweeper = rig.sweeper()
    rig.at(START + days(60) - 1)
    await sweeper.run_once()
    assert await rig.states([old, young]) == [SegmentState.STORED, SegmentState.STORED]
    rig.at(START + days(60))
    assert (await sweeper.run_once()).marked == 1
    assert await rig.states([old, young]) == [SegmentState.MARKED, SegmentState.STORED]
    assert rig.objects() == {old.key, young.key}
    rig.at(START + days(61))
    sweep = await sweeper.run_once()
    assert (sweep.deleted, sweep.deleted_bytes) == (1, 1000)
    assert rig.objects() == {young.key}
    assert await rig.states([old, young]) == [SegmentState.GONE, SegmentState.STORED]
    (tombstone,) = await rig.tombstones()
    assert tombstone.id == old.id
    assert tombstone.deleted_us == START + days(61)
    assert tombstone.reason == "policy city keeps at most 62d and at least 60d"


async def test_what_is_done_is_not_done_again(rig: Rig) -> None:
    """A second run at the same instant finds nothing to do."""
    await rig.record(START)
    sweeper = rig.sweeper()
    rig.at(START + days(60))
    await sweeper.run_once()
    assert (await sweeper.run_once()).marked == 0
    rig.at(START + days(61))
    await sweeper.run_once()
    again = await sweeper.run_once()
    assert (again.marked, again.unmarked, again.deleted) == (0, 0, 0)


@pytest.mark.parametrize("rules", [CITY, policy(days(62)), policy(HOUR), policy(2 * MINUTE), policy(HOUR, 30 * MINUTE)])
async def test_never_early_and_gone_by_keep_max(rig: Rig, rules: Policy) -> None:
    """Runs as far apart as `keep` makes them: footage is whole until the mark, and nothing is left at keep_max."""
    await rig.use(rules)
    (row,) = await rig.record(START)
    sweeper, schedule = rig.sweeper(), Schedule.of(rules)
    rig.at(START + schedule.mark_age_us - 1)
    while rig.clock.wall_us() < START + rules.keep_max_us:
        await sweeper.run_once()
        if rig.clock.wall_us() < START + schedule.mark_age_us:
            assert await rig.states([row]) == [SegmentState.STORED]
        if rig.clock.wall_us() < START + schedule.purge_age_us:
            assert rig.objects() == {row.key}
            jump = START + schedule.purge_age_us - 1 - rig.clock.wall_us()
            rig.clock.advance(max(pause_us(rules), jump if await rig.states([row]) == [SegmentState.MARKED] else 0))
        else:
            rig.clock.advance(pause_us(rules))
    assert rig.objects() == set()
    assert await rig.states([row]) == [SegmentState.GONE]


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_between_any_two_steps(rig: Rig, after: bool) -> None:
    """Killed before or after each call, and started again: no row without its object, and in the end all is gone."""
    for calls in range(40):
        base = rig.clock.wall_us() + DAY
        rows = await rig.record(base, base + MINUTE, base + 2 * MINUTE)
        killed = 0
        for age in (days(60) + 5 * MINUTE, days(61) + 5 * MINUTE):
            rig.at(base + age)
            try:
                await rig.sweeper(Calls(calls, after=after)).run_once()
            except* Stopped:
                killed += 1
            states = await rig.states(rows)
            whole = [row.key for row, state in zip(rows, states, strict=True) if state in HELD]
            assert set(whole) <= rig.objects(), f"a row promises an object that is gone, after {calls} calls"
            rig.clock.advance(MINUTE)
            await rig.sweeper().run_once()
        rig.clock.advance(HOUR)
        await rig.sweeper().run_once()
        assert await rig.states(rows) == [SegmentState.GONE] * 3
        assert rig.objects() == set()
        assert {row.id for row in rows} <= {tombstone.id for tombstone in await rig.tombstones()}
        if not killed:
            assert calls > 5, "a sweep takes more calls than these: nothing was killed"
            return
    raise AssertionError("the sweep takes more calls than were tried")


async def test_an_object_that_is_gone_already_is_no_obstacle(rig: Rig) -> None:
    """A kill right after the object was deleted leaves exactly this."""
    (row,) = await rig.record(START)
    rig.at(START + days(60))
    await rig.sweeper().run_once()
    await rig.store.delete(row.key)
    rig.at(START + days(61))
    assert (await rig.sweeper().run_once()).deleted == 1


async def test_an_object_that_cannot_be_deleted_keeps_its_row(rig: Rig) -> None:
    """No tombstone without a deletion: it is tried again, and the others go meanwhile."""
    stuck, other = await rig.record(START, START + MINUTE)
    rig.at(START + days(60) + MINUTE)
    sweeper = rig.sweeper()
    await sweeper.run_once()
    delete = rig.store.delete

    async def fail_for_one(key: str) -> None:
        if key == stuck.key:
            raise ObjectStoreError("permission denied")
        await delete(key)

    rig.store.delete = fail_for_one  # type: ignore[method-assign]
    rig.at(START + days(61) + MINUTE)
    for _ in range(2):
        with pytest.raises(ObjectStoreError, match="1 objects could not be deleted"):
            await sweeper.run_once()
        assert await rig.states([stuck, other]) == [SegmentState.PURGING, SegmentState.GONE]
    rig.store.delete = delete  # type: ignore[method-assign]
    assert (await sweeper.run_once()).deleted == 1
    assert rig.objects() == set()


async def test_a_mark_is_taken_back_when_the_policy_grows(rig: Rig) -> None:
    """30 days became 62 while a segment was marked: it is visible again, as it was."""
    await rig.use(policy(days(30), days(28)))
    (row,) = await rig.record(START)
    sweeper = rig.sweeper()
    rig.at(START + days(28))
    await sweeper.run_once()
    assert await rig.states([row]) == [SegmentState.MARKED]
    await rig.use(CITY)
    assert (await sweeper.run_once()).unmarked == 1
    assert await rig.states([row]) == [SegmentState.STORED]
    assert await rig.catalog.footage.segments(rig.stream, 0, EVER) != []


async def test_footage_that_turns_up_too_late_is_found_by_a_full_look(rig: Rig) -> None:
    """In between, a run looks only for what became due since the last one."""
    await rig.record(START)
    sweeper = rig.sweeper()
    rig.at(START + days(60))
    assert (await sweeper.run_once()).marked == 1
    (late,) = await rig.record(START - HOUR)
    assert [(await sweeper.run_once()).marked for _ in range(FULL_LOOK_EVERY)] == [0] * (FULL_LOOK_EVERY - 1) + [1]
    assert await rig.states([late]) == [SegmentState.MARKED]


async def test_no_run_walks_over_what_is_marked(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first, each asks for what ended since: in steady state a day of marked rows lies before that."""
    asked: list[int | None] = []
    candidates = rig.catalog.expiry.candidates

    async def watched(stream: UUID, *, marked: bool, **bounds: Any) -> list[Expiring]:
        if not marked:
            asked.append(bounds.get("ended_after_us"))
        return await candidates(stream, marked=marked, **bounds)

    monkeypatch.setattr(rig.catalog.expiry, "candidates", watched)
    await rig.record(START, START + MINUTE, START + 2 * MINUTE)
    sweeper = rig.sweeper()
    marked = []
    for number in range(3):
        rig.at(START + days(60) + number * MINUTE)
        marked.append((await sweeper.run_once()).marked)
    assert marked == [1, 1, 1]
    assert asked == [None, START, START + MINUTE]


async def test_marks_that_were_taken_back_are_made_again_in_time(rig: Rig) -> None:
    """The policy grew and shrank again: what became visible is marked when the shorter one says so, at once."""
    short = policy(days(30), days(28))
    await rig.use(short)
    (row,) = await rig.record(START)
    sweeper = rig.sweeper()
    rig.at(START + days(28))
    assert (await sweeper.run_once()).marked == 1
    await rig.use(CITY)
    assert (await sweeper.run_once()).unmarked == 1
    await rig.use(short)
    assert (await sweeper.run_once()).marked == 1
    assert await rig.states([row]) == [SegmentState.MARKED]


async def test_footage_that_never_reached_the_store_expires_too(rig: Rig) -> None:
    """A segment that is still spooled has an end like any other."""
    (row,) = rig.rows([START])
    await rig.catalog.footage.register([(row, b"")])
    rig.at(START + days(60))
    await rig.sweeper().run_once()
    assert await rig.states([row]) == [SegmentState.MARKED]
    rig.at(START + days(61))
    assert (await rig.sweeper().run_once()).deleted == 1


async def test_thousands_in_one_run(rig: Rig) -> None:
    """More than a batch: the run goes on until all that is due is marked, whatever waits before it."""
    rows = await rig.record(*(START + second * SECOND for second in range(0, 250 * 60, 60)))
    sweeper = rig.sweeper()
    rig.at(rows[-1].end_us + days(60))
    assert (await sweeper.run_once()).marked == 250
    (late,) = await rig.record(rows[-1].end_us + MINUTE)
    rig.clock.advance(MINUTE)
    assert (await sweeper.run_once()).marked == 1
    rig.at(late.end_us + days(61))
    assert (await sweeper.run_once()).deleted == 251
    assert rig.objects() == set()


async def test_run_survives_a_catalog_that_is_down_and_stops_when_told(rig: Rig) -> None:
    """run() never fails: it says what is wrong, waits and goes on."""
    policies, asked = rig.catalog.inventory.policies, asyncio.Event()
    failures = 2

    async def down_at_first() -> dict[str, Policy]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise CatalogError("database is locked")
        asked.set()
        return await policies()

    rig.catalog.inventory.policies = down_at_first  # type: ignore[method-assign]
    sweeper, stop = rig.sweeper(), asyncio.Event()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = group.create_task(sweeper.run(stop))
        while not asked.is_set():
            rig.clock.advance(PAUSE_US)
            await asyncio.sleep(0)
        stop.set()
        await running
    assert sweeper.state()["error"] is None
