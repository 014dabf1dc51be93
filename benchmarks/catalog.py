"""What a catalog answers and takes in, by how much is in it: 315 000, 2 and 19.6 million segments.

    python -m benchmarks.catalog [--quick]

Asks the catalogs of `make bench-data` that are there, through the product's own classes: cold, when the system has
forgotten every page of the file, and warm, when the same was asked before. Then brings what a minute of 220 cameras
brings, as the shipper does it, and takes it out again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from benchmarks import city
from benchmarks.city import Archive
from benchmarks.city_guest import borrowed, forget_pages
from benchmarks.city_rows import CAMERAS, DAY_US, END_US, MINUTE_US, NOW_US, City
from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spread import Spread
from playback.library import Library
from retention.sweeper import Sweeper
from storage.catalog import Catalog
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.model import Camera, Segment
from storage.sqlite_catalog import SqliteCatalog

BUDGET_MS = 20.0
HOUR_US = 60 * MINUTE_US
ROUNDS, QUICK_ROUNDS, RETENTION_ROUNDS = 11, 3, 3
SECOND_OF_CAMERAS = 4  # segments that 220 cameras seal in a second
BACKLOG = 100  # registered at once after an outage (storage/catalog.py)
UPLOADS = 32  # shipped at once (storage/uploads.py)
NEXT_MINUTES, QUICK_NEXT_MINUTES = 5, 2
TIMELINE, RETENTION = "timeline of a day", "retention scan of 220 cameras"


Arrival = tuple[Segment, bytes]


class Place(NamedTuple):
    """A camera, a day of which it has footage, a segment of that day, and segments that have sample tables."""

    camera: Camera
    day_us: int
    segment: UUID
    with_tables: list[UUID]


class Asked(NamedTuple):
    """An open catalog, what is built on it, and what to ask it about."""

    catalog: Catalog
    library: Library
    sweeper: Sweeper
    place: Place


Question = Callable[[Asked], Awaitable[object]]
QUESTIONS: dict[str, Question] = {
    TIMELINE: lambda at: at.library.timeline(at.place.camera, at.place.day_us, at.place.day_us + DAY_US),
    "calendar of 31 days": lambda at: at.library.calendar(
        at.place.camera, at.place.day_us - 30 * DAY_US, at.place.day_us + DAY_US
    ),
    "newest quarter of an hour": lambda at: at.library.timeline(at.place.camera, END_US - HOUR_US // 4, END_US),
    "one segment by its id": lambda at: at.catalog.footage.segment(at.place.segment),
    "sample tables of an hour": lambda at: at.catalog.footage.sample_tables(at.place.with_tables),
    RETENTION: lambda at: at.sweeper.run_once(),
}


def measure(run: Run) -> Report:
    """Ask every archive that is there, or a small one made for the occasion."""
    report = Report(
        "catalog",
        asks="How long does the catalog take to answer and to take in, by how many segments are in it?",
        method=[
            f"{ROUNDS} cameras and days at random for each question; `Library`, `Sweeper`, catalog port.",
            "Cold: the system has forgotten every page of the file (posix_fadvise), and the catalog was opened anew.",
            "What the disk or its host remember is beyond reach. Warm: the same question was asked just before.",
            "Retention, cold, is the first run of a sweeper, which looks at everything; warm is the run after it.",
            "Rows lie in the file in the order in which they arrived, minute by minute over 220 cameras.",
            "Taking in: segments with sample tables; register, intent and `stored` are a synced transaction each.",
        ],
    )
    archives = city.archives() or [city.make(city.MINUTES["300k"], run.work / "300k")]
    if run.quick:
        archives = archives[:1]
    answers = report.table("Asking", Column("question"), Column("rows"), Column("cold", "ms"), Column("warm", "ms"))
    arrivals = report.table(
        "Taking in", Column("what"), Column("rows"), Column("latency", "ms"), Column("segments/s", digits=0)
    )
    found: dict[str, list[tuple[Spread, Spread]]] = {question: [] for question in QUESTIONS}
    for archive in archives:
        with borrowed(archive):
            for question, (cold, warm) in asyncio.run(ask(archive, QUICK_ROUNDS if run.quick else ROUNDS)).items():
                found[question].append((cold, warm))
                answers.add(question, archive.rows, cold, warm)
            for what, latency, rate in asyncio.run(_bring(archive, QUICK_NEXT_MINUTES if run.quick else NEXT_MINUTES)):
                arrivals.add(what, archive.rows, latency, rate)
    _judge(report, archives, found)
    return report


async def ask(archive: Archive, rounds: int) -> dict[str, tuple[Spread, Spread]]:
    """Each question so many times, cold and warm, in milliseconds."""
    found = {}
    places = await _places(archive, rounds)
    for name, question in QUESTIONS.items():
        cold, warm = [], []
        for place in places[: RETENTION_ROUNDS if name == RETENTION else rounds]:
            forget_pages(archive)
            async with _asked(archive, place) as asked:
                cold.append(await timed(question(asked)))
                warm.append(await timed(question(asked)))
        found[name] = Spread.of(cold), Spread.of(warm)
    return found


async def bring(catalog: Catalog, minutes: int, *, seed: int) -> list[tuple[str, Spread, float]]:
    """What arrives next, as the shipper brings it: what, latency of a batch in milliseconds, segments a second."""
    city = City(minutes, seed=seed, end_us=END_US + (minutes + 1) * MINUTE_US)
    arrivals = [(row.segment, table) for row, table in city.arrivals()]
    first, rest = arrivals[:CAMERAS], arrivals[CAMERAS:]
    register = catalog.footage.register

    async def upload(batch: list[Arrival]) -> None:
        await catalog.footage.begin_upload([segment.id for segment, _ in batch])
        await catalog.footage.stored({segment.id: segment.chain for segment, _ in batch})

    async def whole_way(batch: list[Arrival]) -> None:
        await register(batch)
        await upload(batch)

    return [
        (f"all steps, {SECOND_OF_CAMERAS} at a time", *await _rate(first, SECOND_OF_CAMERAS, whole_way)),
        (f"backlog: register, {BACKLOG} at a time", *await _rate(rest, BACKLOG, register)),
        (f"backlog: begin and store, {UPLOADS} at a time", *await _rate(rest, UPLOADS, upload)),
    ]


async def _bring(archive: Archive, minutes: int) -> list[tuple[str, Spread, float]]:
    async with await SqliteCatalog.open(archive.root / "catalog.sqlite", FakeClock(wall_us=NOW_US)) as catalog:
        return await bring(catalog, minutes, seed=archive.rows)


async def _rate(
    arrivals: list[Arrival], size: int, bring_batch: Callable[[list[Arrival]], Awaitable[None]]
) -> tuple[Spread, float]:
    batches = [arrivals[first : first + size] for first in range(0, len(arrivals), size)]
    spent = [await timed(bring_batch(batch)) for batch in batches]
    return Spread.of(spent), 1000 * len(arrivals) / sum(spent)


async def timed(act: Awaitable[object]) -> float:
    """How long it takes, in milliseconds."""
    began = time.perf_counter()
    await act
    return 1000 * (time.perf_counter() - began)


async def _places(archive: Archive, count: int) -> list[Place]:
    """Cameras and days at random, always the same ones; days of which nothing is marked."""
    choose = random.Random(3)
    days = max(1, int((END_US - archive.begin_us) / DAY_US * 0.9))
    async with await SqliteCatalog.open(archive.root / "catalog.sqlite", FakeClock(wall_us=NOW_US)) as catalog:
        filmed = (await catalog.inventory.camera(archive.filmed[-1])).stream
        hour = await catalog.footage.segments(filmed, END_US - HOUR_US, END_US)
        places = []
        for camera in choose.choices(await catalog.inventory.cameras(), k=count):
            day_us = END_US - choose.randint(1, days) * DAY_US
            segment = choose.choice(await catalog.footage.segments(camera.stream, day_us, day_us + HOUR_US))
            places.append(Place(camera, day_us, segment.id, [each.id for each in hour]))
    return places


@asynccontextmanager
async def _asked(archive: Archive, place: Place) -> AsyncIterator[Asked]:
    clock = FakeClock(wall_us=NOW_US)
    store = DirectoryStore(archive.root / "objects")
    async with await SqliteCatalog.open(archive.root / "catalog.sqlite", clock) as catalog:
        library = Library(catalog, store, None, clock)
        sweeper = Sweeper(catalog, store, clock, acceptance=archive.root / "never")
        yield Asked(catalog, library, sweeper, place)
    store.close()


def _judge(report: Report, archives: list[Archive], found: dict[str, list[tuple[Spread, Spread]]]) -> None:
    cold, warm = found[TIMELINE][-1]
    rows = f"{archives[-1].rows:,} rows"
    report.budget(f"{TIMELINE} of one camera, warm, {rows}", warm, unit="ms", at_most=BUDGET_MS, digits=1)
    report.budget(f"{TIMELINE} of one camera, cold, {rows}", cold, unit="ms", at_most=BUDGET_MS, digits=1)
    if len(archives) < len(city.MINUTES):
        report.note(f"Only {', '.join(each.name for each in archives)} of {', '.join(city.MINUTES)} were there.")
    few_cold, few_warm = found[TIMELINE][0]
    sees = (
        f"With {rows} a day of a camera takes {warm.median:.0f} ms warm and {cold.median:.0f} ms cold; "
        f"with {archives[0].rows:,} it takes {few_warm.median:.0f} and {few_cold.median:.0f} ms."
    )
    at = [each.rows / 1e6 for each in archives]
    panels = [
        Panel(
            along="segments in the catalog, millions",
            at=at,
            quantity=way,
            unit="ms",
            series=[Series(question, [pair[index] for pair in pairs]) for question, pairs in found.items()],
            budget=BUDGET_MS,
            logarithmic=True,
        )
        for index, way in enumerate(("cold", "warm"))
    ]
    report.plot(sees, *panels)


if __name__ == "__main__":
    main(measure)
