"""`serve`: the HTTP API and the page."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import uvicorn

from playback.library import Library
from playback.live_hub import LiveHub
from playback.whep import WhepDoor
from server import api_token
from server.camera_view import CameraView
from server.catalog_access import open_catalog
from server.catalog_door import CatalogDoor
from server.fleet import Fleet
from server.http import create_api, guarded
from server.listener import ApiSocket
from server.live_protocol import MOST_SENT_BYTES, LiveProtocol
from server.parts import Parts
from server.quantities import ListenAddress
from server.spool_access import spools_to_read
from server.store_access import links_of, open_store
from storage.spool_reader import SpoolReader

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from server.role import Surroundings
    from server.settings import Settings
    from storage.clock import Clock
    from storage.layout import Layout

MOST_CONNECTIONS = 1000  # more get 503: each may hold a file open
GOODBYE_S = 2  # downloads are cut off then; they continue by Range


class HttpServer:
    """uvicorn as a part: it ends by `stop`, not by signals of its own."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        host, port, *_ = listener.getsockname()
        self.address = ListenAddress(host, port)
        self._listener = listener
        self._server = _QuietServer(
            uvicorn.Config(
                app,
                http="h11",
                ws=LiveProtocol,
                ws_max_size=MOST_SENT_BYTES,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=GOODBYE_S,
            )
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then cut off what lasts longer than GOODBYE_S."""
        ending = asyncio.ensure_future(self._end_on(stop))
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            ending.cancel()

    def state(self) -> dict[str, Any]:
        """Where the API is, for the CLI."""
        return {"address": self.address.url, "connections": len(self._server.server_state.connections)}

    async def _end_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._server.should_exit = True


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the role has its own."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Capture none."""
        return nullcontext()


class Serving:
    """The HTTP server, and behind it the API as soon as the catalog opens."""

    def __init__(self, server: HttpServer, door: CatalogDoor) -> None:
        self._server = server
        self._door = door

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; the catalog is closed when the last answer is out."""
        served = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._door.keep_open(served))
            try:
                await self._door.tried()
                await self._server.run(stop)
            finally:
                served.set()

    def state(self) -> dict[str, Any]:
        """Where the API is, for the CLI."""
        return self._server.state()


@asynccontextmanager
async def part(around: Surroundings) -> AsyncIterator[Serving]:
    """The API over this data directory."""
    listener = around.listener or ApiSocket(around.settings.host.listen).hold()
    loopback = ListenAddress(*listener.getsockname()[:2]).loopback
    token = None if loopback else api_token.make_token(around.data.token)
    door = CatalogDoor(lambda: opened_api(around.settings, around.data, around.clock), around.clock)
    yield Serving(HttpServer(guarded(door, token=token), listener), door)


@asynccontextmanager
async def opened_api(settings: Settings, data: Layout, clock: Clock) -> AsyncIterator[ASGIApp]:
    """The API over an open catalog."""
    fleet = Fleet(data, clock)
    async with (
        open_catalog(settings.catalog, data, clock) as catalog,
        open_store(settings.store, data, clock) as store,
        live_doors(data, clock) as (live, whep),
    ):
        link = links_of(settings.store, store)
        library = Library(catalog, store, SpoolReader(spools_to_read(data), fleet.durable_mark), clock, link)
        cameras = CameraView(catalog=catalog, library=library, fleet=fleet, clock=clock)
        parts = Parts(
            catalog=catalog, library=library, cameras=cameras, fleet=fleet, clock=clock, data=data, live=live, whep=whep
        )
        yield create_api(parts)


@asynccontextmanager
async def live_doors(data: Layout, clock: Clock) -> AsyncIterator[tuple[LiveHub, WhepDoor]]:
    """Live pictures, out of the recorder's socket."""
    async with LiveHub(data.live, clock).open() as live, WhepDoor(live, clock).open() as whep:
        yield live, whep
