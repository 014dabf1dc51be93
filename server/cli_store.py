"""`hulta store`: whose object store it is, and accepting another one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from media.errors import ObjectStoreError
from server.catalog_access import open_catalog
from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, command, existing_data, load_places, out
from server.store_access import open_store
from storage.clock import HostClock
from storage.store_ownership import accept_store, owner_of

if TYPE_CHECKING:
    from uuid import UUID

    from server.settings import Settings
    from storage.layout import Layout


def show(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Whose object store it is. Exit 1 if it is nobody's yet."""
    place, owner = asyncio.run(_owner(existing_data(data), load_places(config)))
    if owner is None:
        raise ObjectStoreError(f"{place}: no catalog has used it yet")
    out.print(f"{place}: catalog {owner}", markup=False)


def accept(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Take the object store for this catalog's own.

    For an empty one in the place of one that was lost, or one whose catalog is given up for good. What is in it stays.
    """
    place, owner = asyncio.run(_accept(existing_data(data), load_places(config)))
    out.print(f"{place}: catalog {owner} uses it from now on", markup=False)


async def _owner(layout: Layout, settings: Settings) -> tuple[str, UUID | None]:
    async with open_store(settings.store, layout, HostClock()) as store:
        return store.state()["place"], await owner_of(store)


async def _accept(layout: Layout, settings: Settings) -> tuple[str, UUID]:
    clock = HostClock()
    async with (
        open_catalog(settings.catalog, layout, clock) as catalog,
        open_store(settings.store, layout, clock) as store,
    ):
        return store.state()["place"], await accept_store(catalog, store)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="The object store.", no_args_is_help=True)
    for name, function in (("show", show), ("accept", accept)):
        command(group, function, name)
    app.add_typer(group, name="store")
