"""`hulta storm`: simulated cameras, the whole product, faults and kills, and a verdict."""

from __future__ import annotations

import random
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media.errors import HultaError
from server.cli_frame import FAILED, USAGE, command, err, out
from server.storm_plan import make_plan
from storm.page import to_html
from storm.rig import run_storm

if TYPE_CHECKING:
    from types import FrameType

    from storm.result import Result

NO_VERDICT = USAGE
"""The question could not be answered: a wrong one, or a storm that could not be carried out."""

MOST_MINUTES = 24 * 60


def storm(
    fleet: Annotated[
        Path, typer.Option(help="Simulate and record every camera of this configuration.", metavar="FILE")
    ],
    minutes: Annotated[float, typer.Option(min=0.1, max=MOST_MINUTES, help="How long; the script has to fit.")],
    script: Annotated[Path, typer.Option(help="What goes wrong, and when.", metavar="FILE")],
    cameras: Annotated[int | None, typer.Option(min=1, help="Only so many, the first of the fleet.")] = None,
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
    try:
        with tempfile.TemporaryDirectory(prefix="hulta-storm-") as scratch:
            plan = make_plan(
                fleet=fleet,
                script=script,
                seconds=round(minutes * 60),
                seed=random.SystemRandom().randrange(1 << 32) if seed is None else seed,
                data=_new_directory(data) if data is not None else Path(scratch),
                cameras=cameras,
            )
            result = run_storm(plan, say=lambda line: out.print(line, markup=False))
            _report(result, json, html)
    except HultaError as error:
        err.print(f"no verdict: {error}", style="red", markup=False)
        if error.hint:
            err.print(f"hint: {error.hint}", markup=False)
        raise typer.Exit(NO_VERDICT) from None
    except KeyboardInterrupt:
        err.print("no verdict: interrupted", style="red", markup=False)
        raise typer.Exit(NO_VERDICT) from None
    raise typer.Exit(0 if result.passed else FAILED)


def _report(result: Result, json: Path | None, html: Path | None) -> None:
    if json is not None:
        json.write_text(result.to_json(), encoding="utf-8")
    if html is not None:
        html.write_text(to_html(result), encoding="utf-8")
    out.print(str(result), markup=False)


def _new_directory(path: Path) -> Path:
    """Its logs are what is judged: those of an earlier storm must not be in it."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise HultaError(f"{path}: a storm needs a new or empty directory")
    return path.resolve()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, storm)
