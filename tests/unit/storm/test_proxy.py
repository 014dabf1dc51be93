"""The fault proxy breaks connections as asked: reset, down, vanished, and answers that get lost."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from media.errors import UsageError
from storm import proxy_relay
from storm.proxy import Bandwidth, Down, FaultProxy, Latency, Vanished
from storm.proxy_wire import PIECE_MIN_BYTES
from tests.loopback_server import LoopbackServer, loopback_server
from tests.ports import free_port
from tests.waiting import eventually

SHORT_S = 0.3
"""For what must not come; what must has longer."""
"""A client's own timeout, where the point is that it is what ends the wait."""


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    """Answers each block with the same block."""
    async with loopback_server() as served:
        yield served


@pytest.fixture
async def link(server: LoopbackServer) -> AsyncIterator[FaultProxy]:
    """The way to that server."""
    with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy


class Client:
    """One connection through a link."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)

    async def connect(self, link: FaultProxy, seconds: float = 20) -> None:
        """TimeoutError after that time."""
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(self.socket, ("127.0.0.1", link.port))

    async def say(self, request: bytes) -> None:
        """Send."""
        await asyncio.get_running_loop().sock_sendall(self.socket, request)

    async def hear(self, seconds: float = 20) -> bytes:
        """What comes next; TimeoutError if nothing does within that time."""
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65536)

    async def ask(self, request: bytes) -> bytes:
        """Send, and hear."""
        await self.say(request)
        return await self.hear()


class Clients:
    """Any number of them, closed in the end."""

    def __init__(self) -> None:
        self._all: list[Client] = []

    def new(self) -> Client:
        """Not connected yet."""
        self._all.append(Client())
        return self._all[-1]

    async def of(self, link: FaultProxy) -> Client:
        """Connected, and known to be through to the server."""
        client = self.new()
        await client.connect(link)
        assert await client.ask(b"hello") == b"hello"
        return client

    def close(self) -> None:
        """All."""
        for client in self._all:
            client.socket.close()


@pytest.fixture
def clients() -> Iterator[Clients]:
    """Who connects."""
    some = Clients()
    yield some
    some.close()


async def test_without_faults_bytes_and_ends_pass_in_both_directions(
    link: FaultProxy, server: LoopbackServer, clients: Clients
) -> None:
    """A client that has said everything still hears the answer, and then the end."""
    client = await clients.of(link)
    await client.say(b"last words")
    client.socket.shutdown(socket.SHUT_WR)
    assert await client.hear() == b"last words"
    assert await client.hear() == b""
    await eventually("both ends are closed", lambda: server.endings == ["end"] and link.open_connections == 0)
    assert link.passed_bytes == (len(b"hellolast words"), len(b"hellolast words"))


async def test_a_reset_reaches_both_ends_of_every_connection(
    link: FaultProxy, server: LoopbackServer, clients: Clients
) -> None:
    """RST, not FIN, and it says how many it hit; who connects afterwards is served."""
    three = [await clients.of(link) for _ in range(3)]
    assert link.reset() == 3
    for client in three:
        with pytest.raises(ConnectionResetError):
            await client.ask(b"anyone?")
    await eventually("the server hears of it", lambda: server.endings == ["reset"] * 3)
    assert await (await clients.of(link)).ask(b"again") == b"again"


async def test_a_reset_by_one_end_is_passed_on_as_a_reset(
    link: FaultProxy, server: LoopbackServer, clients: Clients
) -> None:
    """The proxy never turns a break into an orderly end."""
    client = await clients.of(link)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST when it is closed
    client.socket.close()
    await eventually("the server hears of it", lambda: server.endings == ["reset"])


async def test_while_down_clients_are_reset_and_refused(link: FaultProxy, clients: Clients) -> None:
    """As when the server's process has ended; when it is over the same port serves again."""
    client, port = await clients.of(link), link.port
    with link.suffering(Down()):
        with pytest.raises(ConnectionResetError):
            await client.ask(b"anyone?")
        with pytest.raises(ConnectionRefusedError):
            await clients.new().connect(link)
    assert link.port == port
    await (await clients.of(link)).ask(b"again")


async def test_a_port_that_refuses_is_nobody_elses(link: FaultProxy) -> None:
    """Otherwise another program could take it during an outage, and the link would never come back."""
    with link.suffering(Down()), socket.socket() as other, pytest.raises(OSError) as caught:  # noqa: PT011 - errno follows
        other.bind(("127.0.0.1", link.port))
    assert caught.value.errno == errno.EADDRINUSE


async def test_a_vanished_server_leaves_clients_with_their_own_timeout(
    link: FaultProxy, server: LoopbackServer, clients: Clients
) -> None:
    """Half-open: no answer, no end, in either direction; connects hang. When it ends the old connections are reset."""
    client = await clients.of(link)
    with link.suffering(Vanished()):
        await client.say(b"anyone?")
        with pytest.raises(TimeoutError):
            await client.hear(SHORT_S)
        with pytest.raises(TimeoutError):
            await clients.new().connect(link, SHORT_S)
        assert (bytes(server.received), server.endings) == (b"hello", [])
    with pytest.raises(ConnectionResetError):
        await client.hear()
    await eventually("the server's side is reset, too", lambda: server.endings == ["reset"])
    await (await clients.of(link)).ask(b"again")


async def test_a_client_that_leaves_a_vanished_server_is_not_heard_there(
    link: FaultProxy, server: LoopbackServer, clients: Clients
) -> None:
    """The server keeps the connection of a client that has long gone, as servers do."""
    client = await clients.of(link)
    with link.suffering(Vanished(refuses=True)):
        client.socket.close()
        with pytest.raises(ConnectionRefusedError):
            await clients.new().connect(link)
        assert server.endings == []


async def test_faults_that_overlap_end_one_by_one(link: FaultProxy, clients: Clients) -> None:
    """The link is whole again when the last of them is over, not the first."""
    link.begin(Down())
    link.begin(Vanished())
    link.end(Down())
    with pytest.raises(TimeoutError):
        await clients.new().connect(link, SHORT_S)
    link.begin(Vanished(refuses=True))
    link.end(Vanished())
    with pytest.raises(ConnectionRefusedError):
        await clients.new().connect(link)
    link.end(Vanished(refuses=True))
    await clients.of(link)


async def test_a_lost_answer_was_given_and_is_never_heard(
    link: FaultProxy, server: LoopbackServer, clients: Clients
) -> None:
    """The server has the whole request; the client is reset. Other requests are answered, and only one is hit."""
    client, other = await clients.of(link), await clients.of(link)
    lost = link.lose_answers(to=b"COMMIT")
    assert await client.ask(b"INSERT") == b"INSERT"
    with pytest.raises(ConnectionResetError):
        await client.ask(b"COMMIT 1")
    assert await other.ask(b"COMMIT 2") == b"COMMIT 2"
    assert b"COMMIT 1" in server.received
    assert (lost.left, lost.lost) == (0, 1)


async def test_a_request_is_recognised_across_two_packets(clients: Clients) -> None:
    """As it comes in pieces, so it must be found in pieces: here the second one has its last three bytes."""
    async with loopback_server(lambda block: b"done" if block.endswith(b"MIT") else b"") as server:
        with FaultProxy("127.0.0.1", server.port) as link:
            client = clients.new()
            await client.connect(link)
            lost = link.lose_answers(to=b"COMMIT")
            with link.suffering(Bandwidth(bits_per_s=80_000)), pytest.raises(ConnectionResetError):
                await client.ask(bytes(PIECE_MIN_BYTES - 3) + b"COMMIT")
            assert lost.lost == 1


async def test_an_answered_request_is_not_remembered(link: FaultProxy, clients: Clients) -> None:
    """Once answered, what was asked has no part in what is asked next: not even its last bytes."""
    client = await clients.of(link)
    lost = link.lose_answers(to=b"COMMIT")
    assert await client.ask(b"COM") == b"COM"
    assert await client.ask(b"MIT") == b"MIT"
    with pytest.raises(ConnectionResetError):
        await client.ask(b"COMMIT")
    again = link.lose_answers(to=b"COMMIT and more")
    client = await clients.of(link)
    assert await client.ask(b"COMMIT") == b"COMMIT"
    assert await client.ask(b"SELECT") == b"SELECT"
    assert (lost.lost, again.lost) == (1, 0)


async def test_as_many_answers_are_lost_as_were_ordered(link: FaultProxy, clients: Clients) -> None:
    """With no request named it is the next ones, whatever they are."""
    lost = link.lose_answers(count=2)
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await clients.of(link)
    await clients.of(link)
    assert (lost.left, lost.lost) == (0, 2)


async def test_an_upstream_that_refuses_is_a_reset(clients: Clients) -> None:
    """The proxy has accepted before it knows; the client learns it at once all the same."""
    with FaultProxy("127.0.0.1", free_port()) as link, pytest.raises(ConnectionResetError):
        await clients.of(link)


async def test_more_connections_than_its_bound_wait_to_be_accepted(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, clients: Clients
) -> None:
    """They are served as others leave."""
    monkeypatch.setattr(proxy_relay, "MAX_CONNECTIONS", 2)
    with FaultProxy("127.0.0.1", server.port) as link:
        first, _second = await clients.of(link), await clients.of(link)
        third = clients.new()
        await third.connect(link)
        await third.say(b"me, too")
        with pytest.raises(TimeoutError):
            await third.hear(SHORT_S)
        assert link.open_connections == 2
        first.socket.close()
        assert await third.hear() == b"me, too"


def test_faults_out_of_bounds_are_refused() -> None:
    """Each names what it may be."""
    for ask in (lambda: Latency(ms=0), lambda: Latency(ms=60_001), lambda: Bandwidth(bits_per_s=999)):
        with pytest.raises(UsageError, match=r"\d"):
            ask()


async def test_only_what_was_begun_can_end(link: FaultProxy) -> None:
    """A script that ends the wrong fault hears of it."""
    link.begin(Latency(ms=10))
    with pytest.raises(UsageError, match="has not begun"):
        link.end(Latency(ms=11))
    with pytest.raises(UsageError, match="at least one"):
        link.lose_answers(count=0)


async def test_what_breaks_inside_the_proxy_is_not_swallowed(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, clients: Clients
) -> None:
    """A defect of the proxy ends the test that used it, instead of looking like a fault that was asked for."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(proxy_relay.Connection, "run", broken)
    link = FaultProxy("127.0.0.1", server.port).__enter__()
    with suppress(ConnectionResetError):  # it may break before the connect returns
        await clients.new().connect(link)
    await eventually("it has broken", link._served.done)
    with pytest.raises(ExceptionGroup) as caught:
        link.__exit__()
    assert caught.group_contains(ZeroDivisionError)
