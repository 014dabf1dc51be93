"""The sweeper over the real catalog and the real directory store, with a clock that is told what time it is.

Objects must really be gone, tombstones really be there, and a kill between any two steps must cost nothing but time.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from media.errors import CatalogError, ObjectStoreError
from media.identity import SegmentIdentity
from media.url import CameraUrl
from retention.policy import Schedule
from retention.sweeper import PAUSE_US, Sweeper, pause_us
from storage.catalog import MAX_BATCH
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.model import VISIBLE, DesiredCamera, DesiredSite, Policy, Segment, SegmentState, Tombstone
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_retention import DAY, HOUR, MINUTE, SECOND, days, policy, segment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

START = 1_700_000_000 * SECOND
CITY = policy(days(62), days(60))
EVER = 1 << 60
HELD = VISIBLE | {SegmentState.MARKED}
"""The states in which the object has to be there."""


class Killed(BaseException):
    """SIGKILL, as far as one process can do it to itself."""


class Fuse:
    """Lets a number of calls pass, then kills: before the next call has an effect, or right after it had."""

    def __init__(self, calls: int, *, after: bool = False) -> None:
        self.left = calls
        self.after = after

    def guard(self, target: Any) -> Any:
        """The same object, with every coroutine method on the fuse."""
        return _Guarded(target, self)


class _Guarded:
    def __init__(self, target: Any, fuse: Fuse) -> None:
        self._target = target
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        fuse = self._fuse

        async def call(*words: Any, **named: Any) -> Any:
            fuse.left -= 1
            if fuse.left < 0 and not fuse.after:
                raise Killed
            result = await method(*words, **named)
            if fuse.left < 0:
                raise Killed
            return result

        return call


class Rig:
    """A catalog, a store, a clock and one camera; footage is put where a shipper would have put it."""

    def __init__(self, root: Path, clock: FakeClock, catalog: SqliteCatalog) -> None:
        self.root = root
        self.clock = clock
        self.catalog = catalog
        self.store = DirectoryStore(root / "objects")
        self.acceptance = root / "accept-backlog"
        self.stream = UUID(int=0)

    async def use(self, rules: Policy, *, name: str = "gate") -> None:
        """Put the camera under a policy."""
        camera = DesiredCamera(name=name, url=CameraUrl.parse("rtsp://127.0.0.1/cam"), policy=rules.name)
        await self.catalog.inventory.apply([DesiredSite(name="site", cameras=(camera,))], [rules])
        self.stream = (await self.catalog.inventory.camera(name)).stream

    def sweeper(self, fuse: Fuse | None = None) -> Sweeper:
        """A `keep` that has just been started."""
        catalog: Any = self.catalog
        store: Any = self.store
        if fuse is not None:
            catalog = type("Catalog", (), {"inventory": catalog.inventory, "expiry": fuse.guard(catalog.expiry)})()
            store = fuse.guard(store)
        return Sweeper(catalog, store, self.clock, acceptance=self.acceptance)

    def rows(self, ends_us: Iterable[int]) -> list[Segment]:
        """A minute of footage that ended at each instant, numbered on from what is there."""
        return [
            replace(
                segment(end_us, state=SegmentState.SPOOLED),
                identity=SegmentIdentity(
                    camera=UUID(int=1), stream=self.stream, epoch=1, run=7, sequence=end_us // SECOND
                ),
                sha256=None,
                size_bytes=1000,
            )
            for end_us in ends_us
        ]

    async def record(self, *ends_us: int) -> list[Segment]:
        """Register, upload and store footage."""
        rows = self.rows(ends_us)
        for first in range(0, len(rows), MAX_BATCH):
            batch = rows[first : first + MAX_BATCH]
            await self.catalog.footage.register([(row, b"") for row in batch])
            await self.catalog.footage.begin_upload([row.id for row in batch])
            digests = {}
            for row in batch:
                spooled = self.root / "spooled.mp4"
                spooled.write_bytes(bytes([row.identity.sequence % 251]) * row.size_bytes)
                digests[row.id] = sha256(spooled.read_bytes()).digest()
                await self.store.put_file(row.key, spooled, sha256=digests[row.id], size_bytes=row.size_bytes)
                spooled.unlink()
            await self.catalog.footage.stored(digests)
        return rows

    async def states(self, rows: Iterable[Segment]) -> list[SegmentState]:
        """Where the segments are by now."""
        found = await self.catalog.footage.states([row.id for row in rows])
        return [found[row.id] for row in rows]

    async def tombstones(self) -> list[Tombstone]:
        """All of the camera's."""
        return await self.catalog.expiry.tombstones(self.stream, 0, EVER)

    def objects(self) -> set[str]:
        """The keys that are really in the directory."""
        root = self.root / "objects"
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}

    def at(self, wall_us: int) -> None:
        """Let time pass until then."""
        self.clock.advance(wall_us - self.clock.wall_us())


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """One camera under `keep_max: 62d, keep_min: 60d`, at START."""
    clock = FakeClock(wall_us=START)
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", clock) as catalog:
        rig = Rig(tmp_path, clock, catalog)
        await rig.use(CITY)
        yield rig


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
                await rig.sweeper(Fuse(calls, after=after)).run_once()
            except* Killed:
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
