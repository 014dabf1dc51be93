"""Keeps the assignments file equal to the catalog's cameras.

It runs in the supervisor, beside the children. While the catalog is down nothing changes: `record` goes on with the
file as it is, also across a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from ingest.assignments import Assignment, write_assignments
from server.catalog_access import open_catalog
from server.desired import apply_settings
from server.key_access import secret_box
from storage.waiting import pause, until_stopped

if TYPE_CHECKING:
    import asyncio

    from server.settings import Settings
    from storage.catalog import Inventory
    from storage.clock import Clock
    from storage.layout import Layout
    from storage.secrets import SecretBox

LOOK_S = 1.0
RETRY_S = 2.0

log = structlog.get_logger(__name__)


class Assigner:
    """Applies the configuration once, then follows the catalog."""

    def __init__(self, *, settings: Settings, data: Layout, clock: Clock) -> None:
        self._settings = settings
        self._data = data
        self._clock = clock
        self._written: list[Assignment] | None = None
        self._file: tuple[int, ...] = ()  # as it was left
        self._key = ""
        self._applied = False
        self._complaint = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Whatever fails is tried again: nothing here may take the children down with it."""
        while not stop.is_set():
            try:
                await until_stopped(self._run_once(), stop)
            except Exception as error:  # noqa: BLE001 - a defect here must not stop the recording
                self._complain(error)
            await pause(self._clock, RETRY_S, stop)

    async def _run_once(self) -> None:
        """Open the catalog, apply the configuration if that is still to do, follow. Ends by an error or cancelled."""
        box = secret_box(self._data)
        async with open_catalog(self._settings.catalog, self._data, self._clock) as catalog:
            await self._apply(catalog.inventory)
            while True:
                await self.assign(catalog.inventory, box)
                self._complaint = ""
                await self._clock.sleep(LOOK_S)

    async def _apply(self, inventory: Inventory) -> None:
        """Once in the supervisor's life: what somebody changes in the catalog later is not undone by a hiccup of it."""
        if self._applied:
            return
        for change in await apply_settings(inventory, self._settings):
            log.info("configuration_applied", change=str(change))
        self._applied = True

    async def assign(self, inventory: Inventory, box: SecretBox) -> None:
        """Write the file if the cameras that are enabled, or anything `record` needs of them, have changed.

        And if somebody else touched it, because the next `record` starts with nothing but this file; and if another key
        seals now, so that the one before it is needed nowhere on this host.
        """
        networks = {site.name: site.networks for site in await inventory.sites()}
        wanted = [
            Assignment(
                stream=camera.stream,
                camera=camera.id,
                name=camera.name,
                epoch=camera.epoch,
                url=camera.url,
                segment_us=self._settings.segments.seconds * 1_000_000,
                bitrate_bps=camera.bitrate_bps,
                transport=camera.transport,
                tls_ca=camera.tls_ca,
                tls_pin=camera.tls_pin,
                audio=camera.audio,
                source=camera.source,
                networks=networks.get(camera.site, ()),
            )
            for camera in await inventory.cameras()
            if camera.enabled
        ]
        key = box.key_id() if wanted else ""
        if wanted != self._written or self._look() != self._file or key != self._key:
            write_assignments(self._data.assignments, wanted, box)
            self._written, self._file, self._key = wanted, self._look(), key
            log.info("assignments_written", streams=len(wanted))

    def _look(self) -> tuple[int, ...]:
        """What tells one writing of the file from another; nothing if it is gone."""
        try:
            status = self._data.assignments.stat()
        except FileNotFoundError:
            return ()
        return (status.st_ino, status.st_size, status.st_mtime_ns)

    def _complain(self, error: Exception) -> None:
        """Once, not every two seconds."""
        complaint = f"{type(error).__name__}: {error}"
        if complaint != self._complaint:
            log.error("assignments_not_followed", error=error)
        self._complaint = complaint
