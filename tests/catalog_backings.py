"""Both catalogs for tests that take a copy of one and put it back later, as an operator does with a backup."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

import asyncpg

from storage.postgres_catalog import PostgresCatalog
from storage.sqlite_backup import back_up
from storage.sqlite_catalog import SqliteCatalog
from tests.postgres_server import empty_database, shared_postgres

if TYPE_CHECKING:
    from pathlib import Path

    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.postgres_address import PostgresAddress
    from storage.secrets import SecretBox


class Backing(Protocol):
    """Where a catalog is. One is open at a time."""

    async def open(self, clock: Clock, box: SecretBox) -> Catalog:
        """The catalog that is there, begun if there is none."""
        ...

    async def save(self) -> None:
        """Keep a copy; an earlier one goes. The catalog is closed."""
        ...

    async def restore(self) -> None:
        """Put the copy in place of the catalog. The catalog is closed."""
        ...

    async def remove(self) -> None:
        """All of it."""
        ...


class SqliteBacking:
    """A file, and the copy that `hulta catalog backup` makes of it."""

    def __init__(self, root: Path) -> None:
        self._file, self._copy = root / "catalog.sqlite", root / "copy.sqlite"

    async def open(self, clock: Clock, box: SecretBox) -> Catalog:
        """See `Backing.open`."""
        return await SqliteCatalog.open(self._file, clock, box)

    async def save(self) -> None:
        """See `Backing.save`."""
        self._copy.unlink(missing_ok=True)
        back_up(self._file, self._copy)

    async def restore(self) -> None:
        """See `Backing.restore`."""
        for file in self._file.parent.glob(f"{self._file.name}*"):
            file.unlink()
        shutil.copy(self._copy, self._file)

    async def remove(self) -> None:
        """See `Backing.remove`: it goes with its directory."""


class PostgresBacking:
    """A database of the tests' server, and another one made from it."""

    def __init__(self) -> None:
        self._address: PostgresAddress | None = None
        self._made = AsyncExitStack()

    async def open(self, clock: Clock, box: SecretBox) -> Catalog:
        """See `Backing.open`."""
        if self._address is None:
            self._address = await self._made.enter_async_context(empty_database(template="hulta_template"))
        return await PostgresCatalog.open(self._address, clock, box)

    async def save(self) -> None:
        """See `Backing.save`."""
        await self._copy(self._name, f"{self._name}_copy")

    async def restore(self) -> None:
        """See `Backing.restore`."""
        await self._copy(f"{self._name}_copy", self._name)

    async def remove(self) -> None:
        """See `Backing.remove`."""
        await self._say(f"DROP DATABASE IF EXISTS {self._name}_copy")
        await self._made.aclose()

    @property
    def _name(self) -> str:
        assert self._address is not None
        return self._address.database

    async def _copy(self, source: str, target: str) -> None:
        await self._say(
            f"DROP DATABASE IF EXISTS {target} WITH (FORCE)",
            f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY file_copy",
        )

    async def _say(self, *statements: str) -> None:
        server = await asyncpg.connect(shared_postgres(), database="postgres")
        try:
            for statement in statements:
                await server.execute(statement)
        finally:
            await server.close()
