"""`serve` while the catalog cannot be opened."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
from starlette.responses import PlainTextResponse

from media.errors import CatalogError
from server.catalog_door import CatalogDoor
from storage.clock import FakeClock
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp


async def test_requests_are_told_until_the_catalog_opens_and_after_it_closed() -> None:
    """503 with the reason, then the application, then 503 again; the process is alive throughout."""
    faults = [CatalogError("the disk is not mounted"), CatalogError("the disk is not mounted")]
    opened: list[str] = []

    @asynccontextmanager
    async def open_app() -> AsyncIterator[ASGIApp]:
        if faults:
            raise faults.pop()
        opened.append("opened")
        yield PlainTextResponse("inside")
        opened.append("closed")

    clock, stop = FakeClock(), asyncio.Event()
    door = CatalogDoor(open_app, clock)
    keeping = asyncio.ensure_future(door.keep_open(stop))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://h") as http:
        await eventually("the first attempt", lambda: len(faults) == 1)
        early = await http.get("/api/v1/cameras")
        assert (early.status_code, early.json()["detail"]) == (503, "the disk is not mounted")
        assert (await http.get("/healthz")).status_code == 200

        def tried() -> bool:
            clock.advance(1_000_000)
            return bool(opened)

        await eventually("the catalog opens", tried)
        assert (await http.get("/api/v1/cameras")).text == "inside"
        stop.set()
        await keeping
        assert opened == ["opened", "closed"]
        assert (await http.get("/api/v1/cameras")).status_code == 503
