"""`keep`: retention, and alerts where somebody is to be told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from media.errors import HultaError
from retention.sweeper import Sweeper
from server.alerting import alerting
from server.catalog_access import open_catalog
from server.store_access import open_store
from storage.store_ownership import claim_store
from storage.waiting import pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.alerting import Alerting
    from server.role import Surroundings

ACCEPTANCE = "accept-deletion"
RETRY_S = 2.0

log = structlog.get_logger(__name__)


class Keeping:
    """The sweeper over the whole catalog, as soon as that opens; alerts beside it, which need no catalog."""

    def __init__(self, around: Surroundings, alerts: Alerting | None) -> None:
        self._around = around
        self._alerts = alerts
        self._sweeper: Sweeper | None = None
        self._complaint: str | None = None

    def state(self) -> dict[str, Any]:
        """The last sweep, and how the alerts are."""
        sweep = {"sweep": None, "error": self._complaint} if self._sweeper is None else self._sweeper.state()
        return {**sweep, "alerts": None if self._alerts is None else self._alerts.state()}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep(stop))
            if self._alerts is not None:
                group.create_task(self._alerts.run(stop))

    async def _sweep(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                data, clock, settings = self._around.data, self._around.clock, self._around.settings
                async with (
                    open_catalog(settings.catalog, data, clock) as catalog,
                    open_store(settings.store, data, clock) as store,
                ):
                    await claim_store(catalog, store)
                    self._sweeper = Sweeper(catalog, store, clock, acceptance=data.root / ACCEPTANCE)
                    await self._sweeper.run(stop)
            except HultaError as error:
                if str(error) != self._complaint:
                    log.error("retention_not_begun", error=str(error), hint=error.hint or None)  # noqa: TRY400 - the message says it all
                self._complaint = str(error)
                await pause(self._around.clock, RETRY_S, stop)
            finally:
                self._sweeper = None


@asynccontextmanager
async def part(around: Surroundings) -> AsyncIterator[Keeping]:
    """Retention over the whole catalog, and alerts about this host's cameras."""
    yield Keeping(around, alerting(around.settings, around.data, around.clock))
