"""Which addresses a camera may have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ingest import network
from ingest.approach import Approach
from ingest.connect import connect
from ingest.network import allowed, resolve
from media.errors import GapReason, SourceError
from media.url import CameraUrl
from storage.clock import FakeClock


@pytest.mark.parametrize("address", ["10.17.0.11", "192.168.1.64", "172.16.3.3", "203.0.113.9", "fd00::17"])
def test_cameras_live_in_private_networks(address: str) -> None:
    """Unlike with a web service, a private address is the normal case."""
    assert allowed(address, ())


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "::1", "169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"],
)
def test_this_host_and_the_link_are_out_of_bounds(address: str) -> None:
    """A camera's URL must not lead to the recorder's own services or to a cloud's metadata service."""
    assert not allowed(address, ())
    assert not allowed(address, ("10.17.0.0/24",))


def test_a_sites_networks_are_all_that_is_allowed() -> None:
    """Listing networks narrows, and is the only way to allow loopback."""
    assert allowed("10.17.0.11", ("10.17.0.0/24",))
    assert not allowed("10.18.0.11", ("10.17.0.0/24",))
    assert allowed("127.0.0.1", ("127.0.0.0/8",))


async def test_an_address_out_of_bounds_is_named_with_a_hint() -> None:
    """The operator learns what to put into the configuration."""
    with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught:
        await resolve("127.0.0.1", 554, ())
    assert caught.value.reason is GapReason.UNSUPPORTED
    assert "networks" in caught.value.hint


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::1]", "[::ffff:7f00:1]"])
async def test_however_an_address_is_written_it_is_the_address_that_counts(host: str) -> None:
    """What the C library reads in decimal, octal and hexadecimal, and in fewer parts than four."""
    with pytest.raises(SourceError, match="networks"):
        await resolve(CameraUrl.parse(f"rtsp://{host}/").host, 554, ())


async def test_this_host_has_other_addresses_than_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its services listen there as well; where the site lists it, a camera may be on it."""
    assert network.is_this_host("127.0.0.1")
    assert not network.is_this_host("192.0.2.1")
    monkeypatch.setattr(network, "is_this_host", lambda address: address == "10.17.0.5")
    with pytest.raises(SourceError, match="networks"):
        await resolve("10.17.0.5", 554, ())
    assert await resolve("10.17.0.5", 554, ("10.17.0.0/24",)) == ["10.17.0.5"]
    assert await resolve("10.17.0.6", 554, ()) == ["10.17.0.6"]


async def test_a_name_that_does_not_resolve_is_a_dns_gap() -> None:
    """`.invalid` never resolves (RFC 2606)."""
    with pytest.raises(SourceError, match=r"camera\.invalid") as caught:
        await resolve("camera.invalid", 554, ())
    assert caught.value.reason is GapReason.DNS


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "2001:0:7f00:1::",
        "fe80::1%eth0",
        "255.255.255.255",
        "ff02::1",
        "",
        "localhost",
        "010.0.0.1",
    ],
)
def test_no_spelling_leads_around_the_rule(address: str) -> None:
    """IPv4 inside of IPv6, as gateways unpack it; zones; what is no address at all."""
    assert not allowed(address, ())


def test_an_address_inside_of_another_is_no_member_of_a_network() -> None:
    """Only the mapped form is the same address; a gateway is another machine."""
    assert allowed("::ffff:10.17.0.11", ("10.17.0.0/24",))
    assert not allowed("64:ff9b::a11:b", ("10.17.0.0/24",))
    assert not allowed("10.17.0.11", ("fd00::/8",))


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to something else the next time, which is how checks are led astray."""
    answers = iter([["10.0.0.7", "127.0.0.1"], ["127.0.0.1"]])
    connected: list[str] = []

    async def look_up(host: str, port: int, **_kind: object) -> list[tuple[object, ...]]:
        await asyncio.sleep(0)
        return [(2, 1, 6, "", (address, port)) for address in (next(answers) if host == "camera" else [host])]

    async def connect_to(_protocol: object, host: str, port: int, **_how: object) -> None:
        await asyncio.sleep(0)
        connected.append(f"{host}:{port}")
        raise ConnectionRefusedError

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", look_up)
    monkeypatch.setattr(loop, "create_connection", connect_to)
    approach = Approach(url=CameraUrl.parse("rtsp://camera/"))
    with pytest.raises(SourceError, match="refuses"):
        await connect(approach, FakeClock())
    assert connected == ["10.0.0.7:554"]
    with pytest.raises(SourceError, match="networks"):
        await connect(approach, FakeClock())
    assert connected == ["10.0.0.7:554"]


@pytest.mark.parametrize(
    ("found", "tried"),
    [
        (["10.0.0.7", "10.0.0.8", "fd00::9"], ["10.0.0.7", "10.0.0.8", "fd00::9"]),
        (["10.0.0.7", "127.0.0.1", "10.0.0.7", "10.0.0.8"], ["10.0.0.7", "10.0.0.8"]),
        ([f"10.0.0.{number}" for number in range(200)], ["10.0.0.0", "10.0.0.1", "10.0.0.2"]),
    ],
)
async def test_a_name_with_several_addresses_is_tried_at_each(
    monkeypatch: pytest.MonkeyPatch, found: list[str], tried: list[str]
) -> None:
    """Those that are allowed, once each, and not for ever; where none does, all of them are named."""
    connected = _name_server(monkeypatch, found, ConnectionRefusedError())
    with pytest.raises(
        SourceError, match=f"{tried[-1]}:554 refuses .*did no better: {', '.join(tried[:-1])}"
    ) as caught:
        await connect(Approach(url=CameraUrl.parse("rtsp://camera/")), FakeClock())
    assert caught.value.reason is GapReason.REFUSED
    assert connected == tried


async def test_who_is_not_believed_is_no_reason_to_try_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is there, and not the camera."""
    connected = _name_server(monkeypatch, ["10.0.0.7", "10.0.0.8"], ConnectionResetError())
    with pytest.raises(SourceError, match=r"10\.0\.0\.7:322") as caught:
        await connect(Approach(url=CameraUrl.parse("rtsps://camera/")), FakeClock())
    assert caught.value.reason is GapReason.TLS
    assert connected == ["10.0.0.7"]


async def test_the_address_that_answers_is_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real connection: the first address of the name refuses, the second one has a listener."""
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.2", 0)
    port = listener.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def look_up(host: str, _port: int, **kind: Any) -> list[tuple[object, ...]]:
        addresses = ["127.0.0.1", "127.0.0.2"] if host == "camera" else [host]
        return [entry for address in addresses for entry in await real(address, port, **kind)]

    approach = Approach(url=CameraUrl.parse(f"rtsp://camera:{port}/"), networks=("127.0.0.0/8",))
    monkeypatch.setattr(loop, "getaddrinfo", look_up)
    session = await connect(approach, FakeClock())
    assert session.peers(()).camera == "127.0.0.2"
    session.close()
    listener.close()


def _name_server(monkeypatch: pytest.MonkeyPatch, found: list[str], error: Exception) -> list[str]:
    """A name server that knows these addresses, each of which fails with an error: which ones were connected to."""
    connected: list[str] = []

    async def look_up(_host: str, port: int, **_kind: object) -> list[tuple[object, ...]]:
        await asyncio.sleep(0)
        return [(2, 1, 6, "", (address, port)) for address in found]

    async def connect_to(_protocol: object, host: str, _port: int, **_how: object) -> None:
        await asyncio.sleep(0)
        connected.append(host)
        raise error

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", look_up)
    monkeypatch.setattr(loop, "create_connection", connect_to)
    return connected
