"""From an approach to a connection, with TLS or without. A name is resolved once: what is checked is connected to.

A name may have several addresses (IPv6 and IPv4, two interfaces): where one refuses or does not answer, the next one is
tried. What ends the attempt is told of the last one, and of how many there were.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Protocol, TypeVar

from ingest import tls
from ingest.network import resolve
from ingest.session import RtspSession, error_name
from media.errors import GapReason, SourceError
from media.url import DEFAULT_PORTS, ENCRYPTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ingest.approach import Approach
    from storage.clock import Clock

CONNECT_TIMEOUT_S = 3.0
ELSEWHERE = frozenset({GapReason.REFUSED, GapReason.UNREACHABLE})
"""What may be otherwise at another address of the same name. Who is there and is not believed is no reason to go on."""

TLS_TIMEOUT_S = 5.0
"""More, for a camera that takes its time with large numbers."""


class Reached(Protocol):
    """What an address was opened as."""

    @property
    def certificate(self) -> bytes | None:
        """Of whoever is there (DER); None without TLS."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


R = TypeVar("R", bound=Reached)


async def connect(approach: Approach, clock: Clock) -> RtspSession:
    """A connection to the camera. SourceError with the reason of the gap."""
    url = approach.url
    if url.scheme not in DEFAULT_PORTS:  # a URL of our configuration may, and a redirect could, name what libav opens
        raise SourceError(GapReason.UNSUPPORTED, f"{url}: only rtsp and rtsps are spoken here")

    async def opened(address: str, context: ssl.SSLContext | None) -> RtspSession:
        name = None if context is None else url.host
        _transport, session = await asyncio.get_running_loop().create_connection(
            lambda: RtspSession(clock), address, url.port, ssl=context, server_hostname=name
        )
        return session

    return await reach(approach, await resolve(url.host, url.port, approach.networks), opened)


async def reach(
    approach: Approach, addresses: Sequence[str], opened: Callable[[str, ssl.SSLContext | None], Awaitable[R]]
) -> R:
    """What `opened` makes of the first of the camera's addresses, which were checked, that answers."""
    *earlier, last = addresses
    for address in earlier:
        try:
            return await _reach_at(address, approach, opened)
        except SourceError as error:
            if error.reason not in ELSEWHERE:
                raise
    try:
        return await _reach_at(last, approach, opened)
    except SourceError as error:
        if not earlier or error.reason not in ELSEWHERE:
            raise
        also = ", ".join(earlier)
        host = approach.url.host
        raise SourceError(error.reason, f"{error}; the other addresses of {host} did no better: {also}") from error


async def _reach_at(
    address: str, approach: Approach, opened: Callable[[str, ssl.SSLContext | None], Awaitable[R]]
) -> R:
    url = approach.url
    where = f"{address}:{url.port}"
    secured = url.scheme in ENCRYPTED
    timeout_s = CONNECT_TIMEOUT_S + (TLS_TIMEOUT_S if secured else 0)
    context = tls.context_for(approach) if secured else None
    try:
        async with asyncio.timeout(timeout_s):
            reached = await opened(address, context)
    except ssl.SSLError as error:
        raise tls.refusal(where, error) from error
    except ConnectionRefusedError as error:
        raise SourceError(GapReason.REFUSED, f"{where} refuses connections (ECONNREFUSED)") from error
    except TimeoutError as error:
        raise SourceError(GapReason.UNREACHABLE, f"{where} does not answer within {timeout_s:.0f} s") from error
    except (ConnectionResetError, ConnectionAbortedError) as error:
        if not secured:
            raise SourceError(GapReason.UNREACHABLE, f"{where}: {error_name(error)}") from error
        raise SourceError(
            GapReason.TLS, f"{where} hung up on the TLS handshake: no TLS 1.2 or newer, or none"
        ) from error
    except OSError as error:
        raise SourceError(GapReason.UNREACHABLE, f"{where}: {error_name(error)}") from error
    if secured and approach.tls_pin:
        try:
            tls.check_pin(reached.certificate, approach.tls_pin)
        except SourceError:
            reached.close()
            raise
    return reached
