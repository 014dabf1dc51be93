"""The command line: `hulta COMMAND`. Each group of commands has a module of its own; here they come together.

Only the module of the command that was given is imported: a supervisor that is started again after a kill is back half
a second sooner without the other commands' libraries.

Exits: 0 done, 1 failed, 2 usage, 3 not found, 4 nothing in range.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULES = {
    "cli_run": ("demo", "run", "record", "ship", "keep", "serve"),
    "cli_simulate": ("simulate",),
    "cli_storm": ("storm",),
    "cli_config": ("config", "apply"),
    "cli_cameras": ("cameras",),
    "cli_status": ("status",),
    "cli_footage": ("footage",),
    "cli_export": ("export",),
    "cli_check": ("check",),
    "cli_verify": ("verify",),
    "cli_catalog": ("catalog",),
    "cli_spool": ("spool",),
    "cli_store": ("store",),
}


def build(words: Sequence[str] = ()) -> typer.Typer:
    """The application, complete or as far as a command line needs it."""
    app = typer.Typer(
        name="hulta",
        help="A recording server for a city's cameras.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_nothing)  # with a single command typer would otherwise drop its name
    wanted = [module for module, commands in MODULES.items() if words and words[0] in commands]
    for module in wanted or MODULES:
        importlib.import_module(f"server.{module}").register(app)
    return app


def _nothing() -> None:
    """A recording server for a city's cameras."""
