"""`hulta check`: whether catalog, objects, spool and declared gaps agree."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from server.catalog_access import open_catalog
from server.cli_frame import (
    DEFAULT_DATA,
    FAILED,
    ConfigOption,
    DataOption,
    JsonOption,
    command,
    existing_data,
    load_settings,
    out,
)
from server.fleet import Fleet
from storage.check import Check
from storage.clock import HostClock
from storage.directory_store import DirectoryStore
from storage.spool_reader import SpoolReader

if TYPE_CHECKING:
    from storage.check import CheckReport
    from storage.layout import Layout


def check(
    deep: Annotated[bool, typer.Option("--deep", help="Also read every object and compare its hash.")] = False,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    json: JsonOption = False,
) -> None:
    """Say where catalog, objects, spool and gaps disagree.

    It changes nothing and may run while the server does. Exit 1 if anything is wrong.
    """
    load_settings(config)
    report = asyncio.run(_check(existing_data(data), deep=deep))
    if json:
        out.print_json(data=report.to_json(), default=str)
    else:
        out.print(str(report), markup=False)
    if not report.ok:
        raise typer.Exit(FAILED)


async def _check(layout: Layout, *, deep: bool) -> CheckReport:
    clock = HostClock()
    fleet = Fleet(layout, clock)
    await fleet.refresh()
    spool = SpoolReader(layout.spool, fleet.durable_mark)
    async with open_catalog(layout, clock) as catalog:
        return await Check(catalog, DirectoryStore(layout.objects), spool, clock).run(deep=deep)


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, check)
