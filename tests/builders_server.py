"""Builders for tests of the server: an archive behind the real HTTP server, and recorders that answer as told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from playback.live_hub import LiveHub
from playback.whep import WhepDoor
from server.camera_view import CameraView
from server.fleet import Fleet
from server.http import create_api, guarded
from server.listener import ApiSocket
from server.parts import Parts
from server.quantities import ListenAddress
from server.role_serve import HttpServer
from server.status_socket import answering
from storage.clock import HostClock
from storage.layout import Layout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.clock import Clock
    from storage.model import Camera
    from tests.builders_playback import Archive


def parts_of(archive: Archive, *, clock: Clock | None = None) -> Parts:
    """What the API's handlers work with, over an archive; the roles are asked by this clock, or the host's."""
    data = Layout(archive.root)
    data.socket("record").parent.mkdir(exist_ok=True)
    fleet = Fleet(data, clock or HostClock())
    cameras = CameraView(catalog=archive.catalog, library=archive.library, fleet=fleet, clock=archive.clock)
    live = LiveHub(data.live, HostClock())
    return Parts(
        catalog=archive.catalog,
        library=archive.library,
        cameras=cameras,
        fleet=fleet,
        clock=archive.clock,
        data=data,
        live=live,
        whep=WhepDoor(live, HostClock()),
    )


@asynccontextmanager
async def serving(archive: Archive, *, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """The API of an archive on a real socket; yields a client of it. The CLI finds it by the data directory."""
    listener = ApiSocket(ListenAddress("127.0.0.1", 0)).hold()
    parts = parts_of(archive)
    server = HttpServer(guarded(create_api(parts), token=token), listener)
    stop = asyncio.Event()
    running = asyncio.ensure_future(server.run(stop))
    try:
        async with (
            parts.live.open(),
            parts.whep.open(),
            answering(Layout(archive.root).socket("serve"), server.state),
            httpx.AsyncClient(base_url=server.address.url, timeout=20) as client,
        ):
            yield client
    finally:
        stop.set()
        await running


def recorder(camera: Camera, **stream: Any) -> dict[str, Any]:
    """What `record` says of one camera."""
    said = {
        "camera": str(camera.id),
        "name": camera.name,
        "state": "recording",
        "reason": None,
        "detail": None,
        "since_us": 0,
        "durable": None,
        "bitrate_bps": 4_000_000,
        "received_bytes": 1000,
        "frames": 50,
        "lost_packets": 3,
        "sessions": 2,
        "overflowed_packets": 5,
        "camera_clock_offset_us": -120_000,
        **stream,
    }
    if said["durable"] is not None:
        said["durable"] = {"run": "00000000000000aa", **said["durable"]}
    return {"role": "record", "pid": 1, "run": "00000000000000aa", "streams": {str(camera.stream): said}}
