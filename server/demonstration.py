"""What `hulta demo` shows: simulated cameras of one invented site, kept for a day."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from server import parent
from server.child import ChildPlan
from server.settings import Settings
from server.supervisor import this_program

if TYPE_CHECKING:
    from server.quantities import ListenAddress

SITE = "demo"


def settings(*, cameras: int, rtsp_port: int, listen: ListenAddress) -> Settings:
    """The configuration of a demonstration, as if it had been read from a file."""
    entries = [
        {"name": f"demo-{number:04}", "url": f"rtsp://127.0.0.1:{rtsp_port}/cam/{number:04}", "policy": SITE}
        for number in range(1, cameras + 1)
    ]
    return Settings.model_validate(
        {
            "host": {"name": "demo", "listen": str(listen)},
            "spool": {"accept_loss": True},
            "policies": {SITE: {"keep_max": "1d", "purpose": "demonstration"}},
            "sites": [{"name": SITE, "networks": ["127.0.0.0/8"], "cameras": entries}],
        }
    )


def cameras_plan(cameras: int, rtsp_port: int) -> ChildPlan:
    """The simulated cameras as one more child of the supervisor."""
    return ChildPlan(
        name="simulate",
        command=(*this_program(), "simulate", "--cameras", str(cameras), "--port", str(rtsp_port)),
        answers_at=None,
        quiet=True,
        environment={parent.PARENT_VARIABLE: str(os.getpid())},
    )


def free_port() -> int:
    """A port of loopback that is free now; the simulated cameras keep it across their restarts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
