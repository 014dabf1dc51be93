"""Waiting for whichever comes first, without leaving a task behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from storage.clock import Clock


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Run all until one ends, then cancel the others. Results and errors of the waits are not looked at."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pause(clock: Clock, seconds: float, stop: asyncio.Event) -> None:
    """Wait for `seconds`, or less if `stop` is set."""
    await first_of(clock.sleep(seconds), stop.wait())


async def until_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Run `work` to its end, or cancel it when `stop` is set. Raises what `work` raises."""
    working = asyncio.ensure_future(work)
    try:
        await first_of(asyncio.wait([working]), stop.wait())
    finally:
        working.cancel()
        await asyncio.wait([working])
    if not working.cancelled():
        working.result()
