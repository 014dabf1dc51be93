"""`serve`: the HTTP API and the page."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import uvicorn

from playback.library import Library
from server import auth
from server.camera_view import CameraView
from server.catalog_access import open_catalog
from server.fleet import Fleet
from server.http import create_app
from server.listener import hold
from server.parts import Parts
from server.quantities import ListenAddress
from storage.directory_store import DirectoryStore
from storage.spool_reader import SpoolReader

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from server.role import Surroundings

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
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
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


@asynccontextmanager
async def part(around: Surroundings) -> AsyncIterator[HttpServer]:
    """The API over this data directory."""
    listener = around.listener or hold(around.settings.host.listen)
    loopback = ListenAddress(*listener.getsockname()[:2]).loopback
    token = None if loopback else auth.make_token(around.data.token)
    fleet = Fleet(around.data, around.clock)
    async with open_catalog(around.data, around.clock) as catalog:
        spool = SpoolReader(around.data.spool, fleet.durable_mark)
        library = Library(catalog, DirectoryStore(around.data.objects), spool, around.clock)
        cameras = CameraView(catalog=catalog, library=library, fleet=fleet, clock=around.clock)
        parts = Parts(
            catalog=catalog, library=library, cameras=cameras, fleet=fleet, clock=around.clock, data=around.data
        )
        yield HttpServer(create_app(parts, token=token), listener)
