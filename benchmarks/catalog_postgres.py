"""What a PostgreSQL catalog of 62 days answers and takes in: 20 million segments in 62 partitions.

    python -m benchmarks.catalog_postgres [--quick] [--work DIRECTORY]

A day of the city comes by COPY; PostgreSQL itself lays it on the 61 days before, with other ids and runs. The indexes
of fragments still tell the first day's times: their size counts here, nothing looks into them. Asked as
benchmarks.catalog asks SQLite, and cold after a restart of the server whose files the system has forgotten. Not part of
`make bench`: it needs 50 GB of disk and a quarter of an hour (`make bench-postgres`).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.catalog import BUDGET_MS, QUESTIONS, RETENTION, TIMELINE, Asked, Place, bring, timed
from benchmarks.city_rows import DAY_US, END_US, MINUTES_PER_DAY, NOW_US, City, Row, desired
from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread
from playback.library import Library
from retention.sweeper import Sweeper
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.key_file import GivenKeys
from storage.postgres_address import PostgresAddress
from storage.postgres_catalog import PostgresCatalog
from storage.secrets import SecretBox
from tests.postgres_server import PostgresServer

DAYS, QUICK_DAYS = 62, 2
ROUNDS, QUICK_ROUNDS, RETENTION_ROUNDS = 11, 3, 3
NEXT_MINUTES = 5
UUIDS = ("id", "stream", "camera")
WITHOUT_TABLES = {name: question for name, question in QUESTIONS.items() if not name.startswith("sample tables")}
_BOX = GivenKeys("00" * 32, "a benchmark")

_LAID = {
    "id": "md5(id::text || $1)::uuid",
    "run": "run + $1",
    "start_us": f"start_us - $1 * {DAY_US}",
    "end_us": f"end_us - $1 * {DAY_US}",
}
_LAY_DAY = f"""
INSERT INTO segments ({", ".join(Row._fields)})
SELECT {", ".join(_LAID.get(name, name) for name in Row._fields)} FROM segments WHERE start_us >= {END_US - DAY_US}
ORDER BY start_us
"""
_LAY_GAPS = f"""
INSERT INTO gaps (stream, start_us, end_us, reason, detail)
SELECT stream, start_us - $1 * {DAY_US}, end_us - $1 * {DAY_US}, reason, detail FROM gaps
WHERE start_us >= {END_US - DAY_US} AND end_us < {END_US}
"""


_FIRST = "SELECT id FROM segments WHERE stream = $1 AND start_us BETWEEN $2 AND $3 ORDER BY start_us LIMIT 1"
_DECLARE = "UPDATE streams SET declared_until_us = $1 WHERE id = $2"


class Archive:
    """A PostgreSQL with the city in it."""

    def __init__(self, root: Path, server: PostgresServer) -> None:
        self._root = root
        self._server = server
        self.rows = self.size_bytes = 0
        self.fill_s = 0.0

    async def fill(self, days: int) -> None:
        """Rows for so many days; then what autovacuum would have done by the next day."""
        began = time.perf_counter()
        city = City(MINUTES_PER_DAY)
        city.policy = replace(city.policy, keep_max_us=(DAYS + 2) * DAY_US)  # nothing is due
        clock = FakeClock(wall_us=city.begin_us - (days - 1) * DAY_US)
        async with self.opened(clock) as catalog:
            await catalog.inventory.apply(desired(enabled=True), [city.policy])
            clock.advance(NOW_US - clock.wall_us())
            await catalog.inventory.apply(desired(enabled=False), [city.policy])
        connection = await asyncpg.connect(self._server.url, database="postgres")
        try:
            newest = END_US // DAY_US
            await connection.execute("SELECT make_days($1)", [*range(newest - days - 1, newest + 2)])
            await self._copy(connection, city)
            for day in range(1, days):
                await connection.execute(_LAY_DAY.replace("$1", str(day)))
                await connection.execute(_LAY_GAPS.replace("$1", str(day)))
            await connection.execute("INSERT INTO segment_ids SELECT id, start_us FROM segments ON CONFLICT DO NOTHING")
            await connection.execute("VACUUM ANALYZE", timeout=600)
            self.rows = await connection.fetchval("SELECT count(*) FROM segments", timeout=600)
            self.size_bytes = await connection.fetchval("SELECT pg_database_size('postgres')")
        finally:
            await connection.close()
        self.fill_s = time.perf_counter() - began

    async def _copy(self, connection: Any, city: City) -> None:
        records = (_record(row) for row in city.rows())
        await connection.copy_records_to_table("segments", records=records, columns=Row._fields)
        await connection.execute(f"DELETE FROM gaps WHERE start_us < {END_US}")
        gaps = [(camera.stream, *gap, "") for camera in city.cameras for gap in city.gaps(camera)]
        columns = ("stream", "start_us", "end_us", "reason", "detail")
        await connection.copy_records_to_table("gaps", records=gaps, columns=columns)
        for camera in city.cameras:
            declared_us = END_US + camera.phase_us
            await connection.execute(
                "UPDATE streams SET declared_until_us = $1 WHERE id = $2", declared_us, camera.stream
            )

    @asynccontextmanager
    async def opened(self, clock: FakeClock) -> AsyncIterator[PostgresCatalog]:
        """The product's own catalog over it."""
        address = PostgresAddress.parse(f"{self._server.url}/postgres", accept_loss=True)
        async with await PostgresCatalog.open(address, clock, SecretBox(_BOX)) as catalog:
            yield catalog

    async def segment_of(self, stream: UUID, from_us: int) -> UUID:
        """The id of the first segment from an instant on: those that were laid do not follow from what they are of."""
        connection = await asyncpg.connect(self._server.url, database="postgres")
        try:
            found: UUID = await connection.fetchval(_FIRST, stream, from_us, from_us + DAY_US)
            return found
        finally:
            await connection.close()

    def forget(self) -> None:
        """Restart the server, and let the system forget what it has read of its files."""
        self._server.stop()
        for path in self._root.rglob("*"):
            if path.is_file():
                fd = os.open(path, os.O_RDONLY)
                os.fdatasync(fd)  # pages that are not on the disk yet cannot be forgotten
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)
        self._server.start()


def _record(row: Row) -> tuple[Any, ...]:
    values = row._asdict()
    return tuple(({**values, **{name: UUID(bytes=values[name]) for name in UUIDS}} | {"was_missing": False}).values())


@contextmanager
def served(root: Path) -> Iterator[Archive]:
    """An empty one on the disk that is measured."""
    root.mkdir()
    root.parent.chmod(0o711)  # the server does not run as root
    server = PostgresServer(root, None)
    server.start()
    try:
        yield Archive(root, server)
    finally:
        server.stop()


def measure(run: Run) -> Report:
    """Fill, ask, bring."""
    with served(run.work / "postgres") as archive:
        return asyncio.run(_measure(archive, run))


async def _measure(archive: Archive, run: Run) -> Report:
    await archive.fill(QUICK_DAYS if run.quick else DAYS)
    print(f"{archive.rows:,} rows, {archive.size_bytes / 1e9:.1f} GB, in {archive.fill_s:.0f} s", flush=True)
    found = await ask(archive, run.work, QUICK_DAYS if run.quick else DAYS, QUICK_ROUNDS if run.quick else ROUNDS)
    async with archive.opened(FakeClock(wall_us=NOW_US)) as catalog:
        brought = await bring(catalog, NEXT_MINUTES, seed=archive.rows)
    report = Report(
        "catalog_postgres",
        asks="How long does a PostgreSQL catalog of 62 days take to answer and to take in?",
        method=[
            f"{archive.rows:,} segments in partitions of a day, {archive.size_bytes / 1e9:.1f} GB.",
            "Settings as installed, 128 MB of shared buffers.",
            "The server does not sync (fsync off): what a commit waits for its disk comes on top of taking in.",
            f"{ROUNDS} cameras and days at random for each question; `Library`, `Sweeper`, catalog port.",
            "Cold: the server was restarted, and the system has forgotten every page of its files (posix_fadvise).",
            "Cold includes connecting, and planning over all partitions for the first time. Warm: the same again.",
        ],
    )
    answers = report.table("Asking", Column("question"), Column("cold", "ms"), Column("warm", "ms"))
    for question, (cold, warm) in found.items():
        answers.add(question, cold, warm)
    arrivals = report.table("Taking in", Column("what"), Column("latency", "ms"), Column("segments/s", digits=0))
    for what, latency, rate in brought:
        arrivals.add(what, latency, rate)
    for name, spread in zip(("cold", "warm"), found[TIMELINE], strict=True):
        what = f"{TIMELINE} of one camera, {name}, {archive.rows:,} rows"
        report.budget(what, spread, unit="ms", at_most=BUDGET_MS, digits=1)
    cold, warm = found[TIMELINE]
    report.plot(
        f"With {archive.rows:,} rows in PostgreSQL a day of a camera takes {warm.median:.0f} ms warm and "
        f"{cold.median:.0f} ms cold.",
        Panel(
            along="question",
            at=[*found],
            quantity="time",
            unit="ms",
            series=[
                Series(name, [pair[index] for pair in found.values()]) for index, name in enumerate(("cold", "warm"))
            ],
            budget=BUDGET_MS,
            logarithmic=True,
        ),
    )
    return report


async def ask(archive: Archive, work: Path, days: int, rounds: int) -> dict[str, tuple[Spread, Spread]]:
    """Each question so many times, cold and warm, in milliseconds."""
    places = await _places(archive, days, rounds)
    store = DirectoryStore(work / "objects")
    found = {}
    for name, question in WITHOUT_TABLES.items():
        cold, warm = [], []
        for place in places[: RETENTION_ROUNDS if name == RETENTION else rounds]:
            archive.forget()
            clock = FakeClock(wall_us=NOW_US)
            async with archive.opened(clock) as catalog:
                sweeper = Sweeper(catalog, store, clock, acceptance=work / "never")
                asked = Asked(catalog, Library(catalog, store, None, clock), sweeper, place)
                cold.append(await timed(question(asked)))
                warm.append(await timed(question(asked)))
        found[name] = Spread.of(cold), Spread.of(warm)
    store.close()
    return found


async def _places(archive: Archive, days: int, count: int) -> list[Place]:
    """Cameras and days at random, always the same ones."""
    choose = random.Random(3)
    async with archive.opened(FakeClock(wall_us=NOW_US)) as catalog:
        cameras = choose.choices(await catalog.inventory.cameras(), k=count)
    places = []
    for camera in cameras:
        day_us = END_US - choose.randint(1, days) * DAY_US
        places.append(Place(camera, day_us, await archive.segment_of(camera.stream, day_us), []))
    return places


if __name__ == "__main__":
    main(measure)
