"""One Chromium for all tests of a file: to start one takes a second, and several at once on a busy machine.

The tests that use it run in one event loop: `ONE_LOOP` of tests/chromium.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser


@pytest_asyncio.fixture(name="chromium", scope="module", loop_scope="module")
async def _chromium() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Chromium as good as new: whatever a test opened is closed behind it, also if it failed."""
    yield chromium
    for context in tuple(chromium.contexts):
        await context.close()
