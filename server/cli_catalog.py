"""`hulta catalog`: moving an embedded catalog into PostgreSQL, and a copy to keep (docs/catalogs.md)."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media.errors import ConfigError, NotFound, UsageError
from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, command, existing_data, load_places, out
from server.role import ROLES
from server.role_lock import RoleLock

if TYPE_CHECKING:
    from storage.layout import Layout
    from storage.postgres_address import PostgresAddress


def migrate(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Move the catalog of this data directory into the PostgreSQL database that the configuration names.

    Hulta must not run meanwhile. Every batch is read back and compared. Run it again after it was interrupted: it goes
    on where it was. The old catalog stays as it is, and is not used any more.
    """
    address, layout = load_places(config).catalog.postgres, existing_data(data)
    if address is None:
        raise ConfigError("catalog.url is `sqlite`: name the database to move to, such as postgresql://host/hulta")
    if not layout.catalog.exists():
        raise NotFound(f"{layout.catalog}: there is no catalog to move")
    with ExitStack() as locks:
        for role in ROLES:
            locks.enter_context(RoleLock.take(layout.lock(role)))
        rows = asyncio.run(_move(layout, address))
    for noun, count in rows.items():
        out.print(f"{noun.replace('_', ' '):16}{count:>12,}", markup=False)
    out.print(f"All of it is in {address}, and was read back. Hulta may be started.", markup=False)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; there must be none yet.")],
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Write a consistent copy of the catalog, also while Hulta runs. It belongs beside the key, and is no footage."""
    address, layout = load_places(config).catalog.postgres, existing_data(data)
    if address is not None:
        who = f" --username={address.username}" if address.username else ""
        raise UsageError(
            "a PostgreSQL catalog is backed up by PostgreSQL's own tools, which copy it while it is used",
            hint=f"pg_dump --format=custom --host={address.host} --port={address.port}{who} --schema=hulta"
            f" --file={file} {address.database}",
        )
    if not layout.catalog.exists():
        raise NotFound(f"{layout.catalog}: there is no catalog to copy")
    from storage.sqlite_backup import back_up  # noqa: PLC0415 - no other command needs it

    size_bytes = back_up(layout.catalog, file)
    out.print(f"{file}: {size_bytes:,} bytes, checked. Keep {layout.key} with it: credentials open with no other key.")


async def _move(layout: Layout, address: PostgresAddress) -> dict[str, int]:
    from storage import postgres_schema  # noqa: PLC0415 - a host without PostgreSQL does without the client
    from storage.catalog_move import CatalogMove  # noqa: PLC0415 - as above
    from storage.postgres_database import PostgresDatabase  # noqa: PLC0415 - as above
    from storage.postgres_days import Days  # noqa: PLC0415 - as above
    from storage.sqlite_database import Database  # noqa: PLC0415 - as above

    target = await PostgresDatabase.open(address)
    try:
        await postgres_schema.migrate(target)
        source = await Database.open(layout.catalog)
        try:
            return await CatalogMove(source, target, Days(target), _say).run()
        finally:
            await source.close()
    finally:
        await target.close()


def _say(noun: str, count: int) -> None:
    if count % 50_000 < 500:  # a line now and then
        out.print(f"{noun}: {count:,}", markup=False)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Moving and copying the catalog.", no_args_is_help=True)
    for function in (migrate, backup):
        command(group, function)
    app.add_typer(group, name="catalog")
