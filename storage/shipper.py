"""`ship`: the spool's contents into the catalog (`intake`), then into the object store (`uploads`).

Beside that it tells the store what else the catalog knows (`catalog_journal_writer`).

It runs beside recording and never in its way: a process of its own that reads what `record` has sealed. While nothing
happens a cycle costs a stat for each stream.
"""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import structlog

from media.errors import HultaError
from storage import spool_runs
from storage.catalog_journal_writer import JournalWriter
from storage.intake import Intake
from storage.spool_ownership import Spools
from storage.spool_relief import Relief
from storage.store_ownership import claim_store
from storage.uploads import Uploads
from storage.waiting import pause

if TYPE_CHECKING:
    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.layout import Layout
    from storage.objects import ObjectStore

PAUSE_S = 0.5  # a segment is stored about a second after it was sealed
BACKOFF_MAX_S = 8.0
THREADS = 3
SHOWN = 20  # faults and failing segments in the status; their number is always told

log = structlog.get_logger(__name__)


class Shipper:
    """The work of `ship`. `run` never fails, `run_once` may."""

    def __init__(
        self, catalog: Catalog, store: ObjectStore, data: Layout, clock: Clock, spools: Spools | None = None
    ) -> None:
        spools = spools or Spools(data.spools)
        self._catalog = catalog
        self._store = store
        self._is_ours = False
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, "ship")
        self._intake = Intake(catalog, spools.here, data.quarantine, clock, self._threads)
        self._intake.absent = dict(spools.absent)
        self._uploads = Uploads(catalog, store, self._intake, clock=clock, threads=self._threads)
        self.reliefs = [
            Relief(catalog, store, self._intake, self._uploads, spool=spool, clock=clock, threads=self._threads)
            for spool in spools.here
        ]
        self._journal = JournalWriter(catalog, store, clock)
        self._error: str | None = None
        self._cycled_us: int | None = None

    async def run_once(self) -> bool:
        """One cycle: take in what is new, ship a batch; whether more may wait."""
        await self._intake.run_once()
        if not self._is_ours:
            await claim_store(self._catalog, self._store)
            self._is_ours = True
        await self._journal.run_once()
        busy = await self._uploads.run_once()
        self._cycled_us = self._clock.wall_us()
        return busy

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop`, and keep the spool's disk from running full meanwhile, also while the store is silent."""
        spool_runs.remove_unborn(*self._intake.spools)
        async with asyncio.TaskGroup() as group:
            for relief in self.reliefs:
                group.create_task(relief.run(stop), name="relief")
            await self._ship(stop)

    async def _ship(self, stop: asyncio.Event) -> None:
        """After a failure slower each time, up to every 8 s."""
        failures = 0
        while not stop.is_set():
            try:
                pause_s = 0.0 if await self.run_once() else PAUSE_S
                failures, self._error = 0, None
            except Exception as error:  # noqa: BLE001 - whatever fails here, the footage is safe and the next cycle tries
                failures += 1
                self._failed(error)
                pause_s = PAUSE_S + random.uniform(0, min(BACKOFF_MAX_S, 2**failures))  # noqa: S311 - jitter
            await pause(self._clock, pause_s, stop)

    def state(self) -> dict[str, Any]:
        """JSON-ready: what waits and for how long, what was shipped, what does not go through."""
        copies = list(self._intake.copies.values())
        resting = {str(segment): why for segment, (_, why) in list(self._uploads.resting.items())[:SHOWN]}
        faults = {str(path): why for path, why in list(self._intake.faults.items())[:SHOWN]}
        oldest_us = min((copy.sealed_us for copy in copies), default=None)
        return {
            "store": self._store.state(),
            "backlog_segments": len(copies),
            "backlog_bytes": sum(copy.size_bytes for copy in copies),
            "oldest_waiting_us": oldest_us,
            "oldest_waiting_age_us": 0 if oldest_us is None else max(0, self._clock.wall_us() - oldest_us),
            "stored_segments": self._uploads.stored_segments,
            "stored_bytes": self._uploads.stored_bytes.total(),
            "last_cycle_us": self._cycled_us,
            "error": self._error,
            "failing_segments": len(self._uploads.resting),
            "failing": resting,
            "fault_files": len(self._intake.faults),
            "faults": faults,
            "runs": self._intake.runs(),
            "journal": self._journal.state(),
            "spools": [relief.state() for relief in self.reliefs],
            "absent_spools": {str(spool): why for spool, why in self._intake.absent.items()},
        }

    def _failed(self, error: Exception) -> None:
        text, hint = f"{type(error).__name__}: {error}", None
        if isinstance(error, HultaError):
            text, hint = str(error), error.hint or None
        if text != self._error:
            unexpected = not isinstance(error, HultaError | OSError)
            log.warning("shipping_failed", error=text, hint=hint, exc_info=unexpected)
        self._error = text
