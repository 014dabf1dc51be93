"""The days of the PostgreSQL catalog: made before they are needed, opened only when they are, gone when empty."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import structlog

from storage.clock import FakeClock
from storage.model import Segment
from storage.postgres_catalog import PostgresCatalog
from storage.postgres_days import DAY_US
from storage.postgres_rows import places_of
from storage.secrets import SecretBox
from storage.statements import statements
from tests.builders_catalog import STREAM, T0, at, segment
from tests.postgres_server import empty_database

DAYS = 40
DAY = DAY_US // 1_000_000
MIDNIGHT = (DAY_US - T0 % DAY_US) // 1_000_000


@pytest.fixture(name="two")
async def _two(tmp_path: Path) -> AsyncIterator[tuple[PostgresCatalog, PostgresCatalog]]:
    box = SecretBox.at(tmp_path / "key")
    async with (
        empty_database(template="hulta_template") as address,
        await PostgresCatalog.open(address, FakeClock(wall_us=T0), box) as one,
        await PostgresCatalog.open(address, FakeClock(wall_us=T0), box) as other,
    ):
        yield one, other


@pytest.fixture(name="catalog")
async def _catalog(two: tuple[PostgresCatalog, PostgresCatalog]) -> PostgresCatalog:
    return two[0]


async def days(catalog: PostgresCatalog) -> list[int]:
    """Those that have partitions, counted from T0's."""
    return [row["day"] - T0 // DAY_US for row in await catalog.database.fetch("SELECT day FROM days ORDER BY day")]


async def month(catalog: PostgresCatalog) -> list[Segment]:
    """A segment for each of so many days."""
    rows = [segment(DAY * number, DAY * number + 60, number) for number in range(DAYS)]
    await catalog.footage.register([(row, b"table") for row in rows])
    return rows


async def delete(catalog: PostgresCatalog, rows: list[Segment]) -> None:
    """All the way."""
    ids = [row.id for row in rows]
    await catalog.expiry.mark(ids, now_us=at(0), policy="default", reason="old")
    await catalog.expiry.purge(ids)
    assert await catalog.expiry.tombstone(ids, now_us=at(0)) == len(ids)


async def touched(catalog: PostgresCatalog, noun: str, name: str, *values: object) -> set[int]:
    """The partitions of segments and sample tables that a statement opens, by day since T0's."""
    plan = await catalog.database.fetch(f"EXPLAIN (FORMAT JSON) {statements(f'postgres/{noun}')[name]}", *values)
    names = set(
        re.findall(r'"Relation Name": "(?:segments|segment_samples)_(\d+)"', json.dumps(json.loads(plan[0][0])))
    )
    named = await catalog.database.fetch("SELECT day, day_name(day) AS name FROM days")
    return {row["day"] - T0 // DAY_US for row in named if row["name"] in names}


async def test_days_are_made_before_they_come(catalog: PostgresCatalog) -> None:
    """Two more than the newest: nothing has to be made at midnight."""
    assert await days(catalog) == []
    await catalog.footage.register([(segment(0, 60), b"")])
    assert await days(catalog) == [0, 1, 2]


async def test_a_segment_over_midnight_is_found_from_both_days(catalog: PostgresCatalog) -> None:
    """It is in the partition of its start."""
    row = segment(MIDNIGHT - 30, MIDNIGHT + 30)
    await catalog.footage.register([(row, b"")])
    for from_s, to_s in ((MIDNIGHT - 20, MIDNIGHT - 10), (MIDNIGHT + 10, MIDNIGHT + 20)):
        assert await catalog.footage.segments(STREAM, at(from_s), at(to_s)) == [row]


async def test_a_question_about_a_day_opens_no_other(catalog: PostgresCatalog) -> None:
    """A day's timeline: its partitions, and the ten minutes before it. Segments by id: where they are."""
    rows = await month(catalog)
    from_us = (T0 // DAY_US + 10) * DAY_US
    for name, more in (("stretches", ()), ("overlapping", (False,)), ("recorded", (3_600_000_000,))):
        assert await touched(catalog, "footage", name, STREAM, from_us, from_us + DAY_US, *more) <= {9, 10}
        assert await touched(catalog, "footage", name, STREAM, from_us, from_us + DAY_US, *more)
    places = places_of([{"id": rows[5].id, "start_us": rows[5].start_us}])
    assert places is not None
    for name in ("segments_at", "samples", "states", "begin_upload", "mark_missing"):
        assert await touched(catalog, "footage", name, *places) == {5}
    assert await touched(catalog, "expiry", "tombstone", *places, 0) == {5}
    ended_by_us = (T0 // DAY_US + 2) * DAY_US
    assert max(await touched(catalog, "expiry", "unmarked_candidates", STREAM, ended_by_us, -(1 << 62), 100)) <= 2
    assert min(await touched(catalog, "gaps", "window_segments", [STREAM], [at(DAY * 30)], at(DAY * 30))) >= 30


async def test_empty_days_go_and_others_stay(two: tuple[PostgresCatalog, PostgresCatalog]) -> None:
    """Retention empties them from the oldest on; another process that still knows them makes one anew if it must."""
    one, other = two
    rows = await month(one)
    await other.footage.register([(rows[0], b"table")])
    await delete(one, rows[:3])
    assert (await days(one))[:2] == [2, 3]
    await delete(one, rows[3:6])
    assert (await days(one))[:2] == [5, 6]
    late = segment(30, 90, 1, run=77)
    await other.footage.register([(late, b"late")])
    assert (await days(one))[0] == 0
    assert await one.footage.segment(late.id) == late
    assert await one.footage.sample_tables([late.id]) == {late.id: b"late"}
    assert len(await one.expiry.tombstones(STREAM, T0, at(DAY * DAYS))) == 6


async def test_nobody_waits_for_a_day_that_cannot_go(two: tuple[PostgresCatalog, PostgresCatalog]) -> None:
    """Somebody reads for long: it stays until later, and the deletion that asked for it is done."""
    one, other = two
    rows = await month(one)

    async def read_for_long(connection: object) -> None:
        await connection.fetch("SELECT count(*) FROM segments")  # type: ignore[attr-defined]
        await delete(one, rows[:3])

    await other.database.read(read_for_long)
    assert (await days(one))[0] == 0
    await delete(one, rows[3:4])
    assert (await days(one))[0] == 3


async def test_who_reads_waits_a_moment_at_most_for_a_day_that_goes(
    two: tuple[PostgresCatalog, PostgresCatalog],
) -> None:
    """Everybody stands behind whoever waits for a whole table: it gives up after 200 ms, long before they do."""
    one, other = two
    rows = await month(one)

    async def read_for_long(connection: asyncpg.Connection) -> None:
        await connection.fetch("SELECT count(*) FROM segments")
        deleting = asyncio.create_task(delete(one, rows[:3]))
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not deleting.done()
        assert await asyncio.wait_for(one.footage.segment(rows[5].id), 2) == rows[5]
        await deleting

    await other.database.read(read_for_long)


async def test_a_day_that_cannot_go_for_another_reason_is_said(catalog: PostgresCatalog) -> None:
    """A view of somebody else's that needs it, here: the deletion is done, and the reason stands in the log."""
    rows = await month(catalog)
    name = (await catalog.database.fetch("SELECT day_name(min(day)) FROM days"))[0][0]
    await catalog.database.fetch(f"CREATE VIEW somebodys AS SELECT * FROM segments_{name}")
    with structlog.testing.capture_logs() as logs:
        await delete(catalog, rows[:3])
    (said,) = [line for line in logs if line["event"] == "days_not_dropped"]
    assert "other objects depend on it" in said["error"]
    assert (await days(catalog))[0] == 0
    await catalog.database.fetch("DROP VIEW somebodys")
    await delete(catalog, rows[3:4])
    assert (await days(catalog))[0] == 3


async def test_an_id_exists_once_over_all_days(catalog: PostgresCatalog) -> None:
    """The same segment with another start (a file that was cut) keeps the row it has."""
    row, moved = segment(0, 60), segment(DAY, DAY + 60)
    assert row.id == moved.id
    await catalog.footage.register([(row, b"one")])
    await catalog.footage.register([(moved, b"other")])
    assert await catalog.footage.segment(row.id) == row
    assert await catalog.footage.segments(STREAM, at(DAY - 600), at(DAY + 60)) == []
