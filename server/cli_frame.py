"""What every command has: where its configuration and data are, how it fails, how it speaks."""

from __future__ import annotations

import functools
import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from media.errors import HultaError, NoFootage, NotFound, UsageError
from server.log import scrub
from server.settings import Settings, read_settings, read_tables
from storage.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FAILED, USAGE, NOT_FOUND, NOTHING_IN_RANGE = 1, 2, 3, 4
DEFAULT_CONFIG = Path("hulta.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="HULTA_CONFIG", help="Configuration file; ./hulta.yaml if there is one.", metavar="FILE"
    ),
]
DataOption = Annotated[
    Path, typer.Option("--data", envvar="HULTA_DATA", help="Data directory.", metavar="DIR", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DEFAULT_DATA = Path("hulta-data")

WIDE = 500  # columns for pipes and files: no id or instant is ever cut for a program

UNREAD = 128 + signal.SIGPIPE
"""The exit when nobody reads on (`hulta ... | head -3`): a shell's for a program that SIGPIPE has ended."""


class Answers(Console):
    """What is printed for people and programs, as long as somebody reads it."""

    def on_broken_pipe(self) -> NoReturn:
        """End without a word: whoever read has seen enough. Nothing is left for Python to write at its end."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(UNREAD)


out = Answers(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def new_table(*columns: str) -> Table:
    """A table without lines; a row is a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def words_of_others(text: str) -> str:
    """What a camera may have said, for a cell of a table: no markup, and nothing that a terminal obeys."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))


def command(app: typer.Typer, function: Callable[..., Any], name: str | None = None) -> None:
    """Register a command whose errors are sentences."""
    app.command(name)(_speaking_plainly(function))


def _speaking_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except HultaError as error:
            fail(error)
        except OSError as error:  # the disk, a directory that may not be written: the user's to mend
            if isinstance(error, BrokenPipeError) and _is_unread():
                out.on_broken_pipe()
            where = f"{error.filename}: " if error.filename else ""
            fail(HultaError(f"{where}{error.strerror or type(error).__name__}"))
        except KeyboardInterrupt:
            raise typer.Exit(FAILED) from None

    return run


def _is_unread() -> bool:
    """Whether it is the standard output that nobody reads, not a connection to somebody else."""
    found = select.poll()
    found.register(1, 0)
    return any(events & select.POLLERR for _, events in found.poll(0))


def fail(error: HultaError) -> None:
    """Print a sentence and end with the exit code that belongs to the error."""
    err.print(f"error: {scrub(str(error))}", style="red", markup=False)
    if error.hint:
        err.print(f"hint: {scrub(error.hint)}", markup=False)
    raise typer.Exit(exit_code(error)) from None


def exit_code(error: HultaError) -> int:
    """The exits of the command line's contract, by kind of error."""
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, NotFound):
        return NOT_FOUND
    return NOTHING_IN_RANGE if isinstance(error, NoFootage) else FAILED


def load_settings(config: Path | None) -> Settings:
    """The configuration asked for, ./hulta.yaml if there is one, or defaults."""
    if config is not None:
        return read_settings(config)
    return read_settings(DEFAULT_CONFIG) if DEFAULT_CONFIG.exists() else Settings()


def load_host(config: Path | None) -> Settings:
    """As `load_settings`, for commands that only ask: what a password's `${VAR}` stands for is not their business."""
    return _load_tables(config, {"host"})


def load_places(config: Path | None) -> Settings:
    """The same for commands that open catalog, object store or spool themselves."""
    return _load_tables(config, {"host", "catalog", "store", "spool"})


def _load_tables(config: Path | None, names: Collection[str]) -> Settings:
    if config is not None:
        return read_tables(config, names)
    return read_tables(DEFAULT_CONFIG, names) if DEFAULT_CONFIG.exists() else Settings()


def open_data(data: Path) -> Layout:
    """The data directory, created for its owner alone if it is new."""
    if data.exists() and not data.is_dir():
        raise HultaError(f"{data}: a data directory is needed, and this is none")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout = Layout(data.resolve())
    layout.socket("x").parent.mkdir(mode=0o700, exist_ok=True)
    if not os.access(data, os.W_OK | os.X_OK):
        raise HultaError(f"{data}: the data directory may not be written")
    return layout


def existing_data(data: Path) -> Layout:
    """The data directory of a server that has run. NotFound otherwise."""
    layout = Layout(data.resolve())
    if not layout.socket("x").parent.is_dir() and not layout.catalog.exists():  # nothing may be created by a question
        raise NotFound(f"{data}: there is no data directory here", hint="name it with --data or HULTA_DATA")
    return layout
