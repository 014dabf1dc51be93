"""`hulta check`: whether catalog, objects, spool and declared gaps agree."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

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
    load_places,
    out,
)
from server.fleet import Fleet
from server.spool_access import spools_to_read, with_disks
from server.store_access import open_store
from storage.audit import Finding, FindingKind
from storage.check import Check
from storage.clock import HostClock
from storage.spool_reader import SpoolReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.settings import Settings
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
    settings = load_places(config)
    report = asyncio.run(_check(existing_data(data), settings, deep=deep))
    if json:
        out.print_json(data=report.to_json(), default=str)
    else:
        out.print(str(report), markup=False)
    if not report.ok:
        raise typer.Exit(FAILED)


async def _check(layout: Layout, settings: Settings, *, deep: bool) -> CheckReport:
    clock = HostClock()
    fleet = Fleet(layout, clock)
    await fleet.refresh()
    spool = SpoolReader(spools_to_read(with_disks(layout, settings)), fleet.durable_mark)
    async with (
        open_catalog(settings.catalog, layout, clock) as catalog,
        open_store(settings.store, layout, clock) as store,
    ):
        report = await Check(catalog, store, spool, clock).run(deep=deep)
    known = {each.subject for each in report.findings}
    report.findings += not_taken_in(await fleet.others["ship"].look(), known)
    return report


def not_taken_in(ship: Mapping[str, Any] | None, known: set[str]) -> list[Finding]:
    """What `ship` says that it cannot bring into the catalog, but for what is known. One that is down says nothing."""
    faults = ship["faults"].items() if ship else ()
    found = [Finding(kind=FindingKind.NOT_TAKEN_IN, subject=f"file {path}", what=why) for path, why in faults]
    return [each for each in found if each.subject not in known]


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, check)
