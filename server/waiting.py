"""Waiting that a stop cuts short."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from storage.clock import Clock


async def pause(clock: Clock, seconds: float, stop: asyncio.Event) -> None:
    """Wait for `seconds`, or less if `stop` is set."""
    await until_stopped(clock.sleep(seconds), stop)


async def until_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Run `work` to its end, or cancel it when `stop` is set. Raises what `work` raises."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait({working})
    if not working.cancelled():
        working.result()
