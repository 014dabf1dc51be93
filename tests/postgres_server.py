"""A PostgreSQL server of its own on loopback, from Debian's package or whatever is on the path."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import asyncpg

from storage.clock import Clock, FakeClock
from storage.key_file import GivenKeys
from storage.postgres_address import PostgresAddress
from storage.postgres_catalog import PostgresCatalog
from storage.secrets import SecretBox
from tests.ports import free_port

USER = "hulta"
START_S = 30
ROOM_BYTES = 2 << 30
"""Of memory, so that nothing runs full beside the tests."""


def program(name: str) -> str:
    """Debian keeps servers off the path, by version; the newest counts."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    assert found is not None, f"no {name} here: run tests/prepare.sh"
    return found


@contextmanager
def postgres_server() -> Iterator[str]:
    """Its address as a URL without a database. The data is unsafe (no fsync) and gone afterwards."""
    # PostgreSQL refuses to run as root, and another user cannot enter what pytest makes for temporary files.
    as_user = {}
    directory = Path(tempfile.mkdtemp(prefix="hulta-postgres-", dir=_quick_place()))
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(directory, user.pw_uid, user.pw_gid)
    try:
        data, port = directory / "data", free_port()
        initdb = [program("initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        subprocess.run(initdb, cwd=directory, check=True, stdout=subprocess.DEVNULL, **as_user)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": directory,
            "fsync": "off",
            "full_page_writes": "off",
        }
        command = [program("postgres"), "-D", data, *(f"--{name}={value}" for name, value in settings.items())]
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, **as_user)
        try:
            _wait_until_ready(server, directory, port)
            yield f"postgresql://{USER}@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended, not waited for
            server.wait(START_S)
    finally:
        shutil.rmtree(directory)


def _quick_place() -> Path | None:
    """Memory, where there is enough of it: a database is 300 files, which a disk's file system makes in 75 ms."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


def _wait_until_ready(server: subprocess.Popen[bytes], directory: Path, port: int) -> None:
    command = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    for _ in range(START_S * 20):
        if subprocess.run(command, check=False).returncode == 0:
            return
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError((directory / "log").read_text())
    raise AssertionError(f"PostgreSQL does not answer after {START_S} s")


@cache
def shared_postgres() -> str:
    """One server for all tests of this process, ended with it."""
    server = ExitStack()
    atexit.register(server.close)
    return server.enter_context(postgres_server())


_templates: set[str] = set()
_numbers = count()


@asynccontextmanager
async def empty_catalog(clock: Clock, box: SecretBox) -> AsyncIterator[PostgresCatalog]:
    """A catalog in a database of its own, copied from one that was migrated once: 10 ms."""
    async with (
        empty_database(template="hulta_template") as address,
        await PostgresCatalog.open(address, clock, box) as catalog,
    ):
        yield catalog


@asynccontextmanager
async def empty_database(*, template: str = "template0", options: str = "") -> AsyncIterator[PostgresAddress]:
    """A database, gone afterwards. The server forgets what it is told: `accept_loss` says so."""
    url = shared_postgres()
    server = await asyncpg.connect(url, database="postgres")
    try:
        if template != "template0" and template not in _templates:
            await server.execute(f"CREATE DATABASE {template}")
            async with await PostgresCatalog.open(
                _address(url, template), FakeClock(), SecretBox(GivenKeys("00" * 32, "a test"))
            ):
                _templates.add(template)
        name = f"hulta_{next(_numbers)}"
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy {options}")
        try:
            yield _address(url, name)
        finally:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


def _address(url: str, database: str) -> PostgresAddress:
    return PostgresAddress.parse(f"{url}/{database}", accept_loss=True)
