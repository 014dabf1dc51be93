"""The SQLite file: durability settings, transactions, several processes, schema versions."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from media.errors import CatalogError, ConfigError
from storage import sqlite_database, sqlite_schema
from storage.catalog import MAX_BATCH
from storage.clock import FakeClock
from storage.model import DesiredSite
from storage.sqlite_catalog import SqliteCatalog
from storage.sqlite_database import MAX_ROWS, Database
from storage.statements import migrations, statements
from tests.builders_catalog import POLICY, RUN, T0, Journal, at, desired, digest, segment, site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty catalog's database."""
    opened = await Database.open(tmp_path / "catalog.sqlite")
    yield opened
    await opened.close()


async def test_every_connection_is_as_durable_as_it_gets(database: Database) -> None:
    """WAL with a sync at every commit, references enforced."""
    for run in (database.read, database.write):
        settings = await run(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        )
        assert settings == ["wal", 2, 1]


async def test_a_row_of_an_uneven_camera_stays_in_its_page(tmp_path: Path) -> None:
    """A new file has pages in which a long fragment index does not spill to a page of its own; an old file is kept."""
    path = tmp_path / "catalog.sqlite"
    async with await SqliteCatalog.open(path, FakeClock(wall_us=T0)) as catalog:
        rows = [segment(60 * number, 60 * number + 60, number, fragments=bytes(3000)) for number in range(100)]
        empty = await catalog.database.read(_pages)
        await catalog.footage.register([(row, b"") for row in rows])
        assert await catalog.database.read(_pages) - empty < 100 / 3
    old = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;")
    async with await SqliteCatalog.open(old, FakeClock(wall_us=T0)) as catalog:
        assert await catalog.database.read(lambda c: c.execute("PRAGMA page_size").fetchone()[0]) == 4096


def _pages(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("PRAGMA page_count").fetchone()[0]
    return count


async def test_a_write_happens_as_a_whole_or_not_at_all(database: Database) -> None:
    """An error in the middle takes everything back."""

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO policies VALUES ('a', 1, NULL, '')")
        raise ConfigError("in the middle")

    with pytest.raises(ConfigError):
        await database.write(half)
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM policies").fetchone()[0]) == 0


async def test_a_reader_sees_one_state(database: Database) -> None:
    """What is written between two of its statements is not there for it."""
    count = "SELECT count(*) FROM policies"
    loop = asyncio.get_running_loop()

    def read(connection: sqlite3.Connection) -> tuple[int, int]:
        before = connection.execute(count).fetchone()[0]
        insert = database.write(lambda c: c.execute("INSERT INTO policies VALUES ('a', 1, NULL, '')").rowcount)
        assert asyncio.run_coroutine_threadsafe(insert, loop).result(10) == 1
        return before, connection.execute(count).fetchone()[0]

    assert await database.read(read) == (0, 0)
    assert await database.read(lambda c: c.execute(count).fetchone()[0]) == 1


async def test_database_errors_are_catalog_errors(database: Database) -> None:
    """They name the file; the caller need not know SQLite."""
    with pytest.raises(CatalogError, match=r"catalog .*catalog\.sqlite: no such table: moon"):
        await database.read(lambda connection: connection.execute("SELECT 1 FROM moon"))


async def test_a_locked_catalog_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the busy timeout, with a hint, and the next attempt works."""
    monkeypatch.setattr(sqlite_database, "BUSY_TIMEOUT_MS", 50)
    path = tmp_path / "catalog.sqlite"
    database = await Database.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CatalogError, match="locked") as caught:
        await database.write(lambda connection: connection.execute("DELETE FROM gaps"))
    assert "another process" in caught.value.hint
    other.execute("COMMIT")
    other.close()
    await database.write(lambda connection: connection.execute("DELETE FROM gaps"))
    await database.close()


def test_a_file_is_created_by_many_at_once(tmp_path: Path) -> None:
    """SQLite refuses all but one to change how the journal is kept, at once; they wait for it, and find it done."""
    refused: list[BaseException] = []

    def create(path: Path, together: threading.Barrier) -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            together.wait()
            try:
                sqlite_schema.migrate(connection, path)
            except sqlite3.Error as error:
                refused.append(error)

    for number in range(60):
        together = threading.Barrier(4)
        threads = [threading.Thread(target=create, args=(tmp_path / f"{number}", together)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == []


async def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    """Created and filled by four at once: nobody is told that the database is locked, and nothing is lost."""
    path = tmp_path / "catalog.sqlite"
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from storage.sqlite_database import Database\n"
        "async def main():\n"
        "    database = await Database.open(Path(sys.argv[1]))\n"
        "    for number in range(25):\n"
        "        row = (f'{sys.argv[2]}-{number}',)\n"
        "        def write(connection):\n"
        "            connection.execute('SELECT count(*) FROM policies').fetchone()\n"
        "            connection.execute(\"INSERT INTO policies VALUES (?, 1, NULL, '')\", row)\n"
        "        await database.write(write)\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(path), str(number), stderr=subprocess.PIPE
        )
        for number in range(4)
    ]
    for process in processes:
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    database = await Database.open(path)
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM policies").fetchone()[0]) == 100
    await database.close()


async def test_no_transaction_touches_more_than_a_thousand_rows(tmp_path: Path) -> None:
    """Full batches of everything, and a city that is applied at once."""
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", FakeClock(wall_us=T0)) as catalog:
        cameras = [desired(f"camera-{number}") for number in range(500)]
        await catalog.inventory.apply([site(*cameras)], [POLICY])
        assert len(await catalog.inventory.cameras()) == 500
        await catalog.inventory.apply([DesiredSite(name="harbour")], [POLICY], prune=True)
        assert not any(camera.enabled for camera in await catalog.inventory.cameras())
        rows = [segment(start, start + 1, start // 2) for start in range(0, 2 * MAX_BATCH, 2)]
        await catalog.footage.register([(row, b"") for row in rows])
        ids = [row.id for row in rows]
        await catalog.footage.begin_upload(ids)
        await catalog.footage.stored({row.id: digest(row) for row in rows})
        await catalog.expiry.mark(ids, now_us=at(1000), policy="default", reason="old")
        await catalog.expiry.purge(ids)
        await catalog.expiry.tombstone(ids, now_us=at(1000))
        journal = Journal(RUN + 1, start=500)
        for number in range(MAX_BATCH - 1):
            journal.stream_start(500 + number)
        await catalog.gaps.import_journal(journal.run, journal.records)
        assert MAX_BATCH < catalog.database.largest_write_rows <= MAX_ROWS


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """With what to do about it, and untouched."""
    path = tmp_path / "catalog.sqlite"
    await (await Database.open(path)).close()
    known = migrations()[-1][0]
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {known + 1}")
    connection.close()
    with pytest.raises(
        CatalogError, match=f"has schema {known + 1}; this version of Hulta knows .* up to {known}"
    ) as e:
        await Database.open(path)
    assert "newer Hulta" in e.value.hint


async def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """A wrong path must not end in a mixture."""
    path = tmp_path / "catalog.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with pytest.raises(CatalogError, match="another program"):
        await Database.open(path)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(CatalogError, match="not a database"):
        await Database.open(path)


async def test_an_older_schema_is_migrated_forwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is missing is run, in one transaction: a migration that fails leaves the file as it was."""
    path = tmp_path / "catalog.sqlite"
    await (await Database.open(path)).close()
    number = migrations()[-1][0] + 1
    later = [*migrations(), (number, "CREATE TABLE moons (name TEXT) STRICT;\nINSERT INTO moons\nVALUES ('Io;');")]
    broken = [*later, (number + 1, "CREATE TABLE suns (name TEXT) STRICT;\nCREATE TABLE moons (name TEXT) STRICT;")]
    monkeypatch.setattr(sqlite_schema, "migrations", lambda: broken)
    with pytest.raises(CatalogError, match="moons already exists"):
        await Database.open(path)
    monkeypatch.setattr(sqlite_schema, "migrations", lambda: later)
    for _ in range(2):
        database = await Database.open(path)
        assert await database.read(lambda c: c.execute("SELECT name FROM moons").fetchall()[0][0]) == "Io;"
        assert await database.read(lambda c: c.execute("PRAGMA user_version").fetchone()[0]) == number
        await database.close()


async def test_the_catalog_is_private(tmp_path: Path) -> None:
    """It knows every camera."""
    path = tmp_path / "catalog.sqlite"
    await (await Database.open(path)).close()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("noun", ["inventory", "footage", "gaps", "expiry"])
async def test_every_statement_fits_the_schema(database: Database, noun: str) -> None:
    """Each one prepares; none is a scan of segments."""
    for name, statement in statements(noun).items():
        plan = await database.read(lambda c, s=statement: _plan(c, s))
        scans = [line for line in plan if line.startswith(("SCAN segments", "SCAN tombstones")) and "INDEX" not in line]
        assert scans == [], name


def _plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    import re

    names = set(re.findall(r":(\w+)", statement))
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", dict.fromkeys(names)).fetchall()
    return [row["detail"] for row in rows]
