"""The listening socket in front of all simulated cameras."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from media.errors import ConfigError
from simulator.connection import RtspConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.camera import Camera
    from simulator.clock import CameraClock
    from simulator.options import SimulatorOptions

_BACKLOG = 1024
"""A whole city reconnects at once."""


class RtspServer:
    """Accepts connections. What all of them share is here: the cameras by name, and who is connected."""

    def __init__(self, options: SimulatorOptions, cameras: Mapping[str, Camera], clock: CameraClock) -> None:
        self.options = options
        self.cameras = cameras
        self.connections: set[RtspConnection] = set()
        self.port = options.port
        self._clock = clock
        self._last_session = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; `port` is then the real one. ConfigError if that is impossible."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: RtspConnection(self), self.options.host, self.options.port, backlog=_BACKLOG
            )
        except OSError as error:
            address = f"{self.options.host}:{self.options.port}"
            raise ConfigError(f"simulator port: cannot listen on {address}: {error.strerror}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    def next_session(self) -> int:
        """A number that rises with every session, across restarts too: the camera's time in microseconds."""
        self._last_session = max(self._last_session + 1, self._clock.wall_us())
        return self._last_session

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
            for connection in tuple(self.connections):
                connection.abort()
            await self._server.wait_closed()
