"""`hulta spool`: whose disks the spools are on, and accepting another one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from media.errors import ConfigError, SpoolError
from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, command, load_places, open_data, out
from server.role_lock import RoleLock
from server.spool_access import spools_to_read, with_disks
from storage import spool_identity
from storage.spool_ownership import accept_disk, retired_spools

WhichArgument = Annotated[Path | None, typer.Argument(help="The spool, where there are several.")]


def show(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Which disk each spool is on."""
    layout = with_disks(open_data(data), load_places(config))
    spools = spools_to_read(layout)
    retired = retired_spools(layout, spools)
    for spool in spools:
        found = spool_identity.read_identity(spool)
        if found is None and len(spools) == 1:
            raise SpoolError(f"{spool}: no disk of a spool is there")
        out.print(f"{spool}: {_words(found)}", markup=False)
        if spool in retired:
            out.print(f"{spool}: not recorded on any more, as it failed: {retired[spool]}", markup=False)
        elif spool not in layout.spools:
            out.print(f"{spool}: not recorded on any more; what is left there is shipped", markup=False)


def accept(which: WhichArgument = None, config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Take the disk that is mounted at the spool for this installation's own, with all footage on it.

    For a new disk in the place of a lost one, one that was moved here for good, a host with a new name, or one that
    failed and is to be recorded on again.
    """
    settings = load_places(config)
    layout = with_disks(open_data(data), settings)
    spool = _meant(layout.spools, which)
    with ExitStack() as locks:
        for role in ("record", "ship"):  # neither may be in the midst of using it
            locks.enter_context(RoleLock.take(layout.lock(role)))
        identity = accept_disk(layout, spool, settings.host.given_name)
    out.print(f"{spool}: disk {identity.disk} is this installation's own now", markup=False)


def _meant(spools: tuple[Path, ...], which: Path | None) -> Path:
    if which is None and len(spools) == 1:
        return spools[0]
    if which is not None and which.absolute() in spools:
        return which.absolute()
    raise ConfigError(f"which spool? {', '.join(map(str, spools))}", hint="name one of them: hulta spool accept PATH")


def _words(found: spool_identity.SpoolIdentity | None) -> str:
    if found is None:
        return "no disk of a spool is there"
    host = f" of host {found.host}" if found.host else ""
    return f"disk {found.disk}{host}, generation {found.generation}, installation {found.installation}"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="The disks of the spools.", no_args_is_help=True)
    for name, function in (("show", show), ("accept", accept)):
        command(group, function, name)
    app.add_typer(group, name="spool")
