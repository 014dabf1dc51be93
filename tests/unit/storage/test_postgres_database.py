"""The PostgreSQL catalog and its server: whom it trusts, what it refuses, and that it comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from media.errors import CatalogError
from storage import postgres_schema
from storage.clock import FakeClock
from storage.postgres_address import PostgresAddress
from storage.postgres_catalog import PostgresCatalog
from storage.postgres_database import CONNECTIONS, PostgresDatabase
from storage.secrets import SecretBox
from storm.proxy import Down, FaultProxy
from tests.builders_catalog import T0, segment
from tests.ports import free_port
from tests.postgres_server import empty_database

SECRET = "correct-horse"


@pytest.fixture(name="address")
async def _address() -> AsyncIterator[PostgresAddress]:
    async with empty_database() as address:
        yield address


async def opened(address: PostgresAddress, tmp_path: Path) -> PostgresCatalog:
    """The catalog there."""
    return await PostgresCatalog.open(address, FakeClock(wall_us=T0), SecretBox.at(tmp_path / "key"))


async def say(address: PostgresAddress, *statements: str) -> None:
    """Somebody else at the database."""
    connection = await asyncpg.connect(f"postgresql://hulta@{address.host}:{address.port}/{address.database}")
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def refusal(address: PostgresAddress, tmp_path: Path) -> CatalogError:
    """Why this cannot be a catalog."""
    with pytest.raises(CatalogError) as caught:
        await opened(address, tmp_path)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value!r}"
    return caught.value


async def test_a_server_that_forgets_is_refused(address: PostgresAddress, tmp_path: Path) -> None:
    """The test's server runs without fsync; so does one whose role or database commits before it writes."""
    careful = replace(address, accept_loss=False)
    error = await refusal(careful, tmp_path)
    assert "fsync is off" in str(error)
    assert "postgresql.conf" in error.hint
    async with await opened(address, tmp_path):
        assert True


async def test_commits_that_do_not_wait_for_the_disk_are_refused(
    address: PostgresAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`synchronous_commit = off` for the database alone is found as well."""
    await say(address, f"ALTER DATABASE {address.database} SET synchronous_commit = off")
    facts = postgres_schema._SQL["facts"].replace("current_setting('fsync')", "'on'")
    monkeypatch.setitem(postgres_schema._SQL, "facts", facts)
    error = await refusal(replace(address, accept_loss=False), tmp_path)
    assert "synchronous_commit is off" in str(error)


async def test_an_old_server_is_refused(
    address: PostgresAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the version that it needs."""
    facts = "SELECT 'on' AS fsync, 'on' AS synchronous_commit, 'UTF8' AS encoding, 140012 AS version"
    monkeypatch.setitem(postgres_schema._SQL, "facts", facts)
    assert "PostgreSQL 14; Hulta needs 15" in str(await refusal(address, tmp_path))


async def test_a_database_of_another_encoding_is_refused(tmp_path: Path) -> None:
    """Names of cameras would not come back as they went in."""
    async with empty_database(options="ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'") as address:
        error = await refusal(address, tmp_path)
        assert "SQL_ASCII" in str(error)
        assert "ENCODING 'UTF8'" in error.hint


async def test_a_database_of_others_is_refused(address: PostgresAddress, tmp_path: Path) -> None:
    """Nothing is begun beside somebody's tables."""
    await say(address, "CREATE TABLE invoices (number integer)")
    assert "tables of another program" in str(await refusal(address, tmp_path))
    await say(address, "DROP TABLE invoices")
    async with await opened(address, tmp_path) as catalog:
        assert await catalog.inventory.cameras() == []


async def test_a_newer_schema_is_refused(address: PostgresAddress, tmp_path: Path) -> None:
    """It says which, and what to do."""
    async with await opened(address, tmp_path):
        pass
    await say(address, "UPDATE hulta.catalog SET schema_version = 4711")
    error = await refusal(address, tmp_path)
    assert "has schema 4711" in str(error)
    assert "newer Hulta" in error.hint


async def test_there_is_no_server_or_no_database_or_no_login(address: PostgresAddress, tmp_path: Path) -> None:
    """Each says what is wrong, with the address and without the password."""
    secret = replace(address, password=SECRET)
    assert "Connect" in str(await refusal(replace(secret, port=free_port()), tmp_path))
    assert "createdb" in (await refusal(replace(secret, database="moon"), tmp_path)).hint
    assert "username" in (await refusal(replace(secret, username="nobody-known"), tmp_path)).hint


async def test_older_processes_go_on_while_a_newer_one_migrates(
    address: PostgresAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rolling update: a column more, on a table that is in use, and no statement of the older one fails."""
    async with await opened(address, tmp_path) as older:
        row = segment(0, 60)
        await older.footage.register([(row, b"")])
        assert await older.footage.segments(row.identity.stream, T0, T0 + 1) == [row]
        later = (postgres_schema.scripts()[-1][0] + 1, "ALTER TABLE segments ADD COLUMN mood text;")
        known = postgres_schema.scripts()
        monkeypatch.setattr(postgres_schema, "scripts", lambda: [*known, later])
        async with await opened(address, tmp_path) as newer:
            assert await newer.footage.segments(row.identity.stream, T0, T0 + 1) == [row]
        assert await older.footage.segments(row.identity.stream, T0, T0 + 1) == [row]
        following = segment(60, 120, 1)
        await older.footage.register([(following, b"")])
        assert {each.id for each in await older.footage.waiting(10)} == {row.id, following.id}


async def test_a_migration_does_not_keep_imports_waiting(
    address: PostgresAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives up on a table that somebody holds; nothing of it stays, and the next start does it."""
    async with await opened(address, tmp_path) as older:
        known = postgres_schema.scripts()
        script = "CREATE TABLE moods (mood text); ALTER TABLE segments ADD COLUMN mood text;"
        monkeypatch.setattr(postgres_schema, "scripts", lambda: [*known, (known[-1][0] + 1, script)])
        monkeypatch.setitem(postgres_schema._SQL, "wait_briefly", "SET LOCAL lock_timeout = '50ms'")

        async def reads_for_long(connection: asyncpg.Connection) -> CatalogError:
            await connection.fetch("SELECT 1 FROM segments")
            return await refusal(address, tmp_path)

        error = await older.database.read(reads_for_long)
        assert "lock" in str(error)
        assert (await older.database.fetch("SELECT to_regclass('hulta.moods')"))[0][0] is None
        async with await opened(address, tmp_path) as newer:
            assert (await newer.database.fetch("SELECT count(*) FROM moods"))[0][0] == 0


async def test_a_migration_lets_imports_pass_after_two_seconds(
    address: PostgresAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit as it is shipped: sessions wait five seconds themselves, so a migration must give up before they do."""
    async with await opened(address, tmp_path) as older:
        known = postgres_schema.scripts()
        script = "ALTER TABLE segments ADD COLUMN mood text;"
        monkeypatch.setattr(postgres_schema, "scripts", lambda: [*known, (known[-1][0] + 1, script)])

        async def reads_for_long(connection: asyncpg.Connection) -> None:
            await connection.fetch("SELECT 1 FROM segments")
            migrating = asyncio.create_task(refusal(address, tmp_path))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not migrating.done()
            assert await asyncio.wait_for(older.footage.waiting(1), 4) == []
            assert "lock" in str(await migrating)

        await older.database.read(reads_for_long)


async def test_many_may_begin_at_once(address: PostgresAddress, tmp_path: Path) -> None:
    """Four processes at an empty database: one makes it, the others wait."""
    SecretBox.at(tmp_path / "key").seal("", "")
    catalogs = await asyncio.gather(*(opened(address, tmp_path) for _ in range(4)))
    for catalog in catalogs:
        assert await catalog.inventory.cameras() == []
        await catalog.close()


async def test_a_broken_connection_is_replaced(address: PostgresAddress, tmp_path: Path) -> None:
    """The server was restarted: what was under way fails with words, the next call finds a new connection."""
    async with await opened(address, tmp_path) as catalog:
        row = segment(0, 60)
        await catalog.footage.register([(row, b"")])

        async def cut_off(connection: asyncpg.Connection) -> None:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await say(address, f"SELECT pg_terminate_backend({pid})")
            await connection.execute("SELECT 1")

        with pytest.raises(CatalogError, match="postgresql://") as caught:
            await catalog.database.write(cut_off)
        assert caught.value.hint
        assert await catalog.footage.segment(row.id) == row


async def test_nothing_to_register_still_asks_the_server(address: PostgresAddress, tmp_path: Path) -> None:
    """`ship` asks this way whether it is the catalog that fails, or one run of many."""
    with FaultProxy(address.host, address.port) as link:
        async with await opened(replace(address, port=link.port), tmp_path) as catalog:
            await catalog.footage.register([])
            with link.suffering(Down()), pytest.raises(CatalogError):
                await catalog.footage.register([])
            await catalog.footage.register([])


async def test_connections_are_bounded(address: PostgresAddress, tmp_path: Path) -> None:
    """However many ask at a time."""
    async with await opened(address, tmp_path) as catalog:
        await asyncio.gather(*(catalog.footage.waiting(10) for _ in range(50)))
        count = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hulta' AND datname = current_database()"
        )
        assert (await catalog.database.fetch(count))[0][0] <= CONNECTIONS


async def test_a_server_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts the connection and says nothing."""
    monkeypatch.setattr("storage.postgres_database.CONNECT_S", 0.2)
    release = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(CatalogError, match="no answer in time"):
            await PostgresDatabase.open(PostgresAddress(host="127.0.0.1", port=port, database="h", username="h"))
    finally:
        release.set()
        server.close()
        await server.wait_closed()
