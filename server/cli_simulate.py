"""`hulta simulate`: cameras for trying and testing, on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from media.errors import ConfigError
from server.city import read_fleet
from server.cli_frame import command
from server.cue import line_on_stdin
from server.fault_script import read_script
from simulator import Credentials, SimulatorOptions
from simulator import run as run_simulator
from simulator.options import parse_bitrate, parse_duration_us
from simulator.script import parse_flag


def simulate(
    cameras: Annotated[int | None, typer.Option(help="How many cameras that are alike; 1 by default.")] = None,
    fleet: Annotated[
        Path | None, typer.Option(help="Serve every camera of this configuration.", metavar="FILE")
    ] = None,
    port: Annotated[int, typer.Option(help="RTSP port; 0 takes a free one.")] = 8554,
    bitrate: Annotated[str | None, typer.Option(help="Bit rate of each camera; 4M by default.")] = None,
    fps: Annotated[int | None, typer.Option(help="Frames per second; 25 by default.")] = None,
    gop: Annotated[str | None, typer.Option(help="Distance of sync samples; 1s by default.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Loop the frames of this H.264 file instead.", metavar="FILE")
    ] = None,
    oracle: Annotated[bool, typer.Option("--oracle", help="Add the oracle mark to the frames of --file.")] = False,
    username: Annotated[str | None, typer.Option(help="Ask for this user.")] = None,
    password: Annotated[
        str | None, typer.Option(envvar="HULTA_SIMULATE_PASSWORD", help="And for this password.", show_envvar=True)
    ] = None,
    seed: Annotated[int, typer.Option(help="Where everything that looks random comes from.")] = 0,
    sent_log: Annotated[Path | None, typer.Option(help="Write what was sent to this file.", metavar="FILE")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="What is wrong, such as loss,percent=2@norrby-*. Repeatable.", metavar="NAME[,KEY=VALUE][@WHO]"
        ),
    ] = None,
    script: Annotated[Path | None, typer.Option(help="Faults on a time line.", metavar="FILE")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Begin the script at a line on standard input.")] = False,
    fault_log: Annotated[Path | None, typer.Option(help="Write what was wrong when.", metavar="FILE")] = None,
) -> None:
    """Serve simulated cameras; print one URL a line."""
    credentials = Credentials(username=username, password=password or "") if username is not None else None
    alike = {"--cameras": cameras, "--bitrate": bitrate, "--fps": fps, "--gop": gop}
    given = [name for name, value in alike.items() if value is not None]
    if fleet is not None and given:
        raise ConfigError(f"--fleet says itself what {given[0]} would say; leave one of them out")
    if wait and script is None:
        raise ConfigError("--wait is about --script, which is not given")
    options = SimulatorOptions(
        cameras=cameras if cameras is not None else 1,
        fleet=read_fleet(fleet) if fleet is not None else (),
        port=port,
        bitrate_bps=parse_bitrate(bitrate or "4M"),
        fps=fps if fps is not None else 25,
        gop_us=parse_duration_us(gop or "1s"),
        seed=seed,
        file=file,
        oracle=oracle,
        credentials=credentials,
        sent_log=sent_log,
        faults=tuple(parse_flag(text) for text in fault or ()),
        script=read_script(script) if script is not None else None,
        fault_log=fault_log,
    )
    # The URLs are the command's answer.
    run_simulator(options, lambda url: print(url, flush=True), line_on_stdin if wait else None)  # noqa: T201


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, simulate)
