"""`hulta spool`: whose disk the spool is on, and accepting another one."""

from __future__ import annotations

from contextlib import ExitStack

import typer

from media.errors import SpoolError
from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, command, load_host, open_data, out
from server.role_lock import RoleLock
from storage import spool_identity
from storage.spool_ownership import accept_disk


def show(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Which disk the spool is on."""
    load_host(config)
    layout = open_data(data)
    found = spool_identity.read_identity(layout.spool)
    if found is None:
        raise SpoolError(f"{layout.spool}: no disk of a spool is there")
    host = f" of host {found.host}" if found.host else ""
    out.print(
        f"{layout.spool}: disk {found.disk}{host}, generation {found.generation}, installation {found.installation}",
        markup=False,
    )


def accept(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Take the disk that is mounted at the spool for this installation's own, with all footage on it.

    For a new disk in the place of a lost one, one that was moved here for good, or a host with a new name.
    """
    settings = load_host(config)
    layout = open_data(data)
    with ExitStack() as locks:
        for role in ("record", "ship"):  # neither may be in the midst of using it
            locks.enter_context(RoleLock.take(layout.lock(role)))
        identity = accept_disk(layout, layout.spool, settings.host.given_name)
    out.print(f"{layout.spool}: disk {identity.disk} is this installation's own now", markup=False)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="The disk of the spool.", no_args_is_help=True)
    for name, function in (("show", show), ("accept", accept)):
        command(group, function, name)
    app.add_typer(group, name="spool")
