"""`hulta cameras`: list, add, remove, test."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from ingest.approach import Approach, SourceName, Way
from ingest.libav_order import source_problem
from media.errors import Conflict, HultaError, UsageError
from media.url import CameraUrl
from server.camera_probe import DEFAULT_S, LONGEST_S, probe
from server.camera_verdict import Severity
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
    new_table,
    open_data,
    out,
    words_of_others,
)
from server.desired import apply_settings
from server.key_access import secret_box
from server.quantities import parse_rate_bps
from server.settings import DEFAULT_POLICY, Settings
from server.settings_fields import checked_name, tls_file, tls_pin_of
from storage.clock import HostClock
from storage.model import DesiredCamera

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.settings_catalog import CatalogAddress
    from storage.layout import Layout
    from storage.model import Camera

T = TypeVar("T")

PASSWORD_VARIABLE = "HULTA_CAMERA_PASSWORD"  # noqa: S105 - the name of the variable

ANYWHERE = ("0.0.0.0/0", "::/0")
"""Whoever tests a camera by hand knows where it is."""

STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: ""}

UrlArgument = Annotated[str, typer.Argument(help="rtsp://host:port/path", metavar="URL")]
SourceOption = Annotated[str, typer.Option(help="rtsp: our own client; libav: odd devices, in a process of their own.")]
TlsCaOption = Annotated[str, typer.Option(help="A file with the authorities that may have signed its certificate.")]
TlsPinOption = Annotated[str, typer.Option(help="sha256/... of its public key, in place of authorities.")]
TransportOption = Annotated[str, typer.Option(help="What RTSP's packets travel on: tcp or udp.")]
UsernameOption = Annotated[
    str | None, typer.Option(help=f"Login name. The password is asked for, or taken from {PASSWORD_VARIABLE}.")
]


def list_cameras(config: ConfigOption = None, data: DataOption = DEFAULT_DATA, json: JsonOption = False) -> None:
    """All cameras, the disabled ones too. `hulta status` tells how they are."""
    place = load_places(config).catalog
    cameras = asyncio.run(_cameras(place, existing_data(data)))
    if json:
        out.print_json(data=[_as_json(camera) for camera in cameras])
        return
    table = new_table("id", "name", "site", "url", "policy", "from", "enabled")
    for camera in cameras:
        enabled = "yes" if camera.enabled else "no"
        table.add_row(str(camera.id), camera.name, camera.site, str(camera.url), camera.policy, camera.origin, enabled)
    out.print(table)


def add(
    url: UrlArgument,
    name: Annotated[str, typer.Option(help="A name of its own.")],
    site: Annotated[str, typer.Option(help="Its site; made if it is new.")],
    username: UsernameOption = None,
    policy: Annotated[str, typer.Option(help="How long its footage is kept.")] = DEFAULT_POLICY,
    bitrate: Annotated[str | None, typer.Option(help="Its nominal bit rate, such as 4M.")] = None,
    change: Annotated[bool, typer.Option("--change", help="Change the camera of this name; it keeps its id.")] = False,
    source: SourceOption = "rtsp",
    transport: TransportOption = "tcp",
    tls_ca: TlsCaOption = "",
    tls_pin: TlsPinOption = "",
    camera_id: Annotated[UUID | None, typer.Option("--id", help="Its id, to keep one from another catalog.")] = None,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Add a camera. A running server records it within two seconds."""
    place = load_places(config).catalog
    wanted = DesiredCamera(
        name=_checked("--name", name, checked_name),
        url=_with_login(url, username, source),
        source=_checked("--source", source, _source_name),
        id=camera_id,
        policy=policy,
        bitrate_bps=None if bitrate is None else _checked("--bitrate", bitrate, parse_rate_bps),
        transport=_checked("--transport", transport, _way),
        tls_ca=_checked("--tls-ca", tls_ca, tls_file),
        tls_pin=_checked("--tls-pin", tls_pin, tls_pin_of),
    )
    camera = asyncio.run(_add(place, open_data(data), wanted, _checked("--site", site, checked_name), change=change))
    out.print(f"{camera.name} is {camera.id}", markup=False)


def reseal(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Seal all logins with the first key, after another key was put before the old one (docs/secrets.md)."""
    place, layout = load_places(config).catalog, existing_data(data)
    count, key = asyncio.run(_reseal(place, layout)), secret_box(layout).key_id()
    out.print(f"{count} sealed anew; all are sealed by the key {key}.", markup=False)


def remove(
    camera: Annotated[str, typer.Argument(help="Id or name.")],
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Stop recording a camera. Its footage stays for as long as its policy says."""
    place = load_places(config).catalog
    removed = asyncio.run(_remove(place, existing_data(data), camera))
    out.print(f"{removed.name} is disabled; its footage stays.", markup=False)


def probe_camera(
    url: UrlArgument,
    username: UsernameOption = None,
    source: SourceOption = "rtsp",
    transport: TransportOption = "tcp",
    tls_ca: TlsCaOption = "",
    tls_pin: TlsPinOption = "",
    seconds: Annotated[float, typer.Option(help="How long to look at most.", min=1, max=LONGEST_S)] = DEFAULT_S,
    picture: Annotated[Path | None, typer.Option(help="Write a picture there, as JPEG.", metavar="FILE")] = None,
    json: JsonOption = False,
) -> None:
    """Look at a camera for a few seconds; say what it is and whether it can be recorded.

    Exits with 1 if it cannot.
    """
    approach = Approach(
        source=_checked("--source", source, _source_name),
        transport=_checked("--transport", transport, _way),
        url=_with_login(url, username, source),
        networks=ANYWHERE,
        tls_ca=_checked("--tls-ca", tls_ca, tls_file),
        tls_pin=_checked("--tls-pin", tls_pin, tls_pin_of),
    )
    report = asyncio.run(probe(approach, HostClock(), seconds=seconds))
    jpeg = None if report.facts is None else report.facts.picture
    if picture is not None and jpeg is not None:
        picture.write_bytes(jpeg)
    if json:
        out.print_json(data=report.to_json(picture=False))
    else:
        for finding in report.findings:
            out.print(f"{finding.severity.value:8}{words_of_others(finding.words)}", style=STYLES[finding.severity])
    if picture is not None and jpeg is None:
        raise HultaError(f"there is no picture to write to {picture}")
    if not report.usable:
        raise typer.Exit(FAILED)


async def _cameras(place: CatalogAddress, layout: Layout) -> list[Camera]:
    async with open_catalog(place, layout) as catalog:
        return await catalog.inventory.cameras()


async def _add(place: CatalogAddress, layout: Layout, wanted: DesiredCamera, site: str, *, change: bool) -> Camera:
    async with open_catalog(place, layout) as catalog:
        await apply_settings(catalog.inventory, Settings())  # the policy `default` of a new catalog
        try:
            return await catalog.inventory.add(wanted, site=site, change=change)
        except Conflict as error:
            hint = "`--change` gives it these settings; what it recorded stays with it"
            raise Conflict(str(error), hint=hint) from None


async def _reseal(place: CatalogAddress, layout: Layout) -> int:
    async with open_catalog(place, layout) as catalog:
        return await catalog.inventory.reseal()


async def _remove(place: CatalogAddress, layout: Layout, camera: str) -> Camera:
    async with open_catalog(place, layout) as catalog:
        return await catalog.inventory.remove(camera)


def _checked(option: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _source_name(text: str) -> SourceName:
    if text == "libav":
        return "libav"
    if text == "rtsp":
        return "rtsp"
    raise ValueError("must be rtsp or libav")


def _way(text: str) -> Way:
    if text == "udp":
        return "udp"
    if text == "tcp":
        return "tcp"
    raise ValueError("must be tcp or udp")


def _with_login(url: str, username: str | None, source: str) -> CameraUrl:
    """The URL with its login. A password on the command line would show in every process list."""
    camera = CameraUrl.parse(url)
    problem = source_problem(source, camera.scheme)
    if problem:
        raise UsageError(f"camera URL: {problem}", hint="`--source libav` is for odd devices; use rtsp for others")
    if username is None:
        return camera
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None:
        password = typer.prompt("Password", hide_input=True, err=True)
    return camera.with_credentials(username, password)


def _as_json(camera: Camera) -> dict[str, object]:
    return {
        "id": str(camera.id),
        "name": camera.name,
        "site": camera.site,
        "url": str(camera.url),
        "policy": camera.policy,
        "origin": camera.origin,
        "enabled": camera.enabled,
    }


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="The cameras of the catalog.", no_args_is_help=True)
    for name, function in (("list", list_cameras), ("add", add), ("remove", remove), ("test", probe_camera)):
        command(group, function, name)
    command(group, reseal)
    app.add_typer(group, name="cameras")
