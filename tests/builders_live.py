"""Builders for tests of live pictures: a recorder behind the real live socket, and viewers of the API over it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect

from ingest.live_door import LiveDoor
from ingest.live_feed import LiveFeed
from ingest.live_held import Held
from media.access_unit import AccessUnit
from media.track import Track
from storage.clock import HostClock
from storage.layout import Layout
from tests.builders_playback import TICKS, Archive, Film


class Described:
    """Parameters as a unit brings them."""

    def __init__(self, track: Track) -> None:
        self._track = track

    def track(self, timescale: int = 90_000) -> Track:
        """What they say."""
        assert timescale == self._track.timescale
        return self._track


class Studio:
    """A recorder as the live socket sees it, that sends a film picture by picture when it is told to."""

    def __init__(self, source: Film, begun_us: int | None = None) -> None:
        self.source = source
        self.live: LiveFeed | None = None
        self.sent = 0
        self._begun_us = HostClock().wall_us() if begun_us is None else begun_us
        self._fresh = True

    def open_feed(self, most_bytes: int) -> LiveFeed:
        """Nothing is held: who comes first begins with what comes next."""
        self.live = LiveFeed(self.source.track, Held(), most_bytes)
        return self.live

    def new_session(self, source: Film | None = None) -> None:
        """The camera begins again, perhaps with another film."""
        self._begun_us += self.sent * TICKS * 100 // 9
        self.source, self.sent = source or self.source, 0
        self._fresh = True

    def send(self, pictures: int) -> None:
        """The next pictures, as if a camera had just sent them; the film begins again at its end."""
        for _ in range(pictures):
            lap, place = divmod(self.sent, len(self.source.units))
            unit = self.source.units[place]
            if self.live is not None:
                shown = unit.pts_ticks + lap * len(self.source.units) * TICKS
                self.live.take(
                    AccessUnit(
                        nals=bytearray(unit.nals),
                        rtp_timestamp=shown & 0xFFFFFFFF,
                        sync=unit.sync,
                        lost_packets=0,
                        parameters=Described(self.source.track) if self._fresh else None,
                    ),
                    self._begun_us + shown * 100 // 9,
                )
                self._fresh = False
            self.sent += 1


@asynccontextmanager
async def studios(archive: Archive, found: dict[UUID, Studio]) -> AsyncIterator[LiveDoor]:
    """These behind the live socket of a data directory."""
    door = LiveDoor(found.get, HostClock())
    path = Layout(archive.root).live
    path.parent.mkdir(exist_ok=True)
    async with door.open(path):
        yield door


class Seat:
    """A viewer's side of the WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def text(self) -> dict[str, Any]:
        """The next message, which describes what follows."""
        message = await self._next()
        assert isinstance(message, str), message[:8]
        described: dict[str, Any] = json.loads(message)
        return described

    async def bytes(self) -> bytes:
        """The next message, a piece of the file."""
        message = await self._next()
        assert isinstance(message, bytes), message
        return message

    async def _next(self) -> str | bytes:
        async with asyncio.timeout(20):
            return await self.socket.recv()


@asynccontextmanager
async def seat(base: object, camera: str, query: str = "", **options: Any) -> AsyncIterator[Seat]:
    """Watch a camera of the API at this address."""
    url = f"{str(base).rstrip('/').replace('http', 'ws', 1)}/api/v1/cameras/{camera}/live{query}"
    async with connect(url, max_size=None, proxy=None, **options) as socket:
        yield Seat(socket)
