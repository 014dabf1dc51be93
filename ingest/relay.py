"""TLS in front of a process that does not speak it: what comes encrypted leaves in the clear on a pair of sockets.

What waits in either direction is what asyncio lets wait (64 KiB) and what the kernel does: who is not read is not read
from.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ssl


class _End(asyncio.Protocol):
    """One of the two ends."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self._early = bytearray()

    def joined(self, other: _End) -> None:
        """From now on what comes goes there."""
        self.other = other
        if self._early:
            other.write(bytes(self._early))
            self._early.clear()
        if self.transport is None or self.transport.is_closing():
            other.close()
        else:
            self.transport.resume_reading()

    def write(self, part: bytes) -> None:
        """To whoever is there."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(part)

    def close(self) -> None:
        """Once what was written has gone out."""
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It says nothing before there is somebody to say it to."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """On to the other end; what was read with the handshake waits."""
        if self.other is None:
            self._early += data
        else:
            self.other.write(data)

    def pause_writing(self) -> None:
        """Whoever is there does not read."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It is again."""
        if self.other is not None and self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        """Neither end is of use without the other."""
        if self.other is not None:
            self.other.close()


class Relay:
    """Both ends."""

    def __init__(self, ends: tuple[_End, _End]) -> None:
        self._ends = ends

    def close(self) -> None:
        """At once: what still waits is not wanted any more."""
        for end in self._ends:
            if end.transport is not None:
                end.transport.abort()


async def relay(connection: socket.socket, context: ssl.SSLContext, name: str) -> tuple[socket.socket, Relay, bytes]:
    """Speak TLS on a connection, as a client of `name`: a socket with what is said inside, and the certificate (DER).

    OSError, ssl.SSLError among them, where there is no TLS.
    """
    loop = asyncio.get_running_loop()
    transport, outside = await loop.create_connection(_End, sock=connection, ssl=context, server_hostname=name)
    given, kept = socket.socketpair()
    try:
        given.setblocking(False)
        kept.setblocking(False)
        _transport, inside = await loop.create_connection(_End, sock=kept)
    except BaseException:
        given.close()
        kept.close()
        transport.abort()
        raise
    outside.joined(inside)
    inside.joined(outside)
    certificate: bytes = transport.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    return given, Relay((outside, inside)), certificate
