"""`hulta status`: how the cameras are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media.errors import NotFound, StorageError
from server.api_client import ApiClient
from server.cli_frame import (
    DEFAULT_DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    command,
    err,
    existing_data,
    load_host,
    new_table,
    out,
    words_of_others,
)
from server.quantities import format_rate
from server.shipping_words import shipping_words
from server.status_socket import read_status

if TYPE_CHECKING:
    from storage.layout import Layout

COLUMNS = ("camera", "site", "state", "reason", "since", "durable through", "bitrate", "clock offset")
STYLES = {"recording": "green", "failed": "red", "connecting": "yellow", "disabled": "dim"}


def status(
    which: Annotated[
        str | None, typer.Argument(help="A camera or a site, by name or id.", metavar="[CAMERA|SITE]")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    json: JsonOption = False,
) -> None:
    """How each camera is, why, and since when."""
    client = asyncio.run(ApiClient.find(existing_data(data), load_host(config)))
    cameras = [camera for camera in client.get_json("cameras") if which is None or _is_meant(camera, which)]
    details = _details(client)
    for camera in cameras:
        camera["detail"] = details.get(camera["id"])
    if which is not None and not cameras:
        raise NotFound(f"no camera and no site is called {which}")
    if json:
        out.print_json(data=cameras)
        return
    table = new_table(*COLUMNS)
    for camera in cameras:
        table.add_row(*_row(camera))
    out.print(table)
    for warning in asyncio.run(_warnings(existing_data(data))):
        err.print(f"warning: {warning}", style="yellow", markup=False)


async def _warnings(data: Layout) -> list[str]:
    """What the processes that keep footage have to say of their disk and of the object store."""
    record, ship = [await read_status(data.socket(role)) for role in ("record", "ship")]
    spools = [spool for document in (record, ship) for spool in (document or {}).get("spools", ())]
    retired = [f"{spool['path']} is not recorded on: {spool['retired']}" for spool in spools if spool.get("retired")]
    return [*retired, *(spool["warning"] for spool in spools if spool.get("warning")), *shipping_words(ship)]


def _is_meant(camera: dict[str, Any], which: str) -> bool:
    return which in {camera["id"], camera["name"], camera["site"]}


def _details(client: ApiClient) -> dict[str, str | None]:
    """What the recorder says of each camera in words; nothing while it does not answer."""
    try:
        return {camera["id"]: camera["detail"] for camera in client.get_json("recording")["cameras"]}
    except StorageError:
        return {}


def _row(camera: dict[str, Any]) -> list[str]:
    state = camera["state"]
    rate_bps, offset_us = camera["bitrate_bps"], camera["camera_clock_offset_us"]
    return [
        camera["name"],
        camera["site"],
        f"[{STYLES.get(state, '')}]{state}[/]" if state in STYLES else state,
        words_of_others(": ".join(text for text in (camera["reason"], camera["detail"]) if text)),
        _moment(camera["since"]),
        _moment(camera["durable_through"]),
        f"{format_rate(rate_bps)}bit/s" if rate_bps else "",
        f"{offset_us / 1000:+.0f} ms" if offset_us is not None else "",
    ]


def _moment(instant: str | None) -> str:
    """To the second, for people."""
    return "" if instant is None else f"{instant[:10]} {instant[11:19]}Z"


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, status)
