"""One way out for alerts: a bounded queue in front of something that may be slow, wrong or gone.

Alerts leave in order and in batches, each at least once: what was sent and not yet noted when the process died is sent
again, under the same id. A batch that fails is tried again, later each time. What is a day old, or more than the queue
holds, is dropped, counted and logged.
"""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from media.errors import HultaError
from storage.waiting import pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from server.alert import Alert
    from storage.clock import Clock

MOST_WAITING = 1000
MOST_AT_ONCE = 50
GIVE_UP_US = 86_400_000_000
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
DEADLINE_S = 30.0
"""Of one attempt, whatever the other side does."""

log = structlog.get_logger(__name__)


class AlertNotSentError(HultaError):
    """The other side does not take it now. Its text may be shown: it holds no secret, and no path of a URL."""


class Sender(Protocol):
    """What a channel sends by."""

    name: str

    def send(self, alerts: Sequence[Alert]) -> None:
        """Hand these over, in one piece. Blocks, in a thread of its own; AlertNotSentError when they were not taken."""
        ...


class AlertChannel:
    """A queue and its sender. `changed` is called when what waits has become less, so that it can be noted."""

    def __init__(
        self, sender: Sender, clock: Clock, changed: Callable[[], None], waiting: Iterable[Alert] = ()
    ) -> None:
        self.waiting: list[Alert] = list(waiting)[-MOST_WAITING:]
        self._sender = sender
        self._clock = clock
        self._changed = changed
        self._more = asyncio.Event()
        self._sending: threading.Thread | None = None
        self._sent = self._dropped = self._failures = 0
        self._error = ""

    @property
    def name(self) -> str:
        """Of the sender."""
        return self._sender.name

    def put(self, alerts: Iterable[Alert]) -> None:
        """Queue alerts; the oldest make room."""
        self.waiting += alerts
        self._drop(len(self.waiting) - MOST_WAITING, "more wait than are kept")
        self._more.set()

    def state(self) -> dict[str, Any]:
        """For status and metrics."""
        return {
            "waiting": len(self.waiting),
            "sent": self._sent,
            "dropped": self._dropped,
            "failures": self._failures,
            "error": self._error or None,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`."""
        failures = 0
        while not stop.is_set():
            self._drop_old()
            if not self.waiting:
                self._more.clear()
                await pause_for(self._more, stop)
                continue
            failures = 0 if await self._send_once() else failures + 1
            if failures:
                longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
                await pause(self._clock, random.uniform(longest_s / 2, longest_s), stop)  # noqa: S311 - jitter

    async def _send_once(self) -> bool:
        batch = self.waiting[:MOST_AT_ONCE]
        try:
            await self._attempt(batch)
        except AlertNotSentError as error:
            self._fail(str(error))
            return False
        except Exception as error:  # noqa: BLE001 - one channel's defect must not silence the other
            self._fail(f"internal error: {type(error).__name__}")
            return False
        self._sent += len(batch)
        self._error = ""
        sent = {alert.id for alert in batch}
        self.waiting = [alert for alert in self.waiting if alert.id not in sent]
        self._changed()
        return True

    async def _attempt(self, batch: Sequence[Alert]) -> None:
        """In a daemon thread: a server that never ends must not keep this process from ending."""
        if self._sending is not None and self._sending.is_alive():
            raise AlertNotSentError("the attempt before this one has not ended")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[None] = loop.create_future()

        def settle(error: Exception | None) -> None:
            if outcome.done():
                return
            if error is None:
                outcome.set_result(None)
            else:
                outcome.set_exception(error)

        def work() -> None:
            error: Exception | None = None
            try:
                self._sender.send(batch)
            except Exception as caught:  # noqa: BLE001 - told to whoever waits
                error = caught
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, error)

        self._sending = threading.Thread(target=work, name=f"hulta-{self.name}", daemon=True)
        self._sending.start()
        try:
            async with asyncio.timeout(DEADLINE_S):
                await outcome
        except TimeoutError:
            raise AlertNotSentError(f"not done within {DEADLINE_S:.0f} s") from None

    def _fail(self, error: str) -> None:
        self._failures += 1
        if error != self._error:
            log.warning("alerts_not_sent", channel=self.name, waiting=len(self.waiting), error=error)
        self._error = error

    def _drop_old(self) -> None:
        oldest_us = self._clock.wall_us() - GIVE_UP_US
        self._drop(sum(alert.at_us < oldest_us for alert in self.waiting), "they are a day old")

    def _drop(self, count: int, why: str) -> None:
        if count > 0:
            self.waiting = self.waiting[count:]
            self._dropped += count
            log.error("alerts_dropped", channel=self.name, alerts=count, why=why)
            self._changed()


async def pause_for(event: asyncio.Event, stop: asyncio.Event) -> None:
    """Wait for one or the other."""
    waits = [asyncio.ensure_future(each.wait()) for each in (event, stop)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
