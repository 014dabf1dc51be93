"""`hulta run` and its roles one by one, and `hulta demo`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server import demonstration
from server import log as logging
from server.announcer import Announcer
from server.assigner import Assigner
from server.cli_frame import DEFAULT_DATA, ConfigOption, DataOption, command, err, load_settings, open_data, out
from server.quantities import ListenAddress
from server.role import Surroundings, run_role
from server.spool_access import disk_warnings, with_disks
from server.supervisor import Companion, role_plans, supervise
from storage.clock import HostClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.child import ChildPlan
    from server.settings import Settings
    from storage.clock import Clock
    from storage.layout import Layout


def run(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Record, ship, keep and serve: everything, supervised."""
    settings = load_settings(config)
    layout = with_disks(open_data(data), settings)
    clock = HostClock()
    _supervise(settings, layout, clock, Assigner(settings=settings, data=layout, clock=clock))


def demo(
    cameras: Annotated[int, typer.Option(min=1, max=200, help="How many simulated cameras.")] = 4,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page.")] = 8080,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Try it: simulated cameras, recorded, and the page."""
    os.environ.setdefault(logging.LEVEL_VARIABLE, "warning")
    layout = open_data(data)
    clock = HostClock()
    rtsp_port = demonstration.free_port()
    settings = demonstration.settings(cameras=cameras, rtsp_port=rtsp_port, listen=ListenAddress("127.0.0.1", port))
    assigner = Assigner(settings=settings, data=layout, clock=clock)
    simulator = demonstration.cameras_plan(cameras, rtsp_port)
    out.print(f"Starting {cameras} simulated cameras; their footage is kept for a day in {layout.root}", markup=False)
    _supervise(settings, layout, clock, demonstration.CamerasFirst(assigner, rtsp_port, clock), simulator)


def record(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Record the assigned streams into the spool."""
    _alone("record", config, data)


def ship(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Bring sealed segments from the spool to the object store."""
    _alone("ship", config, data)


def keep(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Delete what has been kept for as long as its policy allows."""
    _alone("keep", config, data)


def serve(config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Serve the API and the page."""
    _alone("serve", config, data)


def _supervise(settings: Settings, layout: Layout, clock: Clock, assigner: Companion, *extra: ChildPlan) -> None:
    logging.configure("supervisor")
    _warn_about_disk(settings, layout)

    def plan() -> tuple[Sequence[ChildPlan], Sequence[Companion]]:
        announcer = Announcer(open_to_all=settings.host.listen.loopback, data=layout, clock=clock)
        return [*role_plans(settings, layout), *extra], (assigner, announcer)

    asyncio.run(supervise(data=layout, clock=clock, plan=plan))


def _alone(name: str, config: Path | None, data: Path) -> None:
    settings = load_settings(config)
    layout = with_disks(open_data(data), settings)
    logging.configure(name)
    if name == "record":
        _warn_about_disk(settings, layout)
    run_role(name, Surroundings(settings=settings, data=layout, clock=HostClock()))


def _warn_about_disk(settings: Settings, layout: Layout) -> None:
    """What can be said before anything starts. Whose disk it is, `record` and `ship` say; the others need it not."""
    for warning in disk_warnings(settings, layout):
        err.print(f"warning: {warning}", style="yellow", markup=False)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for function in (demo, run, record, ship, keep, serve):
        command(app, function)
