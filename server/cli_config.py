"""`hulta config check` and `hulta apply`: the configuration, explained and applied."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.network import allowed
from server.catalog_access import open_catalog
from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, command, err, load_settings, open_data, out
from server.desired import apply_settings
from server.due import Due, newly_due
from server.quantities import format_bytes, format_duration, format_rate
from server.settings import Settings, read_settings
from storage.clock import HostClock
from storage.model import Change, FieldChange

if TYPE_CHECKING:
    from server.settings_alerts import AlertRules
    from server.settings_catalog import CatalogAddress
    from storage.layout import Layout

PLANNED_BPS = 4_000_000  # of a camera that states no bitrate


def check(
    file: Annotated[Path | None, typer.Argument(help="The file to check; else --config or ./hulta.yaml.")] = None,
    config: ConfigOption = None,
) -> None:
    """Say what a file means, or all that is wrong with it."""
    settings = load_settings(file or config)
    if not settings.model_fields_set:
        out.print("The file says nothing: no cameras are recorded, and everything else is as by default.")
    cameras = [camera for site in settings.sites for camera in site.cameras]
    rate_bps = sum(camera.bitrate or PLANNED_BPS for camera in cameras if camera.enabled)
    exposure = "open to this host" if settings.host.listen.loopback else "token required"
    out.print(f"host      {settings.host.name}, listening on {settings.host.listen} ({exposure})", markup=False)
    _say_catalog(settings.catalog)
    out.print(f"store     {settings.store.url}")
    out.print(f"segments  {settings.segments.seconds} s")
    _say_alerts(settings.alerts)
    for name, rules in settings.policies.items():
        purpose = f": {rules.purpose}" if rules.purpose else ""
        least = "" if rules.keep_min is None else f" and {format_duration(rules.keep_min)} at least"
        out.print(f"policy    {name} keeps {format_duration(rules.keep_max)} at most{least}{purpose}", markup=False)
    disabled = sum(not camera.enabled for camera in cameras)
    out.print(f"cameras   {len(cameras)} at {len(settings.sites)} sites, {disabled} of them disabled")
    odd = sum(camera.source == "libav" for camera in cameras)
    if odd:
        out.print(f"libav     {odd} cameras, each in a process of its own (docs/odd-devices.md)")
    out.print(f"planned   {format_rate(rate_bps)}bit/s, {format_bytes(rate_bps * 86_400 // 8)} a day")
    for site in settings.sites:
        for camera in site.cameras:
            if not _may_be_reached(camera.url.host, site.networks):
                what = f"warning: camera {camera.name} has the address {camera.url.host}, which is not recorded from"
                err.print(f"{what} unless `networks` of site {site.name} lists it", style="yellow", markup=False)
    out.print("The configuration is valid.", style="green")


def apply(
    file: Annotated[Path, typer.Argument(help="The configuration file.")],
    prune: Annotated[
        bool, typer.Option("--prune", help="Disable cameras that an earlier file listed and this does not.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would change.")] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Make the catalog agree with a file; print the changes.

    A running server follows within a second or two, and touches only the cameras that changed. A dry run also says how
    much footage a shorter policy would delete.
    """
    changes, due = asyncio.run(_apply(read_settings(file), open_data(data), prune=prune, dry_run=dry_run))
    for change in changes:
        out.print(_line(change), markup=False)
    if due.segments:
        err.print(f"warning: {due}", style="yellow", markup=False)
    done = "would change" if dry_run else "changed"
    out.print(f"{len(changes)} {done}" if changes else "Nothing to change.")


def _say_catalog(place: CatalogAddress) -> None:
    """Where it is and how it is reached, without a credential."""
    address = place.postgres
    if address is None:
        out.print(f"catalog   {place.url}")
        return
    ways = {
        "disable": "not encrypted",
        "require": "encrypted, the server's certificate not checked",
        "verify-ca": "encrypted, the server's certificate checked",
        "verify-full": "encrypted, the server's certificate and name checked",
    }
    who = f" as {address.username}" if address.username else ""
    out.print(f"catalog   {address}{who}, {ways[address.mode]}", markup=False)
    if address.is_exposed:
        err.print("warning: what is said to the catalog, and its password, can be read on the way", style="yellow")
    if place.accept_loss:
        err.print("warning: a catalog that forgets when its server crashes is accepted", style="yellow")


def _say_alerts(rules: AlertRules) -> None:
    """Whom an alert reaches, without a secret in it."""
    told = []
    if rules.webhook is not None:
        marks = {"signed": rules.webhook.secret, "with a token": rules.webhook.token}
        how = ", ".join(mark for mark, given in marks.items() if given is not None)
        told.append(f"webhook {rules.webhook.origin}" + (f" ({how})" if how else ""))
    if rules.mail is not None:
        safe = {"starttls": "STARTTLS", "tls": "TLS", "none": "no TLS"}[rules.mail.tls]
        told.append(f"mail to {', '.join(rules.mail.to)} through {rules.mail.server} ({safe})")
    after = format_duration(rules.stopped_after)
    whom = "; ".join(told) if told else "nobody is told"
    out.print(f"alerts    {whom}" + (f", a camera has stopped after {after}" if told else ""), markup=False)
    if rules.webhook is not None and rules.webhook.origin.startswith("http://"):
        err.print("warning: alerts go to the webhook unencrypted, and so does its token", style="yellow")
    if rules.mail is not None and rules.mail.tls == "none":
        err.print("warning: alerts go to the mail server unencrypted", style="yellow")


def _may_be_reached(host: str, networks: tuple[str, ...]) -> bool:
    """Whether the recorder will connect there. What a name stands for is not known here."""
    try:
        ip_address(host)
    except ValueError:
        return True
    return allowed(host, networks)


def _line(change: Change) -> str:
    """A change as people read it: durations and rates as the file has them."""
    return str(replace(change, fields=tuple(map(_readable, change.fields))))


def _readable(change: FieldChange) -> FieldChange:
    for suffix, shown in (("_us", format_duration), ("_bps", format_rate)):
        if change.field.endswith(suffix):
            before, after = (shown(int(text)) if text else "" for text in (change.before, change.after))
            return FieldChange(change.field.removesuffix(suffix), before, after)
    return change


async def _apply(settings: Settings, layout: Layout, *, prune: bool, dry_run: bool) -> tuple[list[Change], Due]:
    async with open_catalog(settings.catalog, layout) as catalog:
        due = await newly_due(catalog, settings, HostClock().wall_us()) if dry_run else Due()
        return await apply_settings(catalog.inventory, settings, prune=prune, dry_run=dry_run), due


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="The configuration file.", no_args_is_help=True)
    command(group, check)
    app.add_typer(group, name="config")
    command(app, apply)
