"""Which addresses a camera may have.

Cameras live in private networks, so private addresses are legitimate here; what a camera URL must not reach is this
host itself, by whichever of its addresses, link-local services and multicast, unless the site's `networks` list them.
The address checked is the address connected to: a name is resolved once. Where a camera itself names an address, in a
redirect or in a Transport field, the same is asked again; what it names in URLs of its tracks is never connected to at
all.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.errors import GapReason, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

RESOLVE_TIMEOUT_S = 3

MOST_ADDRESSES = 3
"""Of a name: an IPv6 and an IPv4 address, mostly. Each that does not answer takes 3 s."""

_ANY_PORT = 9
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052


async def resolve(host: str, port: int, networks: Sequence[str]) -> list[str]:
    """The addresses of `host` that the site allows, MOST_ADDRESSES at most, in the order to try them.

    SourceError `dns` or `unsupported` where there is none.
    """
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise SourceError(GapReason.DNS, f"{host}: no answer from the name server") from error
    except (OSError, UnicodeError) as error:
        raise SourceError(GapReason.DNS, f"{host}: the name does not resolve ({error})") from error
    addresses = [str(entry[4][0]) for entry in found]
    found_allowed = [
        address
        for address in dict.fromkeys(addresses)
        if allowed(address, networks) and (networks or not is_this_host(address))
    ]
    if found_allowed:
        return found_allowed[:MOST_ADDRESSES]
    raise SourceError(
        GapReason.UNSUPPORTED,
        f"{_named(host, addresses)}: the site's `networks` do not allow it",
        hint="list the camera's network under the site's `networks`",
    )


def is_this_host(address: str) -> bool:
    """Whether one of this host's own interfaces has the address, loopback or not: services listen at all of them.

    The kernel is asked what it would send from: connecting a datagram socket sends nothing.
    """
    try:
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as question:
            question.connect((address, _ANY_PORT))
            ours: str = question.getsockname()[0]
    except OSError:
        return False  # there is no way to it
    return ipaddress.ip_address(ours.partition("%")[0]) == ipaddress.ip_address(address.partition("%")[0])


def _named(host: str, addresses: Sequence[str]) -> str:
    found = ", ".join(addresses)
    return host if found == host else f"{host} is {found}"


def allowed(address: str, networks: Sequence[str]) -> bool:
    """Whether a camera may have this address, and the IPv4 address inside of it, if there is one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if networks:
        return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)
    return all(_ordinary(each) for each in (ip, *_embedded(ip)))


def _ordinary(ip: IpAddress) -> bool:
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved)


def _embedded(ip: IpAddress) -> list[ipaddress.IPv4Address]:
    """Where gateways between IPv6 and IPv4 would send on: 6to4, Teredo, NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found = [ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def family_of(address: str) -> socket.AddressFamily:
    """Of an address as text."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The two ends of a connection to a camera, and where else the camera may send from."""

    local: str
    camera: str
    networks: Sequence[str] = ()

    def source(self, named: str | None) -> str:
        """Where packets come from, if the camera names an address: that one, as far as the site lists it.

        Cameras behind a translation of addresses name one that means nothing here: then it is the address that is
        connected to. The default rule of addresses is not enough: it allows the whole internet.
        """
        if named and self.networks and allowed(named, self.networks) and family_of(named) == family_of(self.camera):
            return named
        return self.camera
