"""Waiting for a condition, with a bound that says what did not happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

POLL_S = 0.01


async def eventually(what: str, condition: Callable[[], object], seconds: float = 20) -> None:
    """Return as soon as `condition()` is true; fail after `seconds`, naming `what`."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for is outside of this process
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
