"""Several processes at one PostgreSQL catalog: what holds for one caller holds for all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from media.errors import GapReason
from storage.clock import FakeClock
from storage.coverage import Interval
from storage.model import SegmentState, main_stream
from storage.postgres_catalog import PostgresCatalog
from storage.secrets import SecretBox
from tests.builders_catalog import POLICY, STREAM, T0, Journal, at, desired, digest, segment, site
from tests.postgres_server import empty_database

ROUNDS = 6
MARK = {"policy": "default", "reason": "old"}


@pytest.fixture(name="both")
async def _both(tmp_path: Path) -> AsyncIterator[tuple[PostgresCatalog, PostgresCatalog]]:
    """Two processes' catalogs over one database: connections of their own, nothing else in common."""
    box = SecretBox.at(tmp_path / "key")
    async with (
        empty_database(template="hulta_template") as address,
        await PostgresCatalog.open(address, FakeClock(wall_us=T0), box) as one,
        await PostgresCatalog.open(address, FakeClock(wall_us=T0), box) as other,
    ):
        yield one, other


async def undeclared(catalog: PostgresCatalog, stream: UUID, until_us: int) -> list[Interval]:
    """Instants that are neither footage nor gap, and those that are both."""
    footage = [Interval(row.start_us, row.end_us) for row in await catalog.footage.segments(stream, T0, until_us)]
    gaps = [Interval(gap.start_us, gap.end_us or until_us) for gap in await catalog.gaps.gaps(stream, T0, until_us)]
    rows = sorted([*footage, *gaps])
    return [
        Interval(first.end_us, second.start_us) for first, second in pairwise(rows) if first.end_us != second.start_us
    ]


async def test_one_segment_is_registered_once(both: tuple[PostgresCatalog, PostgresCatalog]) -> None:
    """Two ship processes with the same files, in another order: one row each, one sample table, and no deadlock."""
    for number in range(ROUNDS):
        stream = uuid4()
        rows = [(segment(start, start + 60, start // 60, stream=stream), b"t") for start in range(0, 1200, 60)]
        await asyncio.gather(both[0].footage.register(rows), both[1].footage.register(rows[::-1]))
        assert await both[number % 2].footage.segments(stream, T0, at(1200)) == [row for row, _ in rows]
        assert len(await both[0].footage.sample_tables([row.id for row, _ in rows])) == len(rows)


async def test_journal_and_footage_of_a_stream_may_come_at_once(
    both: tuple[PostgresCatalog, PostgresCatalog],
) -> None:
    """Gaps that open and close beside segments that are registered: each instant is declared exactly once."""
    for number in range(ROUNDS):
        stream = main_stream(uuid4())
        journal, rows = Journal(run=number + 1), []
        journal.stream_start(0, stream=stream)
        journal.gap_close(1, stream=stream)
        for minute in range(10):
            start = 60 * minute + 1
            rows.append(segment(start, start + 50, minute, run=number + 1, stream=stream))
            journal.gap_open(start + 50, GapReason.STALLED, stream=stream)
            journal.gap_close(start + 60, stream=stream)
        calls = [both[0].footage.register([(row, b"")]) for row in rows]
        calls += [both[1].gaps.import_journal(journal.run, journal.records) for _ in range(2)]
        await asyncio.gather(*calls)
        await both[0].gaps.settle(journal.run)
        assert await undeclared(both[1], stream, at(601)) == []


async def test_one_journal_is_imported_once(both: tuple[PostgresCatalog, PostgresCatalog]) -> None:
    """Two that import it both see how far the other came: no event twice."""
    journal = Journal()
    journal.stream_start(0)
    for number in range(20):
        journal.add({"kind": "clock_step", "at_us": at(number), "step_us": 1})
    await asyncio.gather(*(catalog.gaps.import_journal(journal.run, journal.records) for catalog in (*both, *both)))
    assert len(await both[0].gaps.events(STREAM, T0, at(100))) == 20


async def test_a_mark_beside_an_upload_is_one_or_the_other(both: tuple[PostgresCatalog, PostgresCatalog]) -> None:
    """Retention marks what `ship` is storing, in the other order: no deadlock, no row in between, no lost hash."""
    rows = [segment(start, start + 60, start // 60) for start in range(0, 6000, 60)]
    ids = [row.id for row in rows]
    await both[0].footage.register([(row, b"") for row in rows])
    await both[0].footage.begin_upload(ids)
    hashes = {row.id: digest(row) for row in rows}
    for _ in range(ROUNDS):
        marked, _, _ = await asyncio.gather(
            both[1].expiry.mark(ids[::-1], now_us=at(9000), **MARK),
            both[0].footage.stored(hashes),
            both[0].footage.mark_missing(ids[:10]),
        )
        states = await both[0].footage.states(ids)
        assert marked == len(ids)
        assert set(states.values()) == {SegmentState.MARKED}
        await both[1].expiry.unmark(ids)
        await both[0].footage.begin_upload(ids)


async def test_a_segment_is_buried_once_and_never_registered_again(
    both: tuple[PostgresCatalog, PostgresCatalog],
) -> None:
    """Its spool copy turns up at the moment it is deleted."""
    rows = [segment(start, start + 60, start // 60) for start in range(0, 1200, 60)]
    ids = [row.id for row in rows]
    await both[0].footage.register([(row, b"") for row in rows])
    await both[0].expiry.mark(ids, now_us=at(2000), **MARK)
    await both[0].expiry.purge(ids)
    buried = await asyncio.gather(
        both[0].expiry.tombstone(ids, now_us=at(3000)),
        both[1].expiry.tombstone(ids[::-1], now_us=at(3000)),
        both[1].footage.register([(row, b"") for row in rows]),
    )
    assert sum(count or 0 for count in buried) == len(ids)
    assert set((await both[0].footage.states(ids)).values()) == {SegmentState.GONE}
    assert len(await both[0].expiry.tombstones(STREAM, T0, at(2000))) == len(ids)


async def test_two_inventories_do_not_undo_each_other(both: tuple[PostgresCatalog, PostgresCatalog]) -> None:
    """The second plans with what the first made: a name is given once, and one gap is open for each camera."""
    cameras = [desired(f"gate-{number}") for number in range(20)]
    await asyncio.gather(*(catalog.inventory.apply([site(*cameras)], [POLICY]) for catalog in (*both, *both)))
    known = await both[0].inventory.cameras()
    assert len({camera.id for camera in known}) == len(known) == 20
    for camera in known:
        (gap,) = await both[1].gaps.gaps(camera.stream, T0, at(10))
        assert gap.end_us is None


async def test_what_is_decided_about_a_stream_waits_for_who_decides(
    both: tuple[PostgresCatalog, PostgresCatalog],
) -> None:
    """The lock itself: while one transaction holds a stream, another's footage of it waits, and of others does not."""
    mine, others = segment(0, 60), segment(0, 60, stream=uuid4())
    held, waits = asyncio.Event(), asyncio.Event()

    async def hold(connection: asyncpg.Connection) -> None:
        key = int.from_bytes(STREAM.bytes[:8], "big", signed=True)
        await connection.execute("SELECT pg_advisory_xact_lock($1)", key)
        held.set()
        await waits.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(both[0].database.write(hold))
        await held.wait()
        await both[1].footage.register([(others, b"")])
        registering = group.create_task(both[1].footage.register([(mine, b"")]))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not (await both[0].database.fetch(waiting))[0][0]:
            assert not registering.done()
        waits.set()
    assert await both[0].footage.segment(mine.id) == mine


WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def test_a_journal_waits_for_who_imports_it(both: tuple[PostgresCatalog, PostgresCatalog]) -> None:
    """The run's row: whoever comes second sees how far the first came, though that was not committed when it began."""
    journal = Journal()
    journal.stream_start(0)
    await both[0].gaps.import_journal(journal.run, journal.records)
    journal.add({"kind": "clock_step", "at_us": at(1), "step_us": 1})

    async def take_all(connection: asyncpg.Connection) -> asyncio.Task[None]:
        await connection.execute("SELECT 1 FROM runs WHERE run = $1 FOR NO KEY UPDATE", journal.run)
        second = asyncio.create_task(both[1].gaps.import_journal(journal.run, journal.records))
        while not await connection.fetchval(WAITING):
            assert not second.done()
        statement = "UPDATE runs SET journal_offset = $2 WHERE run = $1"
        await connection.execute(statement, journal.run, journal.records[-1].end_offset)
        return second

    await (await both[0].database.write(take_all))
    assert await both[0].gaps.events(STREAM, T0, at(100)) == []


@pytest.mark.parametrize("step", ["begin_upload", "stored", "mark_missing", "mark", "unmark", "purge", "tombstone"])
async def test_rows_are_locked_in_one_order(both: tuple[PostgresCatalog, PostgresCatalog], step: str) -> None:
    """By id: who waits for the first row has none of the others, so no two can wait for each other."""
    rows = [segment(60 * number, 60 * number + 60, number) for number in range(40)]
    rows.sort(key=lambda row: row.id.bytes, reverse=True)
    ids = [row.id for row in rows]
    await both[0].footage.register([(row, b"") for row in rows])
    steps = {
        "begin_upload": lambda: both[1].footage.begin_upload(ids),
        "stored": lambda: both[1].footage.stored({row.id: digest(row) for row in rows}),
        "mark_missing": lambda: both[1].footage.mark_missing(ids),
        "mark": lambda: both[1].expiry.mark(ids, now_us=at(9000), **MARK),
        "unmark": lambda: both[1].expiry.unmark(ids),
        "purge": lambda: both[1].expiry.purge(ids),
        "tombstone": lambda: both[1].expiry.tombstone(ids, now_us=at(9000)),
    }
    before = {"stored": ["begin_upload"], "unmark": ["mark"], "purge": ["mark"], "tombstone": ["mark", "purge"]}
    for each in before.get(step, []):
        await steps[each]()

    async def hold_the_first(connection: asyncpg.Connection) -> asyncio.Task[object]:
        await connection.execute("SELECT 1 FROM segments WHERE id = $1 FOR UPDATE", min(ids))
        other = asyncio.ensure_future(steps[step]())
        while not await connection.fetchval(WAITING):
            assert not other.done()
        await connection.execute("SELECT 1 FROM segments WHERE id = ANY ($1) FOR UPDATE NOWAIT", ids)
        return other

    await (await both[0].database.write(hold_the_first))
