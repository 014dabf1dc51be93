"""`hulta footage`: what there is of a camera, and what is missing and why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media.errors import NoFootage
from server.api_client import ApiClient
from server.cli_frame import (
    DEFAULT_DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    command,
    existing_data,
    load_host,
    new_table,
    out,
    words_of_others,
)
from server.quantities import format_bytes

if TYPE_CHECKING:
    from rich.table import Table

CameraArgument = Annotated[str, typer.Argument(help="Id or name.")]
FromOption = Annotated[str, typer.Option("--from", help="RFC 3339 with offset, included.", metavar="T")]
ToOption = Annotated[str, typer.Option("--to", help="RFC 3339 with offset, not included.", metavar="T")]

ABSENCES = ("gaps", "expired", "missing", "pending")
NAMES = {"spans": "recorded", "gaps": "gap", "expired": "expired", "missing": "missing", "pending": "pending"}
STYLES = {"spans": "green", "gaps": "red", "expired": "dim", "missing": "bold red", "pending": "yellow"}


def footage(
    camera: CameraArgument,
    start: FromOption,
    end: ToOption,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    json: JsonOption = False,
) -> None:
    """What there is of a camera, what is not, and why."""
    client = asyncio.run(ApiClient.find(existing_data(data), load_host(config)))
    timeline = client.get_json("cameras", camera, "timeline", query={"from": start, "to": end})
    if json:
        out.print_json(data=timeline)
    else:
        out.print(_table(timeline))
    if not timeline["spans"]:
        raise NoFootage("nothing was recorded in this range, or it is not there any more")


def _table(timeline: dict[str, Any]) -> Table:
    """Every part of the timeline in the order of time."""
    table = new_table("from", "to", "what", "detail")
    parts = [(part, kind) for kind in NAMES for part in timeline[kind]]
    for part, kind in sorted(parts, key=lambda entry: entry[0]["from"]):
        table.add_row(part["from"], part["to"], f"[{STYLES[kind]}]{NAMES[kind]}[/]", _detail(part, kind))
    return table


def _detail(part: dict[str, Any], kind: str) -> str:
    if kind == "spans":
        damaged = f", {part['damaged']} with losses" if part["damaged"] else ""
        return f"{part['segments']} segments, {format_bytes(part['bytes'])}{damaged}"
    reason = part.get("reason", "")
    return words_of_others(": ".join(text for text in (reason, part.get("detail", "")) if text))


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, footage)
