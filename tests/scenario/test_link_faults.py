"""Faulty links to real servers: what PostgreSQL and an S3 server did, and what their clients could know of it."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import urllib3
from minio import Minio
from urllib3.exceptions import ConnectTimeoutError, ProtocolError, ReadTimeoutError

from storm.proxy import Bandwidth, FaultProxy, Latency, Vanished
from tests.postgres_server import postgres_server
from tests.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, s3_server
from tests.waiting import eventually

pytestmark = pytest.mark.scenario

IMPATIENCE_S, PATIENCE_S = 1, 20
"""The clients' own timeouts: where they must fire, and where they must not."""

SEGMENT = bytes(range(256)) * 4096
"""1 MiB."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a server."""
    with postgres_server() as server:
        yield server.url


@pytest.fixture
async def direct(postgres: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection past the link, to see what is true, with an empty table."""
    connection = await asyncpg.connect(f"{postgres}/postgres")
    await connection.execute("CREATE TABLE segment (id int PRIMARY KEY)")
    yield connection
    await connection.execute("DROP TABLE segment")
    await connection.close()


@pytest.fixture
def to_postgres(postgres: str) -> Iterator[FaultProxy]:
    """The link to it."""
    address = urlsplit(postgres)
    assert address.hostname is not None
    assert address.port is not None
    with FaultProxy(address.hostname, address.port) as link:
        yield link


async def connected(link: FaultProxy, timeout_s: float = PATIENCE_S) -> asyncpg.Connection:
    """A client of Postgres through the link."""
    return await asyncpg.connect(
        host="127.0.0.1",
        port=link.port,
        user="hulta",
        database="postgres",
        ssl=False,
        timeout=timeout_s,
        server_settings={"application_name": "through the link"},
    )


async def sessions(direct: asyncpg.Connection) -> int:
    """How many clients the server believes to have through the link."""
    return await direct.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'through the link'")


async def rows(direct: asyncpg.Connection) -> list[int]:
    """What is really there."""
    return [row["id"] for row in await direct.fetch("SELECT id FROM segment ORDER BY id")]


async def test_a_commit_whose_answer_is_lost_is_committed(direct: asyncpg.Connection, to_postgres: FaultProxy) -> None:
    """The client sees its connection break and cannot know; the row is there."""
    client = await connected(to_postgres)
    transaction = client.transaction()
    await transaction.start()
    await client.execute("INSERT INTO segment VALUES (1)")
    lost = to_postgres.lose_answers(to=b"COMMIT")
    with pytest.raises((ConnectionError, asyncpg.PostgresConnectionError)):
        await transaction.commit()
    assert lost.lost == 1
    assert client.is_closed()
    assert await rows(direct) == [1]


async def test_a_transaction_that_breaks_before_its_commit_is_not_committed(
    direct: asyncpg.Connection, to_postgres: FaultProxy
) -> None:
    """The counterpart: the INSERT was carried out, its answer lost, and nothing of it remains."""
    client = await connected(to_postgres)
    transaction = client.transaction()
    await transaction.start()
    lost = to_postgres.lose_answers(to=b"INSERT")
    with pytest.raises((ConnectionError, asyncpg.PostgresConnectionError)):
        await client.execute("INSERT INTO segment VALUES (1)")
    assert lost.lost == 1
    assert await rows(direct) == []


async def test_a_vanished_client_keeps_its_session_and_its_locks(
    direct: asyncpg.Connection, to_postgres: FaultProxy
) -> None:
    """Half-open: the client's own timeout ends its wait, the server knows nothing, and others wait for the locks."""
    client = await connected(to_postgres)
    await client.execute("BEGIN; LOCK TABLE segment")
    with to_postgres.suffering(Vanished()):
        with pytest.raises(TimeoutError):
            await client.execute("SELECT 1", timeout=IMPATIENCE_S)
        with pytest.raises(TimeoutError):
            await connected(to_postgres, IMPATIENCE_S)
        client.terminate()
        assert await sessions(direct) == 1
        with pytest.raises(asyncpg.LockNotAvailableError):
            await direct.execute("BEGIN; LOCK TABLE segment NOWAIT")
        await direct.execute("ROLLBACK")
    await direct.execute(
        "BEGIN; LOCK TABLE segment; COMMIT", timeout=PATIENCE_S
    )  # once the reset has ended the session


async def test_a_slow_link_to_postgres_is_never_faster_than_asked(
    direct: asyncpg.Connection, to_postgres: FaultProxy
) -> None:
    """A query with its answer takes twice the latency."""
    client = await connected(to_postgres)
    with to_postgres.suffering(Latency(ms=60)):
        begin = time.monotonic()
        assert await client.fetchval("SELECT 7") == 7
        assert time.monotonic() - begin >= 2 * 0.060
    await client.close()
    await eventually("the link is empty", lambda: to_postgres.open_connections == 0)


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """Where the S3 server keeps its files."""
    return tmp_path / "s3"


@pytest.fixture
def to_store(objects: Path) -> Iterator[FaultProxy]:
    """The link to it."""
    with s3_server(objects) as port, FaultProxy("127.0.0.1", port) as link:
        yield link


@pytest.fixture
def store(to_store: FaultProxy) -> Iterator[Minio]:
    """A client through the link that tries everything once."""
    with urllib3.PoolManager(timeout=urllib3.Timeout(PATIENCE_S), retries=False) as pool:
        yield Minio(
            f"127.0.0.1:{to_store.port}",
            ACCESS_KEY,
            SECRET_KEY,
            secure=False,
            region="us-east-1",
            http_client=pool,
        )


@contextmanager
def impatient(store: Minio, link: FaultProxy) -> Iterator[None]:
    """The client waits a second for an answer, on the connections that it has as on new ones."""
    pool = store._http.connection_from_host("127.0.0.1", link.port)
    pool.timeout = urllib3.Timeout(IMPATIENCE_S)
    yield
    pool.timeout = urllib3.Timeout(PATIENCE_S)


def put(store: Minio, key: str) -> None:
    """One segment in one request."""
    store.put_object(BUCKET, key, io.BytesIO(SEGMENT), len(SEGMENT))


def test_a_put_whose_answer_is_lost_is_stored(store: Minio, to_store: FaultProxy, objects: Path) -> None:
    """The client sees its connection break and cannot know; the object is there, whole. Other requests are answered."""
    lost = to_store.lose_answers(to=b"PUT /footage/lost.mp4")
    put(store, "told.mp4")
    with pytest.raises(ProtocolError, match="reset by peer"):
        put(store, "lost.mp4")
    assert lost.lost == 1
    assert (objects / BUCKET / "lost.mp4").read_bytes() == SEGMENT
    assert store.stat_object(BUCKET, "lost.mp4").size == len(SEGMENT)


def test_a_vanished_store_leaves_the_client_with_its_timeouts(store: Minio, to_store: FaultProxy) -> None:
    """The connection it has says nothing any more, and a new one is not made."""
    put(store, "before.mp4")
    with to_store.suffering(Vanished()), impatient(store, to_store):
        with pytest.raises(ReadTimeoutError):
            store.stat_object(BUCKET, "before.mp4")
        with pytest.raises(ConnectTimeoutError):
            store.stat_object(BUCKET, "before.mp4")
    assert store.stat_object(BUCKET, "before.mp4").size == len(SEGMENT)


def test_an_upload_takes_as_long_as_the_link_is_narrow(store: Minio, to_store: FaultProxy, objects: Path) -> None:
    """1 MiB at 32 Mbit/s takes a quarter of a second, and is stored as it was sent."""
    with to_store.suffering(Bandwidth(bits_per_s=32_000_000)):
        begin = time.monotonic()
        put(store, "slow.mp4")
        assert time.monotonic() - begin >= 0.24
    assert to_store.passed_bytes[0] >= len(SEGMENT)
    assert (objects / BUCKET / "slow.mp4").read_bytes() == SEGMENT
