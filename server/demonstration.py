"""What `hulta demo` shows: simulated cameras of one invented site, kept for a day."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from server import parent
from server.child import ChildPlan
from server.settings import Settings
from server.supervisor import this_program
from storage.waiting import pause

if TYPE_CHECKING:
    from server.quantities import ListenAddress
    from server.supervisor import Companion
    from storage.clock import Clock

SITE = "demo"
LOOK_S = 0.1


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


class CamerasFirst:
    """Lets the simulated cameras come up before anybody is told to record them: a refusal would cost seconds."""

    def __init__(self, companion: Companion, rtsp_port: int, clock: Clock) -> None:
        self._companion = companion
        self._port = rtsp_port
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for the cameras, then do what the companion does."""
        while not stop.is_set() and not await self._up():
            await pause(self._clock, LOOK_S, stop)
        await self._companion.run(stop)

    async def _up(self) -> bool:
        try:
            _reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True


def free_port() -> int:
    """A port of loopback that is free now; the simulated cameras keep it across their restarts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
