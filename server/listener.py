"""The API's listening socket. The supervisor holds it, so that a restart of `serve` refuses nobody."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from media.errors import HultaError

if TYPE_CHECKING:
    from server.quantities import ListenAddress

BACKLOG = 128


def hold(address: ListenAddress) -> socket.socket:
    """The API's listening socket. HultaError when the address is taken or not this host's."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        hint = "another program listens there: choose another port" if error.errno == errno.EADDRINUSE else ""
        raise HultaError(f"cannot listen on {address}: {error.strerror}", hint=hint) from None
    listener.setblocking(False)
    return listener
