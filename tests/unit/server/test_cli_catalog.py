"""`hulta catalog migrate` and `backup`, as they are typed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.cli import build
from server.role_lock import RoleLock
from storage.clock import FakeClock
from storage.layout import Layout
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import POLICY, T0, desired, segment, site
from tests.postgres_server import empty_database


def run(*words: str | Path) -> Result:
    """As it is typed after `hulta catalog`."""
    return CliRunner().invoke(build(["catalog"]), ["catalog", *map(str, words)])


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Layout:
    """A data directory with one camera and a minute of footage."""
    layout = Layout(tmp_path / "data")
    layout.socket("x").parent.mkdir(parents=True)

    async def fill() -> None:
        async with await SqliteCatalog.open(layout.catalog, FakeClock(wall_us=T0), SecretBox.at(layout.key)) as catalog:
            await catalog.inventory.apply([site(desired("gate"))], [POLICY])
            await catalog.footage.register([(segment(0, 60), b"table")])

    asyncio.run(fill())
    return layout


def configuration(folder: Path, url: str) -> Path:
    """A file that names a catalog."""
    path = folder / "hulta.yaml"
    path.write_text(json.dumps({"catalog": {"url": url, **({} if url == "sqlite" else {"accept_loss": True})}}))
    return path


def test_a_backup_is_the_catalog(data: Layout, tmp_path: Path) -> None:
    """Taken while it is open and written to; for its owner alone; never over another file."""
    copy, config = tmp_path / "copy.sqlite", configuration(tmp_path, "sqlite")
    with closing(sqlite3.connect(data.catalog)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        busy.execute("DELETE FROM cameras")
        done = run("backup", copy, "--config", config, "--data", data.root)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.sqlite", "data", "hulta.yaml"]
    with closing(sqlite3.connect(copy)) as read:
        assert read.execute("SELECT name FROM cameras").fetchall() == [("gate",)]
        assert read.execute("SELECT samples FROM segment_samples").fetchall() == [(b"table",)]
    before = copy.read_bytes()
    assert run("backup", copy, "--config", config, "--data", data.root).exit_code == 1
    assert copy.read_bytes() == before


def test_a_damaged_catalog_is_not_called_a_backup(data: Layout, tmp_path: Path) -> None:
    """Pages of zeros where rows were: no file is left that somebody would trust."""
    size = data.catalog.stat().st_size
    with data.catalog.open("r+b") as file:
        file.seek(size // 2 // 16384 * 16384)
        file.write(bytes(size - file.tell()))
    copy = tmp_path / "copy.sqlite"
    done = run("backup", copy, "--config", configuration(tmp_path, "sqlite"), "--data", data.root)
    assert done.exit_code == 1
    assert not copy.exists()


def test_a_postgres_catalog_is_backed_up_by_its_own_tool(data: Layout, tmp_path: Path) -> None:
    """The command is said, without the password."""
    config = configuration(tmp_path, "postgresql://hulta:hunter2@db.example/city")
    done = run("backup", tmp_path / "x", "--config", config, "--data", data.root)
    assert done.exit_code == 2
    assert "pg_dump" in done.output
    assert "hunter2" not in done.output


def test_a_catalog_moves(data: Layout, tmp_path: Path) -> None:
    """Not while a role runs, not to a file; then all of it, said with its counts, and said again when asked again."""
    assert run("migrate", "--config", configuration(tmp_path, "sqlite"), "--data", data.root).exit_code == 2

    async def moved() -> None:
        async with empty_database() as address:
            config = configuration(tmp_path, str(address).replace("//", "//hulta@"))
            with RoleLock.take(data.lock("ship")):
                refused = await asyncio.to_thread(run, "migrate", "--config", config, "--data", data.root)
            assert refused.exit_code == 1
            assert "ship already runs" in refused.output
            for _ in range(2):
                done = await asyncio.to_thread(run, "migrate", "--config", config, "--data", data.root)
                assert done.exit_code == 0, done.output
                assert "Hulta may be started" in done.output

    asyncio.run(moved())
