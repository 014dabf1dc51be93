"""A camera that sends datagrams, for the tests of what reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builders_datagrams import Datagrams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def link() -> AsyncIterator[Datagrams]:
    """A camera and a session that plays."""
    link = Datagrams()
    yield link
    link.close()
