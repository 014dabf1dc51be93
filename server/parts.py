"""What the API's handlers work with, handed to them by the framework."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from playback.library import Library
    from playback.live_hub import LiveHub
    from playback.whep import WhepDoor
    from server.camera_view import CameraView
    from server.fleet import Fleet
    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.layout import Layout


MOST_PROBES = 4
"""Each may cost a few Mbit/s and, for its picture, a decoder for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The catalog, the footage, the cameras as they are shown, the other roles."""

    catalog: Catalog
    library: Library
    cameras: CameraView
    fleet: Fleet
    clock: Clock
    data: Layout
    live: LiveHub
    whep: WhepDoor
    probes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_PROBES))
    """One for each camera that is looked at."""


def parts_of(request: HTTPConnection) -> Parts:
    """The parts of the application that got this request."""
    return cast("Parts", request.app.state.parts)


async def _fresh_parts(request: Request) -> Parts:
    parts = parts_of(request)
    await parts.fleet.refresh()
    return parts


GivenParts = Annotated[Parts, Depends(_fresh_parts)]
"""The parts, with the recorder's state not older than a fraction of a second."""
