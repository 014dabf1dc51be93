"""systemd's side of supervision: sd_notify(3) in a few lines.

Under a unit with `Type=notify` and `WatchdogSec=` the supervisor reports that it is ready and then that its event loop
still turns; if it hangs, systemd restarts it, and the successor takes over. Without NOTIFY_SOCKET nothing happens.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import structlog

from storage.waiting import pause

if TYPE_CHECKING:
    import asyncio

    from storage.clock import Clock

log = structlog.get_logger(__name__)


async def keep_fed(clock: Clock, stop: asyncio.Event) -> None:
    """Tell systemd READY, then WATCHDOG at half the interval it asks for, then STOPPING."""
    notify("READY=1")
    interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
    while interval_s and not stop.is_set():
        notify("WATCHDOG=1")
        await pause(clock, interval_s, stop)
    await stop.wait()
    notify("STOPPING=1")


def notify(state: str) -> None:
    """Send one datagram to the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        log.warning("service_manager_unreachable", error=error)
