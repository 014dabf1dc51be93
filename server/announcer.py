"""Tells a person at the terminal where the page is, once it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.cli_frame import out
from server.status_socket import read_status
from storage.waiting import pause

if TYPE_CHECKING:
    import asyncio

    from storage.clock import Clock
    from storage.layout import Layout

LOOK_S = 0.25


class Announcer:
    """Prints the address once `serve` answers."""

    def __init__(self, *, open_to_all: bool, data: Layout, clock: Clock) -> None:
        self._open_to_all = open_to_all
        self._data = data
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for `serve`, say it once, end."""
        document = None
        while not stop.is_set() and document is None:
            document = await read_status(self._data.socket("serve"))
            await pause(self._clock, 0 if document else LOOK_S, stop)
        if document is None:
            return
        out.print(f"Hulta is at {document['address']}  (Ctrl-C ends it)", markup=False)
        if not self._open_to_all:
            out.print(f"It asks for the token in {self._data.token} (as password, with any user name).", markup=False)
