"""A listening address and the cameras behind it: shut, it refuses connections as a camera does that is not there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from media.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_BACKLOG = 1024
"""A whole city reconnects at once."""

_SITES_MAX = 250 * 254
_CAMERAS_OF_A_SITE_MAX = 253


def loopback_address(site: int, camera: int) -> str:
    """The address of the n-th camera of the n-th site, from 0: each camera of a fleet has one, as in a city."""
    if site >= _SITES_MAX or camera >= _CAMERAS_OF_A_SITE_MAX:
        raise ConfigError(f"simulator fleet: at most {_CAMERAS_OF_A_SITE_MAX} cameras a site and {_SITES_MAX} sites")
    return f"127.{1 + site // 250}.{site % 250 + 1}.{camera + 1}"


class Door:
    """Listens for the cameras called `names`. `accept` makes the protocol of a connection that comes in."""

    def __init__(self, host: str, names: Collection[str], accept: Callable[[Door], asyncio.BufferedProtocol]) -> None:
        self.host = host
        self.port = 0
        self.names = frozenset(names)
        self._accept = accept
        self._shut: set[str] = set()
        self._server: asyncio.Server | None = None

    async def open(self, port: int) -> None:
        """Listen; `port` is then the real one. OSError if that is impossible."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._accept(self), self.host, port, backlog=_BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]

    def turns_away(self, name: str) -> bool:
        """Whether a camera has gone while the door is open for others: who asks for it is hung up on."""
        return name in self._shut and self._server is not None

    def shut(self, name: str) -> None:
        """Refuse connections to one camera; who is connected stays.

        Where others are behind the same door, it stays open, and requests for this camera are hung up on.
        """
        self._shut.add(name)
        if self._shut == self.names:
            self.close()

    async def reopen(self, name: str) -> None:
        """Let them come again. OSError if somebody else has taken the port meanwhile."""
        self._shut.discard(name)
        if self._server is None:
            await self.open(self.port)

    def close(self) -> None:
        """Listen no more; who is connected stays."""
        if self._server is not None:
            self._server.close()
            self._server = None
