"""The RTSP side of all simulated cameras: the doors they listen behind, and who is connected.

Cameras that are alike and only numbered share one address. Each camera of a fleet has a loopback address of its own, so
that one of them can really refuse a connection while its neighbours do not.
"""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

from media.errors import ConfigError
from simulator.connection import RtspConnection
from simulator.door import Door, loopback_address
from simulator.rtp_stream import RtpStream
from simulator.seed import chance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from simulator.camera import Camera
    from simulator.clock import CameraClock
    from simulator.options import SimulatorOptions

_PORT_TRIES = 20
"""A port that is free on one address may be taken on another."""


class RtspServer:
    """Accepts connections. What all of them share is here."""

    def __init__(self, options: SimulatorOptions, cameras: Mapping[str, Camera], clock: CameraClock) -> None:
        self.options = options
        self.cameras = cameras
        self.connections: set[RtspConnection] = set()
        self._deserted = asyncio.Event()
        self._clock = clock
        self._last_session = 0
        self._sessions: Counter[str] = Counter()
        self._doors = {name: door for door in self._make_doors() for name in door.names}

    @property
    def urls(self) -> dict[str, str]:
        """The RTSP URL of each camera by its name, without credentials. Only right while it listens."""
        return {name: _url(self._doors[name], name) for name in self.cameras}

    async def start(self) -> None:
        """Listen everywhere. ConfigError if that is impossible."""
        doors = tuple(dict.fromkeys(self._doors.values()))
        for _ in range(_PORT_TRIES):
            if await self._open(doors):
                return
        raise ConfigError(f"simulator port: no port is free on all of {len(doors)} addresses")

    async def _open(self, doors: Sequence[Door]) -> bool:
        """Open all on one port; False if a free one that was chosen for the first is taken on another address."""
        port = self.options.port
        for door in doors:
            try:
                await door.open(port)
            except OSError as error:
                for opened in doors:
                    opened.close()
                if self.options.port or error.errno != errno.EADDRINUSE:
                    where = f"{door.host}:{port}"
                    raise ConfigError(f"simulator port: cannot listen on {where}: {error.strerror}") from error
                return False
            port = door.port
        return True

    def shut(self, name: str) -> None:
        """Refuse connections to a camera from now on; who is connected stays."""
        self._doors[name].shut(name)

    async def reopen(self, name: str) -> None:
        """Let them come again."""
        await self._doors[name].reopen(name)

    def connections_of(self, name: str) -> list[RtspConnection]:
        """Who is connected to a camera: by its address or, where that is shared, by what was asked for."""
        return [connection for connection in self.connections if connection.camera_name == name]

    def next_session(self) -> int:
        """A number that rises with every session, across restarts too: the camera's time in microseconds."""
        self._last_session = max(self._last_session + 1, self._clock.wall_us())
        return self._last_session

    def next_stream(self, name: str) -> RtpStream:
        """The RTP numbers of a camera's next session: others each time, the same for the same seed."""
        self._sessions[name] += 1
        return RtpStream(chance(self.options.seed, name, "session", self._sessions[name]))

    def sound_stream(self, name: str, payload_type: int) -> RtpStream:
        """Those of the sound of the session that began last."""
        return RtpStream(chance(self.options.seed, name, "sound of session", self._sessions[name]), payload_type)

    def left(self, connection: RtspConnection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._deserted.set()

    async def close(self) -> None:
        """Stop listening and hang up."""
        for door in self._doors.values():
            door.close()
        for connection in tuple(self.connections):
            connection.abort()
        while self.connections:
            self._deserted.clear()
            await self._deserted.wait()

    def _make_doors(self) -> Iterator[Door]:
        def accept(door: Door) -> RtspConnection:
            return RtspConnection(self, door)

        if not self.options.fleet:
            yield Door(self.options.host, self.cameras, accept)
            return
        sites: dict[str, list[str]] = {}
        for camera in self.options.fleet:
            sites.setdefault(camera.site, []).append(camera.name)
        for site, names in enumerate(sites.values()):
            for number, name in enumerate(names):
                yield Door(loopback_address(site, number), (name,), accept)


def _url(door: Door, name: str) -> str:
    host = f"[{door.host}]" if ":" in door.host else door.host
    return f"rtsp://{host}:{door.port}/{quote(name)}"
