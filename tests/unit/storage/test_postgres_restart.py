"""A PostgreSQL that crashes while it is written to, and one that is spoken to over TLS."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.x509 import DNSName

from media.errors import CatalogError
from storage.clock import FakeClock
from storage.model import SegmentState
from storage.postgres_address import PostgresAddress
from storage.postgres_catalog import PostgresCatalog
from storage.secrets import SecretBox
from tests.builders_catalog import STREAM, T0, at, digest, segment
from tests.certificates import certify
from tests.postgres_server import empty_database, postgres_server

BATCHES, EACH = 60, 5
CRASHES = 3


async def opened(address: PostgresAddress, tmp_path: Path) -> PostgresCatalog:
    """The catalog there."""
    return await PostgresCatalog.open(address, FakeClock(wall_us=T0), SecretBox.at(tmp_path / "key"))


async def until_said(work: Callable[[], Awaitable[None]], refused: list[CatalogError]) -> None:
    """As `ship` does: what failed is done again, however often, as it is allowed to be."""
    while True:
        try:
            return await work()
        except CatalogError as error:
            refused.append(error)
            await asyncio.sleep(0.01)


async def test_a_server_that_crashes_keeps_what_it_said_and_takes_the_rest_once(tmp_path: Path) -> None:
    """Segments in three steps each, in four processes' worth of connections, each step until it is said to be done."""
    rows = [segment(n * 60, n * 60 + 60, n) for n in range(BATCHES * EACH)]
    refused: list[CatalogError] = []
    shipped = asyncio.Semaphore(0)
    with postgres_server() as server:
        async with empty_database(url=server.url) as address, await opened(address, tmp_path) as catalog:

            async def ship(first: int) -> None:
                for batch in range(first, BATCHES, 4):
                    some = rows[batch * EACH : batch * EACH + EACH]
                    ids = [row.id for row in some]
                    await until_said(lambda some=some: catalog.footage.register([(row, b"t") for row in some]), refused)
                    await until_said(lambda ids=ids: catalog.footage.begin_upload(ids), refused)
                    hashes = {row.id: digest(row) for row in some}
                    await until_said(lambda hashes=hashes: catalog.footage.stored(hashes), refused)
                    shipped.release()

            async with asyncio.TaskGroup() as group:
                for first in range(4):
                    group.create_task(ship(first))
                for _ in range(CRASHES):
                    for _ in range(BATCHES // (CRASHES + 1)):
                        await shipped.acquire()
                    await asyncio.to_thread(server.crash)
                    await asyncio.to_thread(server.start)
            found = await catalog.footage.segments(STREAM, at(0), at(len(rows) * 60))
    assert len(refused) >= CRASHES
    assert all(str(address) in str(error) and error.hint for error in refused)
    assert [row.id for row in found] == [row.id for row in rows]
    assert {row.state for row in found} == {SegmentState.STORED}
    assert [row.sha256 for row in found] == [digest(row) for row in rows]


async def test_a_catalog_over_tls_is_verified(tmp_path: Path) -> None:
    """By its authority and its name; nothing is said to whoever is not known, and nothing in the clear."""
    authority, stranger = certify(tmp_path / "authority.pem"), certify(tmp_path / "stranger.pem")
    certificate = certify(tmp_path / "server.pem", by=authority, names=(DNSName("localhost"),))
    with postgres_server(tls=certificate.path) as server:
        async with empty_database(url=server.url) as plain:
            secure = replace(plain, host="localhost", sslmode="verify-full", ca=str(authority.path))
            async with await opened(secure, tmp_path) as catalog:
                row = segment(0, 60)
                await catalog.footage.register([(row, b"")])
                assert await catalog.footage.segment(row.id) == row
                encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                assert (await catalog.database.fetch(encrypted))[0][0] is True
            async with await opened(replace(secure, host="127.0.0.1", sslmode="verify-ca"), tmp_path):
                assert True  # the authority counts, the name does not
            for wrong, words in {
                replace(secure, host="127.0.0.1"): "IP address mismatch|not valid for '127.0.0.1'",
                replace(secure, ca=str(stranger.path)): "unable to get local issuer|signature",
                replace(secure, sslmode="verify-ca", ca=str(stranger.path)): "unable to get local issuer|signature",
            }.items():
                with pytest.raises(CatalogError, match=words) as caught:
                    await opened(wrong, tmp_path)
                assert "catalog.ca" in caught.value.hint, caught.value.hint
    with postgres_server() as server:
        async with empty_database(url=server.url) as plain:
            with pytest.raises(CatalogError, match=re.compile("tls|ssl", re.IGNORECASE)):
                await opened(replace(plain, host="localhost", sslmode="require"), tmp_path)
