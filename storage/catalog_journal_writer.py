"""Writes the catalog's changes as journal objects: `ship` does, because it has catalog and store.

    compose (in the catalog, with the marks that it takes) -> put -> note that it is written

Killed anywhere, the next life puts the same bytes under the same key. Whatever fails here waits and is told in the
status: footage goes first.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import structlog

from media.errors import HultaError
from storage.catalog_journal import MOST_MARKS
from storage.catalog_journal_rows import URGENT
from storage.model import SECOND_US

if TYPE_CHECKING:
    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.model import Backlog
    from storage.objects import ObjectStore

LOOK_US = 2 * SECOND_US
"""Between two looks: what a person decided is in the bucket that soon."""
BATCH_US = 60 * SECOND_US
"""What happened waits so long for more of it: one object a minute, 1440 a day."""
REST_US = 30 * SECOND_US
"""After a failure."""
AT_ONCE = 20
"""Objects in one look; footage waits meanwhile."""

log = structlog.get_logger(__name__)


class JournalWriter:
    """Takes marks out of the catalog's outbox and puts them into the store."""

    def __init__(self, catalog: Catalog, store: ObjectStore, clock: Clock) -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self._writer = secrets.randbits(63)
        self._look_at_us = 0
        self._objects = 0
        self._waiting: int | None = None
        self._error: str | None = None

    async def run_once(self) -> None:
        """Write what is due. Never fails: what does is tried again, and is in the state until it worked."""
        now_us = self._clock.boot_us()
        if now_us < self._look_at_us:
            return
        self._look_at_us = now_us + LOOK_US
        try:
            for _ in range(AT_ONCE):
                if not await self._is_due():
                    break
                await self._write()
            self._error = None
        except Exception as error:  # noqa: BLE001 - footage must not wait for a defect in its index
            self._look_at_us = now_us + REST_US
            self._failed(error)

    def state(self) -> dict[str, Any]:
        """JSON-ready: objects written by this process, changes that wait (as far as one object takes), the failure."""
        return {"objects": self._objects, "waiting_changes": self._waiting, "error": self._error}

    async def _is_due(self) -> bool:
        outbox = self._catalog.outbox
        backlog = await outbox.backlog()
        self._waiting = backlog.changes
        if backlog.composed or _is_urgent(backlog):
            return True
        since_us = self._clock.wall_us() - (await outbox.head()).composed_us
        return backlog.changes > 0 and not 0 <= since_us < BATCH_US  # a clock that went back must not silence it

    async def _write(self) -> None:
        composed = await self._catalog.outbox.compose(writer=self._writer, now_us=self._clock.wall_us())
        if composed is not None:
            await self._store.put_bytes(composed.key, composed.content)
            await self._catalog.outbox.written(composed.sequence)
            self._objects += 1

    def _failed(self, error: Exception) -> None:
        text = str(error) if isinstance(error, HultaError) else f"{type(error).__name__}: {error}"
        if text != self._error:
            log.warning("journal_not_written", error=text, exc_info=not isinstance(error, HultaError | OSError))
        self._error = text


def _is_urgent(backlog: Backlog) -> bool:
    return backlog.changes >= MOST_MARKS or bool(backlog.nouns & URGENT)
