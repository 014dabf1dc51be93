"""Bringing a PostgreSQL catalog up to the schema this version knows: numbered migrations, forwards only.

Everything is in the schema `hulta` of a database of its own. One process migrates, under an advisory lock, all that is
missing in one transaction; others wait. It runs beside processes of the version before (0001_first.sql has the rules):
it waits 2 s at most for a table, so imports stand behind it no longer, and the next start tries again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from media.errors import CatalogError
from storage.statements import migrations, statements

if TYPE_CHECKING:
    from storage.postgres_database import PostgresDatabase

_SQL = statements("postgres/schema")


def scripts() -> list[tuple[int, str]]:
    """The migrations this version knows."""
    return migrations("postgres/migrations")


async def migrate(database: PostgresDatabase) -> None:
    """Run the migrations that are missing. CatalogError for a newer schema or a database of others."""
    if (await database.fetch(_SQL["is_ours"]))[0][0]:
        version = (await database.fetch(_SQL["version"]))[0][0]
        _require_known(database, version)
        if version == scripts()[-1][0]:
            return
    await database.write(lambda connection: _migrate(database, connection))


async def require_whole(database: PostgresDatabase) -> None:
    """CatalogError while another catalog is being moved in here."""
    if not (await database.fetch(statements("postgres/move")["is_whole"]))[0][0]:
        raise CatalogError(
            f"catalog {database.address}: a move into it was begun and not finished",
            hint="run `hulta catalog migrate` on the host whose catalog it is; it goes on where it was",
        )


async def _migrate(database: PostgresDatabase, connection: Any) -> None:
    for statement in ("wait_for_others", "alone", "wait_briefly", "take_your_time"):
        await connection.execute(_SQL[statement])
    if not await connection.fetchval(_SQL["is_ours"]):
        await _begin(database, connection)
    version = await connection.fetchval(_SQL["version"])
    _require_known(database, version)
    for number, script in scripts():
        if number > version:
            await connection.execute(script)
            await connection.execute(_SQL["move_version"], number)


async def _begin(database: PostgresDatabase, connection: Any) -> None:
    if await connection.fetchval(_SQL["foreign"]):
        raise CatalogError(
            f"catalog {database.address}: this database has tables of another program",
            hint="give Hulta a database of its own: createdb --encoding=UTF8 --template=template0 NAME",
        )
    for statement in ("begin", "sign", "enter"):
        await connection.execute(_SQL[statement])


def _require_known(database: PostgresDatabase, version: int) -> None:
    known = scripts()[-1][0]
    if version > known:
        raise CatalogError(
            f"catalog {database.address} has schema {version}; this version of Hulta knows schemas up to {known}",
            hint="a newer Hulta has used it: run that version, or restore the catalog from before the upgrade",
        )
