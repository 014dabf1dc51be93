"""One PostgreSQL database, used by several processes of several hosts at once.

Every method of the port is one transaction, READ COMMITTED; what it decides on it has locked before (a stream's
advisory lock, a run's row, rows in the order of their ids: docs/decisions/0136). A few connections, made when they are
needed and again when they broke: a server that was restarted costs one CatalogError, and the caller tries again.
Waiting is bounded everywhere: for a connection, for a lock, for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from media.errors import CatalogError
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from storage.postgres_address import PostgresAddress

    Connection = Any  # asyncpg's, which has no types
    Work = Callable[[Connection], Awaitable["T"]]

T = TypeVar("T")

CONNECTIONS = 4
"""Of a process. A host has about six of them at work, a server takes a hundred by default."""

CONNECT_S = 5
ACQUIRE_S = 10
STATEMENT_S = 30
ANSWER_S = STATEMENT_S + 5  # of a server that does not keep the limit itself, because it is gone
CLOSE_S = 5

OLDEST = 150_000
"""PostgreSQL 15: the oldest that is tested. What is newer keeps the protocol and is taken."""

_SESSION = {
    "application_name": "hulta",
    "search_path": "hulta",
    "timezone": "UTC",
    "statement_timeout": f"{STATEMENT_S}s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "plan_cache_mode": "force_custom_plan",  # with the times in hand the planner opens the partitions of these alone
    "jit": "off",  # compiling a plan over 65 partitions takes longer than running it
}

_SQL = statements("postgres/schema")


class PostgresDatabase:
    """Connections, and what happens on them."""

    def __init__(self, address: PostgresAddress) -> None:
        self.address = address
        self._pool: Any = None

    @classmethod
    async def open(cls, address: PostgresAddress) -> PostgresDatabase:
        """Connect. CatalogError with words if there is no such server, or one that must not be trusted."""
        database = cls(address)
        with database.translated():
            database._pool = await asyncpg.create_pool(
                host=address.host,
                port=address.port,
                database=address.database,
                user=address.username,
                password=address.password,
                ssl=address.tls(),
                target_session_attrs="any",
                timeout=CONNECT_S,
                command_timeout=ANSWER_S,
                min_size=0,  # else asyncpg tries on its own to keep one, and logs each failure as a defect
                max_size=CONNECTIONS,
                server_settings=_SESSION,
                init=database._inspect,
                reset=_nothing,
            )
        try:
            await database.fetch(_SQL["facts"])
        except BaseException:
            await database.close()
            raise
        return database

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """The rows of one statement, which sees one state and is one transaction."""
        async with self._connection() as connection:
            rows: list[Any] = await connection.fetch(statement, *values)
            return rows

    async def write(self, work: Work[T]) -> T:
        """Do `work` in one transaction: all of it is durable on return, or nothing happened."""
        async with self._connection() as connection, connection.transaction():
            return await work(connection)

    async def read(self, work: Work[T]) -> T:
        """Do `work`, whose statements all see one state."""
        async with (
            self._connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await work(connection)

    async def close(self) -> None:
        """Finish what was begun, but do not wait for a server that is gone."""
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), CLOSE_S)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        with self.translated():
            async with self._pool.acquire(timeout=ACQUIRE_S) as connection:
                yield connection

    @contextlib.contextmanager
    def translated(self) -> Any:
        """What goes wrong in here becomes a CatalogError: never with a row's content, let alone a password."""
        try:
            yield
        except asyncpg.PostgresError as error:
            raise CatalogError(
                f"catalog {self.address}: {self.address.veiled(error.args[0])}", hint=_hint(error)
            ) from error
        except asyncpg.DataError as error:  # its text repeats the value
            raise CatalogError(f"catalog {self.address}: a value that the database cannot hold") from error
        except asyncpg.InterfaceError as error:
            raise CatalogError(f"catalog {self.address}: {self.address.veiled(error.args[0])}", hint=_GONE) from error
        except TimeoutError as error:
            raise CatalogError(f"catalog {self.address}: no answer in time", hint=_GONE) from error
        except ssl.SSLError as error:
            raise CatalogError(f"catalog {self.address}: TLS failed: {_said(error)}", hint=_TLS) from error
        except OSError as error:
            words = error.strerror or str(error) or type(error).__name__
            raise CatalogError(f"catalog {self.address}: {words}", hint=_GONE) from error

    async def _inspect(self, connection: Connection) -> None:
        """Refuse a server whose word is worth nothing, at each new connection: settings change while it runs."""
        facts = await connection.fetchrow(_SQL["facts"])
        name = f"catalog {self.address}"
        if facts["version"] < OLDEST:
            raise CatalogError(
                f"{name}: PostgreSQL {facts['version'] // 10_000}; Hulta needs {OLDEST // 10_000} or newer",
                hint="upgrade the server",
            )
        if facts["encoding"] != "UTF8":
            raise CatalogError(
                f"{name}: the database's encoding is {facts['encoding']}",
                hint="create the database with ENCODING 'UTF8' TEMPLATE template0",
            )
        if self.address.accept_loss:
            return
        for setting in ("fsync", "synchronous_commit"):
            if facts[setting] == "off":
                raise CatalogError(
                    f"{name}: {setting} is off: what the server says is stored is lost when it crashes",
                    hint=f"set `{setting} = on` in postgresql.conf and reload, or for the role or database where it"
                    " was turned off; `accept_loss: true` in the table `catalog` is for trials only",
                )


async def _nothing(connection: Connection) -> None:
    """Between two uses: sessions keep nothing, all locks and settings end with their transaction."""


_GONE = "recording goes on without the catalog; check the server, the network and the address"
_TLS = "the certificate must be for the host in `catalog.url`, from an authority that `catalog.ca` or this host names"
_HINTS = (
    (asyncpg.InvalidAuthorizationSpecificationError, "check `username` and `password` in the table `catalog`"),
    (asyncpg.InvalidCatalogNameError, "create it: createdb --encoding=UTF8 --template=template0 NAME"),
    (asyncpg.InsufficientPrivilegeError, "the role must own the database (ALTER DATABASE ... OWNER TO ...)"),
    (asyncpg.TooManyConnectionsError, f"raise max_connections: {CONNECTIONS} for each process of each host"),
    (asyncpg.LockNotAvailableError, "somebody holds a lock for long; pg_stat_activity says who"),
    (asyncpg.QueryCanceledError, f"it took longer than {STATEMENT_S} s; is the server overloaded?"),
    (asyncpg.OperatorInterventionError, _GONE),
    (asyncpg.PostgresConnectionError, _GONE),
    (asyncpg.ReadOnlySQLTransactionError, "this is a standby: name the primary in `catalog.url`"),
    (asyncpg.DiskFullError, "make room on the server's disk; recording goes on meanwhile"),
)


def _said(error: ssl.SSLError) -> str:
    """What is wrong with a certificate, or with what answered, without the library's own file and line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).lower().replace("_", " ")


def _hint(error: Exception) -> str:
    return next((hint for kind, hint in _HINTS if isinstance(error, kind)), "")
