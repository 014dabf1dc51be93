"""`hulta storm`: simulated cameras, the whole product, faults and kills, and a verdict."""

from __future__ import annotations

import math
import os
import random
import signal
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from media.errors import HultaError
from server.cli_frame import FAILED, USAGE, command, err, out
from server.storm_plan import make_plan
from storm.page import to_html
from storm.rig import run_storm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

NO_VERDICT = USAGE
"""The question could not be answered: a wrong one, or a storm that could not be carried out."""

LEAST_MINUTES, MOST_MINUTES = 0.1, 24 * 60


def storm(
    fleet: Annotated[
        Path, typer.Option(help="Simulate and record every camera of this configuration.", metavar="FILE")
    ],
    script: Annotated[Path, typer.Option(help="What goes wrong, and when.", metavar="FILE")],
    minutes: Annotated[str, typer.Option(help="How long; the script has to fit. Required.", metavar="M")] = "",
    cameras: Annotated[int | None, typer.Option(min=1, help="Only so many, the first of the fleet.")] = None,
    servers: Annotated[
        Path | None,
        typer.Option(help="An empty object store and database to record into: `store` and `catalog`.", metavar="FILE"),
    ] = None,
    spool_disk: Annotated[
        int | None, typer.Option(min=32, help="A small disk for the spool, for `disk-full`. Needs root.", metavar="MB")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same faults. Drawn if not given.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="A new directory to work in, kept; otherwise a temporary one.", metavar="DIR")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the verdict there, too.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="And as a page with plots.", metavar="FILE")] = None,
) -> None:
    """Prove on this host that no frame is lost silently, whatever goes wrong.

    Exit 0: nothing was broken; 1: violations; 2: no verdict.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # what was started is not in this terminal and would outlive it
        signal.signal(number, _interrupt)
    with _or_no_verdict():
        seconds = _seconds(minutes)
        where = _new_directory(data) if data is not None else None
        for option, path in {"--json": json, "--html": html}.items():
            _require_writable(option, path)
        with tempfile.TemporaryDirectory(prefix="hulta-storm-", ignore_cleanup_errors=True) as scratch:
            plan = make_plan(
                fleet=fleet,
                script=script,
                seconds=seconds,
                seed=random.SystemRandom().randrange(1 << 32) if seed is None else seed,
                data=where or Path(scratch),
                cameras=cameras,
                servers=servers,
                spool_disk_mb=spool_disk or 0,
            )
            result = run_storm(plan, say=lambda line: out.print(line, markup=False))
    try:
        out.print(str(result), markup=False)
    finally:  # also when nobody reads what is printed
        _write("--json", json, result.to_json)
        _write("--html", html, lambda: to_html(result))
    raise typer.Exit(0 if result.passed else FAILED)


@contextmanager
def _or_no_verdict() -> Iterator[None]:
    """Whatever prevents a verdict ends with a sentence and exit 2: 1 says that promises were broken."""
    try:
        yield
    except HultaError as error:
        _give_up(str(error), error.hint)
    except KeyboardInterrupt:
        _give_up("interrupted")
    except OSError as error:  # the disk, most likely
        _give_up(f"{error.filename or '--data'}: {error.strerror or type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - a defect, whatever it is, is no violation either
        err.print(traceback.format_exc(), markup=False)
        _give_up(f"{type(error).__name__}: {error}")


def _give_up(why: str, hint: str = "") -> NoReturn:
    err.print(f"no verdict: {why}", style="red", markup=False)
    if hint:
        err.print(f"hint: {hint}", markup=False)
    raise typer.Exit(NO_VERDICT) from None


def _seconds(minutes: str) -> int:
    """How long the storm lasts; whoever gave none, or no number, is told what to give."""
    try:
        number = float(minutes)
    except ValueError:
        number = math.nan  # within no bounds
    if not LEAST_MINUTES <= number <= MOST_MINUTES:
        raise HultaError(f"--minutes: give a number from {LEAST_MINUTES} to {MOST_MINUTES}, such as 10")
    return round(number * 60)


def _write(option: str, path: Path | None, text: Callable[[], str]) -> None:
    """The verdict stands, written or not."""
    if path is not None:
        try:
            path.write_text(text(), encoding="utf-8")
        except OSError as error:
            err.print(f"error: {_because(option, path, error)}", style="red", markup=False)


def _require_writable(option: str, path: Path | None) -> None:
    """Before the storm, whose verdict would be lost. Nothing is left behind; a pipe or a device is left alone."""
    if path is None:
        return
    try:
        exists = path.exists()
        if not exists or path.is_file() or path.is_dir():
            path.open("a", encoding="utf-8").close()
        if not exists:
            path.unlink()
    except OSError as error:
        raise HultaError(_because(option, path, error)) from None


def _new_directory(path: Path) -> Path:
    """Its logs are what is judged: those of an earlier storm must not be in it."""
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise HultaError(f"--data {path}: a storm needs a new or empty directory")
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HultaError(_because("--data", path, error)) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise HultaError(f"--data {path}: may not be written")
    return path.resolve()


def _because(option: str, path: Path, error: OSError) -> str:
    return f"{option} {path}: {error.strerror or type(error).__name__}"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, storm)
