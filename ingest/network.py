"""Which addresses a camera may have.

Cameras live in private networks, so private addresses are legitimate here; what a camera URL must not reach is this
host itself, link-local services and multicast, unless the site's `networks` list them. The address checked is the
address connected to: a name is resolved once.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

from media.errors import GapReason, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLVE_TIMEOUT_S = 3


async def resolve(host: str, port: int, networks: Sequence[str]) -> str:
    """The first address of `host` that the site allows. SourceError `dns` or `unsupported` otherwise."""
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise SourceError(GapReason.DNS, f"{host}: no answer from the name server") from error
    except (OSError, UnicodeError) as error:
        raise SourceError(GapReason.DNS, f"{host}: the name does not resolve ({error})") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if allowed(address, networks):
            return address
    raise SourceError(
        GapReason.UNSUPPORTED,
        f"{_named(host, addresses)}: the site's `networks` do not allow it",
        hint="list the camera's network under the site's `networks`",
    )


def _named(host: str, addresses: Sequence[str]) -> str:
    found = ", ".join(addresses)
    return host if found == host else f"{host} is {found}"


def allowed(address: str, networks: Sequence[str]) -> bool:
    """Whether a camera may have this address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if networks:
        return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved)
