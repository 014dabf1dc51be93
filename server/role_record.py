"""`record`: cameras to spool. It needs its disk and its cameras; it never opens the catalog."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ingest.worker import Worker
from server.key_access import secret_box
from server.spool_access import claim_spools
from storage.spool_ownership import Spools, retired_spools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.role import Surroundings
    from storage.layout import Layout
    from storage.spool_ownership import ClaimedDisks


@asynccontextmanager
async def part(around: Surroundings) -> AsyncIterator[Worker]:
    """The recording worker of this host."""
    claimed = claim_spools(around.settings, around.data, around.data.spools)
    box = secret_box(around.data)
    spools = _spools(around.data, claimed)
    yield Worker(data=around.data, host=around.settings.host.name, clock=around.clock, box=box, spools=spools)


def _spools(data: Layout, claimed: ClaimedDisks) -> Spools:
    """Without those that failed; if no other is left, one that failed is better than none."""
    refused = {path: str(error) for path, error in claimed.refused.items()}
    retired = retired_spools(data, list(claimed.here))
    if len(retired) == len(claimed.here):
        return Spools(list(claimed.here), refused)
    return Spools([path for path in claimed.here if path not in retired], refused | retired)
