"""The command line: `hulta COMMAND`. Each group of commands has a module of its own; here they come together.

Exits: 0 done, 1 failed, 2 usage, 3 not found, 4 nothing in range.
"""

from __future__ import annotations

import typer

from server import cli_cameras, cli_check, cli_config, cli_export, cli_footage, cli_run, cli_simulate, cli_status
from server.cli_frame import command

app = typer.Typer(
    name="hulta",
    help="A recording server for a city's cameras.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for function in (cli_run.demo, cli_run.run, cli_run.record, cli_run.ship, cli_run.keep, cli_run.serve):
    command(app, function)
command(app, cli_simulate.simulate)
command(app, cli_config.apply)
app.add_typer(cli_config.app, name="config")
app.add_typer(cli_cameras.app, name="cameras")
command(app, cli_status.status)
command(app, cli_footage.footage)
command(app, cli_export.export)
command(app, cli_check.check)
