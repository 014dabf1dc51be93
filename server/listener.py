"""The API's listening socket. The supervisor holds it, so that a restart of `serve` refuses nobody."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from media.errors import HultaError

if TYPE_CHECKING:
    from server.quantities import ListenAddress

BACKLOG = 128
TAKEN_HINT = "another program listens there: choose another port (`host.listen`, or `hulta demo --port`)"


class ApiSocket:
    """The socket exists at once, so that its number can be handed to a child; it listens from `hold` on."""

    def __init__(self, address: ListenAddress) -> None:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setblocking(False)
        self._address = address
        self._held = False

    def hold(self) -> socket.socket:
        """Listen, from the first call on. HultaError when the address is taken or not this host's."""
        if self._held:
            return self.socket
        try:
            self.socket.bind((self._address.host, self._address.port))
            self.socket.listen(BACKLOG)
        except OSError as error:
            hint = TAKEN_HINT if error.errno == errno.EADDRINUSE else ""
            raise HultaError(f"cannot listen on {self._address}: {error.strerror}", hint=hint) from None
        self._held = True
        return self.socket
