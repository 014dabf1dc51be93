"""Which source a camera gets: our own client, or a process of libav's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.client import open_session
from ingest.libav_source import open_libav

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.approach import Approach, CameraMemory
    from ingest.backoff import Herd
    from ingest.source import Source
    from ingest.tracks import TrackTaker
    from storage.clock import Clock


async def open_source(
    approach: Approach,
    *,
    herd: Herd,
    clock: Clock,
    takers: Mapping[str, TrackTaker],
    memory: CameraMemory | None = None,
) -> Source:
    """Reach a camera the way its configuration says. SourceError with the reason of the gap."""
    if approach.source == "libav":
        return await open_libav(approach, herd=herd, clock=clock, takers=takers)
    return await open_session(approach, herd=herd, clock=clock, takers=takers, memory=memory)
