"""`hulta simulate`: cameras for trying and testing, on loopback."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media.errors import ConfigError
from server.city import read_fleet
from server.cli_frame import command
from server.cue import line_on_stdin
from server.fault_script import read_script
from simulator import Credentials, SimulatorOptions
from simulator import run as run_simulator
from simulator.codecs import CODECS, find_codec
from simulator.options import Kind, parse_bitrate, parse_duration_us
from simulator.script import parse_flag
from simulator.sound import SOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD_VARIABLE = "HULTA_SIMULATE_PASSWORD"  # noqa: S105 - its name


def simulate(
    cameras: Annotated[int | None, typer.Option(help="How many cameras that are alike; 1 by default.")] = None,
    fleet: Annotated[
        Path | None, typer.Option(help="Serve every camera of this configuration.", metavar="FILE")
    ] = None,
    port: Annotated[int, typer.Option(help="RTSP port; 0 takes a free one.")] = 8554,
    bitrate: Annotated[str | None, typer.Option(help="Bit rate of each camera; 4M by default.")] = None,
    fps: Annotated[int | None, typer.Option(help="Frames per second; 25 by default.")] = None,
    gop: Annotated[str | None, typer.Option(help="Distance of sync samples; 1s by default.")] = None,
    codec: Annotated[str | None, typer.Option(help=f"{', '.join(CODECS)}; h264 by default.")] = None,
    audio: Annotated[str | None, typer.Option(help=f"Sound: {', '.join(SOUNDS)}; none by default.")] = None,
    file: Annotated[Path | None, typer.Option(help="Loop the frames of this file instead.", metavar="FILE")] = None,
    oracle: Annotated[bool, typer.Option("--oracle", help="Add the oracle mark to the frames of --file.")] = False,
    username: Annotated[str | None, typer.Option(help="Ask for this user.")] = None,
    password: Annotated[
        str | None, typer.Option(envvar=PASSWORD_VARIABLE, help="And for this password.", show_envvar=True)
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
    alike = {"--cameras": cameras, "--bitrate": bitrate, "--fps": fps, "--gop": gop, "--codec": codec, "--audio": audio}
    given = [name for name, value in alike.items() if value is not None]
    if fleet is not None and given:
        raise ConfigError(f"--fleet says itself what {given[0]} would say; leave one of them out")
    if wait and script is None:
        raise ConfigError("--wait is about --script, which is not given")
    if file is not None and codec is not None:
        raise ConfigError("--file has a codec of its own; leave --codec out")
    kind = _kind(bitrate, fps, gop, codec)
    options = SimulatorOptions(
        cameras=cameras if cameras is not None else 1,
        fleet=read_fleet(fleet) if fleet is not None else (),
        port=port,
        bitrate_bps=kind.bitrate_bps,
        fps=kind.fps,
        gop_us=kind.gop_us,
        codec=kind.codec,
        audio=audio or "",
        seed=seed,
        file=file,
        oracle=oracle,
        credentials=_credentials(username, password),
        sent_log=sent_log,
        faults=tuple(parse_flag(text) for text in fault or ()),
        script=read_script(script) if script is not None else None,
        fault_log=fault_log,
    )
    # The URLs are the command's answer.
    run_simulator(options, lambda url: print(url, flush=True), line_on_stdin if wait else None)  # noqa: T201


def _kind(bitrate: str | None, fps: int | None, gop: str | None, codec: str | None) -> Kind:
    """What cameras that are alike send. ConfigError names the option that is wrong."""
    kind = Kind()
    with _about("--fps"):
        kind = Kind(fps=kind.fps if fps is None else fps)
    with _about("--bitrate"):
        kind = replace(kind, bitrate_bps=kind.bitrate_bps if bitrate is None else parse_bitrate(bitrate))
    with _about("--gop"):
        kind = replace(kind, gop_us=kind.gop_us if gop is None else parse_duration_us(gop))
    with _about("--codec"):
        return kind if codec is None else replace(kind, codec=find_codec(codec).name)


def _credentials(username: str | None, password: str | None) -> Credentials | None:
    """The login that is asked for; ConfigError if half of it is missing."""
    if username is None:
        if password not in {None, os.environ.get(PASSWORD_VARIABLE)}:  # that one may be meant for another simulator
            raise ConfigError("--username is missing: --password is nothing without it")
        return None
    if password is None:
        raise ConfigError(f"--password (or {PASSWORD_VARIABLE}) is missing: --username is nothing without it")
    return Credentials(username=username, password=password)


@contextmanager
def _about(option: str) -> Iterator[None]:
    """Puts the option before the message of an error."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from None


def register(app: typer.Typer) -> None:
    """Add this command."""
    command(app, simulate)
