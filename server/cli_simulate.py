"""`hulta simulate`: cameras for trying and testing, on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli_frame import command
from simulator import Credentials, SimulatorOptions
from simulator import run as run_simulator
from simulator.options import parse_bitrate, parse_duration_us


def simulate(
    cameras: Annotated[int, typer.Option(help="How many cameras.")] = 1,
    port: Annotated[int, typer.Option(help="RTSP port; 0 takes a free one.")] = 8554,
    bitrate: Annotated[str, typer.Option(help="Bit rate of each camera.")] = "4M",
    fps: Annotated[int, typer.Option(help="Frames per second.")] = 25,
    gop: Annotated[str, typer.Option(help="Distance of sync samples, such as 1s.")] = "1s",
    file: Annotated[
        Path | None, typer.Option(help="Loop the frames of this H.264 file instead.", metavar="FILE")
    ] = None,
    oracle: Annotated[bool, typer.Option("--oracle", help="Add the oracle mark to the frames of --file.")] = False,
    username: Annotated[str | None, typer.Option(help="Ask for this user.")] = None,
    password: Annotated[
        str | None, typer.Option(envvar="HULTA_SIMULATE_PASSWORD", help="And for this password.", show_envvar=True)
    ] = None,
    sent_log: Annotated[Path | None, typer.Option(help="Write what was sent to this file.", metavar="FILE")] = None,
) -> None:
    """Serve simulated cameras; print one URL a line."""
    credentials = Credentials(username=username, password=password or "") if username is not None else None
    options = SimulatorOptions(
        cameras=cameras,
        port=port,
        bitrate_bps=parse_bitrate(bitrate),
        fps=fps,
        gop_us=parse_duration_us(gop),
        file=file,
        oracle=oracle,
        credentials=credentials,
        sent_log=sent_log,
    )
    run_simulator(options, lambda url: print(url, flush=True))  # noqa: T201 - the URLs are the command's answer


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, simulate)
