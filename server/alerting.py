"""The alert service: looks at the recorder, decides what is worth an alert, and hands it to the channels.

It runs in `keep` (docs/decisions/0088): nothing from outside reaches that process, the lowest priority is its, and
there is one of it. It asks `record` and `ship` for their status as `serve` and the supervisor do, every two seconds,
and needs neither the catalog nor the object store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from server.alert_channel import AlertChannel
from server.alert_file import AlertFile
from server.alert_mail import Mail
from server.alert_watch import AlertWatch
from server.alert_webhook import Webhook
from server.status_socket import read_status
from storage.waiting import pause, until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.alert_channel import Sender
    from server.settings import Settings
    from server.settings_alerts import AlertRules
    from storage.clock import Clock
    from storage.layout import Layout

LOOK_S = 2.0
FILE = "alerts.json"

log = structlog.get_logger(__name__)


class Alerting:
    """Runs until it is told to stop, and never fails."""

    def __init__(self, senders: Sequence[Sender], *, rules: AlertRules, data: Layout, clock: Clock) -> None:
        self._file = AlertFile(data.root / FILE)
        self._data = data
        self._clock = clock
        kept = self._file.read()
        self._watch = AlertWatch(
            stopped_after_us=rules.stopped_after, spool_full_within_us=rules.spool_full_within, opened=kept.opened
        )
        self._channels = [
            AlertChannel(sender, clock, self._keep, kept.waiting.get(sender.name, ())) for sender in senders
        ]
        self._complaint = ""

    def state(self) -> dict[str, Any]:
        """For status and metrics."""
        return {
            "open": len(self._watch.opened),
            "channels": {channel.name: channel.state() for channel in self._channels},
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; what was not sent by then is in the file."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.deliver(stop))
            while not stop.is_set():
                try:
                    await self.look()
                except Exception as error:  # noqa: BLE001 - a defect here must not end retention, nor the next look
                    self._complain(error)
                await pause(self._clock, LOOK_S, stop)
        self._keep()

    async def deliver(self, stop: asyncio.Event) -> None:
        """Send what waits, and what comes, until `stop`. No channel waits for another."""
        async with asyncio.TaskGroup() as group:
            for channel in self._channels:
                group.create_task(until_stopped(channel.run(stop), stop), name=f"alerts by {channel.name}")

    async def look(self) -> None:
        """Once."""
        record, ship = [await read_status(self._data.socket(role)) for role in ("record", "ship")]
        wall_us = self._clock.wall_us()
        alerts = self._watch.look(record, boot_us=self._clock.boot_us(), wall_us=wall_us)
        alerts += self._watch.look_at_ship(ship, wall_us=wall_us)
        for alert in alerts:
            log.warning("alert", text=alert.words, kind=alert.kind, over=alert.over)
        if alerts:
            for channel in self._channels:
                channel.put(alerts)
        self._keep()

    def _keep(self) -> None:
        self._file.write(self._watch.opened, {channel.name: channel.waiting for channel in self._channels})

    def _complain(self, error: Exception) -> None:
        complaint = f"{type(error).__name__}: {error}"
        if complaint != self._complaint:
            log.error("alerts_not_watched", exc_info=error)
        self._complaint = complaint


def alerting(settings: Settings, data: Layout, clock: Clock) -> Alerting | None:
    """The service that the configuration asks for; None if it names nobody to tell."""
    rules, host = settings.alerts, settings.host.name
    senders: list[Sender] = []
    if rules.webhook is not None:
        senders.append(Webhook(rules.webhook, host, clock))
    if rules.mail is not None:
        senders.append(Mail(rules.mail, host, clock))
    if not senders:
        return None
    return Alerting(senders, rules=rules, data=data, clock=clock)
