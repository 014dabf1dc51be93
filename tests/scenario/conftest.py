"""One Chromium for all tests of a file, and the order of the files.

To start Chromium takes a second, and several at once on a busy machine. The tests that use it run in one event loop:
`ONE_LOOP` of tests/chromium.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from playwright.async_api import Browser

LONGEST = tuple(
    Path(__file__).with_name(f"test_{name}.py")
    for name in ("run", "storm", "simulator_peers", "simulated_city", "supervisor", "canary")
)
"""A minute each, or nearly, and so first: with one of them as the last, a process of two would wait for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever else is run; the order within a file stays."""
    items.sort(key=lambda item: LONGEST.index(item.path) if item.path in LONGEST else len(LONGEST))


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
