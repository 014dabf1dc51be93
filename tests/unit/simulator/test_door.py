"""Addresses that answer, and addresses that refuse."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from media.errors import ConfigError
from simulator import CameraOptions, Simulator, SimulatorOptions
from simulator.door import loopback_address
from tests.builders_simulator import connect

CITY = tuple(
    CameraOptions(name=name, site=site, bitrate_bps=200_000, fps=5)
    for site, name in (("norrby", "norrby 1-a"), ("norrby", "norrby 1-b"), ("hulta", "hulta-1-a"))
)
FLEET = SimulatorOptions(port=0, fleet=CITY)
ALIKE = SimulatorOptions(port=0, cameras=2, fps=5, bitrate_bps=200_000)


async def _refused(url: str) -> bool:
    parts = urlsplit(url)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


@pytest.mark.parametrize(
    ("site", "camera", "address"),
    [(0, 0, "127.1.1.1"), (16, 1, "127.1.17.2"), (249, 0, "127.1.250.1"), (250, 252, "127.2.1.253")],
)
def test_every_camera_has_an_address_of_its_own(site: int, camera: int, address: str) -> None:
    """Counted from the file: the first camera of the first site is the first address."""
    assert loopback_address(site, camera) == address


@pytest.mark.parametrize(("site", "camera"), [(0, 253), (63_500, 0)])
def test_more_cameras_than_addresses_are_refused(site: int, camera: int) -> None:
    """Loopback is large, and has an end."""
    with pytest.raises(ConfigError, match="at most"):
        loopback_address(site, camera)


async def test_a_fleet_is_a_camera_an_address() -> None:
    """On one port, each under its own name, and at its own address only."""
    async with Simulator(FLEET) as simulator:
        urls = simulator.urls
        port = urlsplit(urls[0]).port
        assert [url.removeprefix("rtsp://") for url in urls] == [
            f"127.1.1.1:{port}/norrby%201-a",
            f"127.1.1.2:{port}/norrby%201-b",
            f"127.1.2.1:{port}/hulta-1-a",
        ]
        for url in urls:
            async with connect(url) as reader:
                await reader.play()
                await reader.take(1)
        async with connect(urls[0]) as reader:
            assert (await reader.ask("DESCRIBE", urls[0].replace("1-a", "1-b"))).status == 404


async def test_a_shut_door_refuses_connections_to_one_camera() -> None:
    """Who is connected stays, neighbours notice nothing, and afterwards it is as before."""
    async with Simulator(FLEET) as simulator, connect(simulator.urls[0]) as reader:
        simulator.server.shut("norrby 1-a")
        assert [await _refused(url) for url in simulator.urls] == [True, False, False]
        assert (await reader.ask("OPTIONS")).ok
        await simulator.server.reopen("norrby 1-a")
        assert [await _refused(url) for url in simulator.urls] == [False, False, False]


async def test_cameras_behind_one_door_are_hung_up_on() -> None:
    """The address cannot refuse one of them; it does refuse once all are gone."""
    async with Simulator(ALIKE) as simulator, connect(simulator.urls[0]) as one, connect(simulator.urls[1]) as two:
        simulator.server.shut("cam/0001")
        one.transport.write(b"DESCRIBE " + one.url.encode() + b" RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        await one.until(lambda: one.closed)
        assert (await two.ask("DESCRIBE")).ok
        simulator.server.shut("cam/0002")
        assert await _refused(simulator.urls[1])
        await simulator.server.reopen("cam/0001")
        assert not await _refused(simulator.urls[1])


async def test_who_is_connected_is_known_by_camera() -> None:
    """By the address in a fleet, by what was asked for otherwise."""
    async with Simulator(FLEET) as simulator, connect(simulator.urls[1]) as reader:
        assert (await reader.ask("OPTIONS", "*")).ok
        assert [len(simulator.server.connections_of(camera.name)) for camera in CITY] == [0, 1, 0]
    async with Simulator(ALIKE) as simulator, connect(simulator.urls[1]) as reader:
        assert (await reader.ask("DESCRIBE")).ok
        assert [len(simulator.server.connections_of(name)) for name in simulator.cameras] == [0, 1]


async def test_a_port_of_its_own_that_is_taken_is_named() -> None:
    """With the address it is taken on, and what was opened before is given back."""
    async with Simulator(FLEET) as simulator:
        port = urlsplit(simulator.urls[0]).port or 0
        other = SimulatorOptions(port=port, fleet=(*CITY[1:], CITY[0]))
        with pytest.raises(ConfigError, match=rf"127\.1\.1\.1:{port}"):
            async with Simulator(other):
                pytest.fail("two simulators listen on one port")
