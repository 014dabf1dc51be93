"""`record`: cameras to spool. It needs its disk and its cameras; it never opens the catalog."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ingest.worker import Worker
from server.key_access import secret_box
from server.spool_access import claim_spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.role import Surroundings


@asynccontextmanager
async def part(around: Surroundings) -> AsyncIterator[Worker]:
    """The recording worker of this host."""
    claim_spool(around.settings, around.data)
    box = secret_box(around.data)
    yield Worker(data=around.data.root, host=around.settings.host.name, clock=around.clock, box=box)
