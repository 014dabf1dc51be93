"""The archive that the benchmarks ask: its rows are those that the product would have written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from benchmarks import city, city_rows
from benchmarks.city_minutes import synthetic
from benchmarks.city_rows import DAY_US, END_US, NOW_US, City
from media.fragment_index import decode, encode
from playback.library import Library
from retention.sweeper import Sweeper
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.sqlite_catalog import SqliteCatalog

MINUTES = 6
TABLE_FROM = MINUTES - 2


def film_city(minutes: int = MINUTES) -> City:
    """A small city whose film is a synthetic minute."""
    made = City(minutes, (synthetic(np.random.default_rng(3), rate=25, jitter_ticks=90), bytes(range(32))))
    made.film_from = minutes - 2
    return made


def table(path: Path, name: str) -> list[tuple[object, ...]]:
    """All rows of a table."""
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(f"SELECT * FROM {name}").fetchall())


async def generated(path: Path, made: City) -> int:
    """A catalog as the generator writes it; how many rows it has."""
    await city.write_inventory(path, made)
    with closing(city.bulk_connection(path)) as connection:
        rows, _ = city.write_rows(connection, made, progress=False)
        city.write_history(connection, made)
        connection.execute("PRAGMA journal_mode = WAL")
    return rows


async def through_the_product(path: Path, made: City) -> None:
    """The same segments as shipper and sweeper would have brought them there."""
    await city.write_inventory(path, made)
    async with await SqliteCatalog.open(path, FakeClock(wall_us=NOW_US)) as catalog:
        rows = list(made.rows())
        tables = dict(made.tables(rows))
        for first in range(0, len(rows), 100):
            batch = rows[first : first + 100]
            ids = [UUID(bytes=row.id) for row in batch]
            await catalog.footage.register([(row.segment, tables.get(row.id, b"")) for row in batch])
            await catalog.footage.begin_upload(ids)
            await catalog.footage.stored({UUID(bytes=row.id): row.sha256 or b"" for row in batch})


async def test_a_thousand_rows_are_those_of_the_product(tmp_path: Path) -> None:
    """Every column of every row, and every sample table that is there."""
    ours, theirs = tmp_path / "ours" / "catalog.sqlite", tmp_path / "theirs" / "catalog.sqlite"
    for path in (ours, theirs):
        path.parent.mkdir()
    assert await generated(ours, film_city()) > 1000
    await through_the_product(theirs, film_city())
    assert table(ours, "segments") == table(theirs, "segments")
    tables = table(ours, "segment_samples")
    assert len(tables) > 30
    assert set(tables) < set(table(theirs, "segment_samples"))


async def test_old_rows_are_marked_as_the_sweeper_marks_them(tmp_path: Path) -> None:
    """Time, policy and reason included."""
    made = City(city.MINUTES["20M"])
    rows = list(islice(made.rows(), 10))
    assert {row.state for row in rows} == {"marked"}
    path = tmp_path / "catalog.sqlite"
    await city.write_inventory(path, made)
    async with await SqliteCatalog.open(path, FakeClock(wall_us=NOW_US)) as catalog:
        for row in rows:
            ids = [UUID(bytes=row.id)]
            await catalog.footage.register([(row.segment, b"")])
            await catalog.footage.begin_upload(ids)
            await catalog.footage.stored({ids[0]: row.sha256 or b""})
            await catalog.expiry.mark(
                ids, now_us=row.marked_us or 0, policy=row.mark_policy or "", reason=row.mark_reason or ""
            )
    assert [tuple(row) for row in table(path, "segments")] == sorted(tuple(row) for row in rows)


async def test_nothing_in_it_is_due(tmp_path: Path) -> None:
    """The retention scan finds an archive in its steady state, a moment after it did all there was to do."""
    path = tmp_path / "catalog.sqlite"
    made = City(city.MINUTES["20M"])
    made.minutes = 15
    await generated(path, made)
    clock = FakeClock(wall_us=NOW_US)
    async with await SqliteCatalog.open(path, clock) as catalog:
        store = DirectoryStore(tmp_path / "objects")
        sweep = await Sweeper(catalog, store, clock, acceptance=tmp_path / "accept").run_once()
        store.close()
    assert (sweep.marked, sweep.unmarked, sweep.deleted, sweep.refused, sweep.without_policy) == (0, 0, 0, {}, [])


async def test_every_instant_is_accounted_for(tmp_path: Path) -> None:
    """The timeline of a camera is spans and gaps, and nothing is missing."""
    path = tmp_path / "catalog.sqlite"
    made = City(300)
    await generated(path, made)
    clock = FakeClock(wall_us=NOW_US)
    async with await SqliteCatalog.open(path, clock) as catalog:
        library = Library(catalog, DirectoryStore(tmp_path / "objects"), None, clock)
        for name in (made.cameras[0].name, made.cameras[7].name):
            camera = await catalog.inventory.camera(name)
            timeline = await library.timeline(camera, END_US - DAY_US, NOW_US)
            assert timeline.spans
            assert {gap.reason for gap in timeline.gaps} >= {"shutdown"}
            assert (timeline.missing, timeline.pending) == ((), ())


@pytest.mark.parametrize("kind", city_rows.KINDS)
def test_a_minute_moves_without_being_encoded_again(kind: dict[str, int]) -> None:
    """The bytes are those that the encoder makes of the moved fragments."""
    shape = synthetic(np.random.default_rng(1), **kind)
    for start_us, media_ticks in ((0, 0), (END_US + 123_457, 77 * shape.duration_ticks)):
        index = shape.at(start_us, media_ticks)
        entries = decode(index)
        assert encode(entries) == index
        assert (entries[0].wall_us, entries[0].media_ticks) == (start_us, media_ticks)
        assert (entries[-1].end_wall_us - start_us, len(entries)) == (60_000_000, 60)
        assert entries[-1].media_ticks + entries[-1].duration_ticks - media_ticks == shape.duration_ticks


def test_the_archive_is_the_same_every_time() -> None:
    """Rows follow from the seed."""
    assert list(City(3).rows()) == list(City(3).rows())
    assert list(City(3).rows()) != list(City(3, seed=1).rows())


def test_an_archive_appears_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its name, with objects behind the segments that can be played; what an interrupted run left is removed."""
    monkeypatch.setattr(city, "make_film", lambda path: (path.write_bytes(b"film"), film_city().film)[1])
    (tmp_path / ".partial-small").mkdir()
    (tmp_path / ".partial-small" / "catalog.sqlite").write_bytes(b"torn")
    made = city.make(MINUTES, tmp_path / "small")
    assert made == city.archive_at(tmp_path / "small")
    assert made.rows == len(table(made.root / "catalog.sqlite", "segments"))
    objects = list((made.root / "objects").rglob("*.mp4"))
    assert len(objects) == made.tables > 30
    assert {path.read_bytes() for path in objects} == {b"film"}
    assert city.archive_at(tmp_path / ".partial-small") is None
