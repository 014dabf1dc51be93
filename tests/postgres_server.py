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


class PostgresServer:
    """A server with its data in `root`, which may be killed and started again. The data is unsafe (no fsync)."""

    def __init__(self, root: Path, tls: Path | None) -> None:
        self._root = root
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and nobody can enter what pytest makes for files
            user = pwd.getpwnam("nobody")
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(root, user.pw_uid, user.pw_gid)
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": root,
            "fsync": "off",
            "full_page_writes": "off",
        }
        if tls is not None:
            self._settings |= {"ssl": "on", "ssl_cert_file": self._own(tls), "ssl_key_file": root / tls.name}
        initdb = [program("initdb"), "-D", root / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*initdb, "-N"], cwd=root, check=True, stdout=subprocess.DEVNULL, **self._as_user)

    @property
    def url(self) -> str:
        """Without a database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process whose children do the work."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, or start it again; returns when it answers."""
        settings = (f"--{name}={value}" for name, value in self._settings.items())
        command = [program("postgres"), "-D", self._root / "data", *settings]
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._root, stdout=log, stderr=log, **self._as_user)
        asks = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        for _ in range(START_S * 20):
            if subprocess.run(asks, check=False).returncode == 0:
                return
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError((self._root / "log").read_text())
        raise AssertionError(f"PostgreSQL does not answer after {START_S} s")

    def crash(self) -> None:
        """As `kill -9` of all its processes: nothing is ended properly, the next start recovers."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """Sessions are ended, not waited for."""
        self._end(signal.SIGINT)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait(START_S)
            self._process = None

    def _own(self, file: Path) -> Path:
        """A copy that only the server's user may read, which it insists on."""
        copy = self._root / file.name
        copy.touch(0o600)
        copy.write_bytes(file.read_bytes())
        if self._as_user:
            os.chown(copy, self._as_user["user"], self._as_user["group"])
        return copy


@contextmanager
def postgres_server(*, tls: Path | None = None) -> Iterator[PostgresServer]:
    """One of its own, gone afterwards. `tls`: its certificate and key."""
    root = Path(tempfile.mkdtemp(prefix="hulta-postgres-", dir=_quick_place()))
    try:
        server = PostgresServer(root, tls)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(root)


def _quick_place() -> Path | None:
    """Memory, where there is enough of it: a database is 300 files, which a disk's file system makes in 75 ms."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


@cache
def shared_postgres() -> str:
    """One server for all tests of this process, ended with it."""
    server = ExitStack()
    atexit.register(server.close)
    return server.enter_context(postgres_server()).url


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
async def empty_database(
    *, template: str = "template0", options: str = "", url: str = ""
) -> AsyncIterator[PostgresAddress]:
    """A database, gone afterwards. The server forgets what it is told: `accept_loss` says so."""
    url = url or shared_postgres()
    if template != "template0" and template not in _templates:
        await _say(url, f"CREATE DATABASE {template}")
        async with await PostgresCatalog.open(
            _address(url, template), FakeClock(), SecretBox(GivenKeys("00" * 32, "a test"))
        ):
            _templates.add(template)
    name = f"hulta_{next(_numbers)}"
    await _say(url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy {options}")
    try:
        yield _address(url, name)
    finally:
        await _say(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _say(url: str, statement: str) -> None:
    """On a connection of its own: the server may have crashed since the last one."""
    connection = await asyncpg.connect(url, database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _address(url: str, database: str) -> PostgresAddress:
    return PostgresAddress.parse(f"{url}/{database}", accept_loss=True)
