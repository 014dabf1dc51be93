"""The big catalogs that the benchmarks ask: `make bench-data` makes them once, about half an hour.

    python -m benchmarks.city [300k] [2M] [20M] [--again]

Each is a data directory: a catalog of 220 cameras (1, 6 or 62 days; benchmarks/city_rows.py says what is in it), the
key of its credentials, and objects for one day of 20 cameras (benchmarks/city_film.py). They are in
$HULTA_BENCH_DATA, else in benchmarks/catalogs, which git does not see. One appears when it is whole; what an
interrupted run left is removed by the next. Rows are what `footage.register` and `footage.stored` would have written:
each run compares some of its own, and a test compares all of a small one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID

from benchmarks import city_rows
from benchmarks.city_film import make_film
from benchmarks.city_rows import CAMERAS, MINUTES_PER_DAY, City, Row
from media.fragment_index import decode, encode
from media.identity import SegmentIdentity, object_key
from storage import sqlite_schema
from storage.clock import FakeClock
from storage.sqlite_catalog import SqliteCatalog

FORMAT = 2
"""To be raised when the rows change: catalogs of another format are made anew."""

MINUTES = {
    "300k": MINUTES_PER_DAY,
    "2M": 6 * MINUTES_PER_DAY + MINUTES_PER_DAY // 4,
    "20M": city_rows.KEEP_DAYS * MINUTES_PER_DAY - city_rows.ROOM_MINUTES,
}
LEFT_FREE_BYTES = 8 << 30
SAMPLE_MINUTES = 100  # 22 000 rows tell how many bytes a row takes
COMMIT_MINUTES = 60
SYNC_BYTES = 256 << 20  # synced in portions, so that whoever else uses the disk is not stalled by gigabytes at once
MEMORY_KIB = 1_500_000  # the index by id is written all over: 1.2 GB at 20 million rows, better in memory
REPORT_S = 10.0
CHECKED_CAMERAS = 20
CHECKED_US = 20 * 60_000_000

_INSERT = f"""
INSERT INTO segments ({", ".join(Row._fields)}) VALUES ({", ".join("?" * len(Row._fields))})
"""
_PLAYABLE = """
SELECT camera, stream, epoch, run, sequence, start_us
FROM segment_samples CROSS JOIN segments ON id = segment  -- in this order: the few first
"""
_TABLE = "INSERT INTO segment_samples (segment, samples) VALUES (?, ?)"
_GAP = "INSERT INTO gaps (stream, start_us, end_us, reason, detail) VALUES (?, ?, ?, ?, '')"
_RUN = (
    "INSERT INTO runs (run, host, boot_id, started_us, ended_us, journal_offset) VALUES (?, 'rec-1', 'boot', ?, ?, 0)"
)
_RUN_STREAM = "INSERT INTO run_streams (run, stream, started_us) VALUES (?, ?, ?)"
_EVENT = "INSERT INTO events (run, stream, at_us, kind, fields) VALUES (?, ?, ?, 'span_start', ?)"
_DECLARED = "UPDATE streams SET declared_until_us = ? WHERE id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A catalog that is there."""

    root: Path
    name: str
    rows: int
    tables: int
    begin_us: int
    film_from_us: int
    filmed: tuple[str, ...]  # cameras with objects and sample tables from then on
    catalog_bytes: int


def home() -> Path:
    """Where the catalogs are."""
    return Path(os.environ.get("HULTA_BENCH_DATA") or Path(__file__).parent / "catalogs")


def archives() -> list[Archive]:
    """Those that are there, small ones first."""
    found = [archive(name) for name in MINUTES]
    return [each for each in found if each is not None]


def archive(name: str) -> Archive | None:
    """One by name, if it is there and of this format."""
    return archive_at(home() / name)


def archive_at(root: Path) -> Archive | None:
    """The one in this directory, if it is there and of this format."""
    try:
        facts = json.loads((root / "archive.json").read_text())
    except FileNotFoundError:
        return None
    if facts.pop("format") != FORMAT:
        return None
    facts["filmed"] = tuple(facts["filmed"])
    return Archive(root=root, name=root.name, **facts)


def make(minutes: int, root: Path) -> Archive:
    """Make an archive of so many minutes at `root`, whole or not at all."""
    partial = root.with_name(f".partial-{root.name}")
    for rest in (partial, root):
        if rest.exists():
            shutil.rmtree(rest)
    partial.mkdir(parents=True)
    film = partial / "film.mp4"
    city = City(minutes, make_film(film))
    asyncio.run(write_inventory(partial / "catalog.sqlite", city))
    with closing(bulk_connection(partial / "catalog.sqlite")) as connection:
        rows, tables = write_rows(connection, city, progress=True)
        write_history(connection, city)
        connection.execute("PRAGMA journal_mode = WAL")
    _link_objects(partial / "catalog.sqlite", partial / "objects", film)
    asyncio.run(check(partial / "catalog.sqlite", city))
    facts = {
        "rows": rows,
        "tables": tables,
        "begin_us": city.begin_us,
        "film_from_us": city.begin_us + city.film_from * city_rows.MINUTE_US,
        "filmed": [camera.name for camera in city.cameras if camera.filmed],
        "catalog_bytes": (partial / "catalog.sqlite").stat().st_size,
    }
    (partial / "archive.json").write_text(json.dumps({"format": FORMAT, **facts}, indent=1) + "\n")
    os.sync()
    partial.rename(root)
    made = archive_at(root)
    assert made is not None
    return made


async def write_inventory(path: Path, city: City) -> None:
    """Sites, cameras and policy, through the product: enabled when the archive begins, disabled when it ends."""
    clock = FakeClock(wall_us=city.begin_us)
    async with await SqliteCatalog.open(path, clock) as catalog:
        await catalog.inventory.apply(city_rows.desired(enabled=True), [city.policy])
        clock.advance(city_rows.NOW_US - city.begin_us)
        await catalog.inventory.apply(city_rows.desired(enabled=False), [city.policy])


def bulk_connection(path: Path) -> sqlite3.Connection:
    """A connection that writes as fast as can be: an interrupted file is thrown away, so nothing guards it."""
    connection = sqlite3.connect(path, isolation_level=None)
    sqlite_schema.migrate(connection, path)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{MEMORY_KIB}")
    return connection


def write_rows(connection: sqlite3.Connection, city: City, *, progress: bool) -> tuple[int, int]:
    """All segments and the sample tables of the filmed days; how many of each."""
    path = connection.execute("SELECT file FROM pragma_database_list").fetchone()[0]
    told = _Progress(city.minutes * CAMERAS, path) if progress else None
    rows = city.rows()
    written = tables = 0
    while batch := list(islice(rows, COMMIT_MINUTES * CAMERAS)):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, batch)
        with_table = city.tables(batch)
        connection.executemany(_TABLE, with_table)
        connection.execute("COMMIT")
        tables += len(with_table)
        written += len(batch)
        if told is not None:
            told.tell(written)
    if told is not None:
        told.close()
    return written, tables


def write_history(connection: sqlite3.Connection, city: City) -> None:
    """Runs, gaps and events around the rows, which have been made by now."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM gaps WHERE start_us < ?", (city_rows.END_US,))
    runs = city.runs()
    connection.executemany(_RUN, runs)
    for camera in city.cameras:
        stream = camera.stream.bytes
        connection.executemany(_RUN_STREAM, [(run, stream, start) for run, start, _ in runs])
        connection.executemany(_GAP, [(stream, *gap) for gap in city.gaps(camera)])
        connection.executemany(
            _EVENT, [(run, stream, at_us, json.dumps({"span": span})) for run, span, at_us in camera.spans]
        )
        connection.execute(_DECLARED, (city_rows.END_US + camera.phase_us, stream))
    connection.execute("COMMIT")


async def check(path: Path, city: City) -> None:
    """Some rows as the product reads them: each must agree with itself in all that can be said twice."""
    every = random.Random(1)
    async with await SqliteCatalog.open(path, FakeClock(wall_us=city_rows.NOW_US)) as catalog:
        for camera in every.sample(city.cameras, CHECKED_CAMERAS):
            at_us = city.begin_us + every.randrange(city.minutes) * city_rows.MINUTE_US
            for segment in await catalog.footage.segments(camera.stream, at_us, at_us + CHECKED_US, marked=True):
                entries = decode(segment.fragments)
                assert encode(entries) == segment.fragments
                assert (entries[0].wall_us, entries[-1].end_wall_us) == (segment.start_us, segment.end_us)
                assert entries[0].media_ticks == segment.media_ticks
                assert sum(entry.samples for entry in entries) == segment.samples
                assert entries[-1].offset + entries[-1].length < segment.size_bytes
                assert await catalog.footage.segment(segment.id) == segment


class _Progress:
    """Tells how far it is, and keeps what is written and not yet on the disk small."""

    def __init__(self, about: int, path: str) -> None:
        self._about = about
        self._fd = os.open(path, os.O_RDONLY)
        self._started = self._told = time.monotonic()
        self._synced_bytes = 0

    def tell(self, written: int) -> None:
        """So many rows are written."""
        size_bytes = os.fstat(self._fd).st_size
        if size_bytes - self._synced_bytes > SYNC_BYTES:
            os.fdatasync(self._fd)
            self._synced_bytes = size_bytes
        now = time.monotonic()
        if now - self._told > REPORT_S:
            self._told, rate = now, written / (now - self._started)
            print(
                f"  {100 * written / self._about:5.1f} %  {written:>11,} rows  {rate:>7,.0f} rows/s  "
                f"{size_bytes / 1e9:5.1f} GB  {(self._about - written) / rate:>5,.0f} s to go",
                flush=True,
            )

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def _link_objects(catalog: Path, objects: Path, film: Path) -> int:
    """Give each segment that has a sample table its object: another name of the film."""
    linked = 0
    with closing(sqlite3.connect(catalog)) as connection:
        rows = connection.execute(_PLAYABLE)
        for camera, stream, epoch, run, sequence, start_us in rows:
            identity = SegmentIdentity(
                camera=UUID(bytes=camera), stream=UUID(bytes=stream), epoch=epoch, run=run, sequence=sequence
            )
            path = objects / object_key(identity, start_us)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(film, path)
            linked += 1
    return linked


def measured(minutes: int = SAMPLE_MINUTES) -> tuple[float, float]:
    """Bytes a row takes in the file, and bytes of an average sample table."""
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        path = Path(folder) / "catalog.sqlite"
        city = City(minutes)
        asyncio.run(write_inventory(path, city))
        with closing(bulk_connection(path)) as connection:
            before = path.stat().st_size
            rows, _ = write_rows(connection, city, progress=False)
        tables = [len(shape.table) for camera in city.cameras[:4] for shape in camera.minutes]
        return (path.stat().st_size - before) / rows, sum(tables) / len(tables)


def _room_for(wanted: list[str]) -> None:
    """Say what will be needed, and refuse if the disk has not got it."""
    per_row, per_table = measured()
    rows = sum(MINUTES[name] * CAMERAS for name in wanted)
    filmed = len(wanted) * MINUTES_PER_DAY * len(range(0, CAMERAS, city_rows.FILMED_EVERY))
    needed = rows * per_row + filmed * per_table * 1.3
    free = shutil.disk_usage(home()).free
    whole = MINUTES["20M"] * CAMERAS
    tables = whole * per_table
    print(f"a row takes {per_row:,.0f} bytes; needed {needed / 1e9:.1f} GB, free {free / 1e9:.1f} GB")
    print(f"(62 days of {CAMERAS} cameras: {whole * per_row / 1e9:.0f} GB, {tables / 1e9:.0f} GB of sample tables)")
    if needed + LEFT_FREE_BYTES > free:
        sys.exit(f"not enough room in {home()}: set HULTA_BENCH_DATA, or name fewer catalogs")


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*MINUTES, []], help="which ones; all without a name")
    parser.add_argument("--again", action="store_true", help="also those that are there")
    options = parser.parse_args()
    home().mkdir(parents=True, exist_ok=True)
    wanted = [name for name in options.names or MINUTES if options.again or archive(name) is None]
    if wanted:
        _room_for(wanted)
    for name in wanted:
        print(f"{name}: {MINUTES[name]} minutes of {CAMERAS} cameras", flush=True)
        started = time.monotonic()
        made = make(MINUTES[name], home() / name)
        seconds = time.monotonic() - started
        print(f"{name}: {made.rows:,} rows, {made.catalog_bytes / 1e9:.2f} GB in {seconds:,.0f} s", flush=True)
    for each in archives():
        print(f"{each.root}: {each.rows:,} rows")


if __name__ == "__main__":
    main()
