"""One connection through the proxy: a client's socket, a server's socket, and what is under way between them."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from storm.proxy_wire import UnderWay

if TYPE_CHECKING:
    from collections.abc import Callable

    from storm.proxy_faults import LostAnswers
    from storm.proxy_wire import Lane

BLOCK_BYTES = 64 * 1024
CONNECT_S = 5

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""struct linger: on, 0 s. Closing then sends RST and forgets what was unsent (socket(7), SO_LINGER)."""


class AnswerLost(ConnectionError):  # noqa: N818 - what happens here is no mistake
    """The server's answer is here, and goes no further."""


class Requests:
    """Watches what a client asks, for answers that are to be lost."""

    def __init__(self, orders: list[LostAnswers]) -> None:
        self._orders = orders
        self._matched: LostAnswers | None = None
        self._tail = b""

    def asked(self, piece: memoryview) -> None:
        """Bytes go to the server: is this a request whose answer is to be lost? It may lie across two pieces."""
        pending = [order for order in self._orders if order.left]
        if not pending:
            return
        text = self._tail + piece
        self._matched = next((order for order in pending if order.to in text), self._matched)
        kept = max(len(order.to) for order in pending) - 1
        self._tail = text[-kept:] if kept > 0 else b""

    def answered(self) -> None:
        """Bytes come from the server. AnswerLost if they are an answer that is to be lost."""
        order, self._matched, self._tail = self._matched, None, b""
        if order is not None and order.lose_one():
            raise AnswerLost


class Flow:
    """One direction. The window bounds what it holds: who sends faster than the wire carries is not read."""

    def __init__(self, lane: Lane) -> None:
        self.under_way = UnderWay()
        self._lane = lane

    async def take(self, source: socket.socket, seen: Callable[[], None]) -> None:
        """Read one end until it has no more to say; `seen` is called before bytes are on their way."""
        loop = asyncio.get_running_loop()
        block = b"more"
        while block:
            block = await loop.sock_recv(source, min(BLOCK_BYTES, await self.under_way.room_bytes()))
            if block:
                seen()
            self.under_way.put(self._lane.weather.time(), block)

    async def give(self, sink: socket.socket, seen: Callable[[memoryview], None]) -> None:
        """Write to the other end what has been under way long enough; `seen` is called before bytes arrive."""
        while True:
            departed_s, block = await self.under_way.first()
            await self._lane.travel(departed_s)
            if not block:
                sink.shutdown(socket.SHUT_WR)
                return
            await self._deliver(sink, block, seen)
            self.under_way.delivered()

    async def _deliver(self, sink: socket.socket, block: bytes, seen: Callable[[memoryview], None]) -> None:
        loop = asyncio.get_running_loop()
        rest = memoryview(block)
        while rest:
            size = self._lane.piece_bytes()
            piece, rest = rest[:size], rest[size:]
            await self._lane.carry(len(piece))
            seen(piece)
            await loop.sock_sendall(sink, piece)
            self._lane.passed_bytes += len(piece)


class Connection:
    """Carries bytes until both ends have finished, one of them breaks off, or it is stopped in its tracks."""

    def __init__(self, client: socket.socket, up: Lane, down: Lane, orders: list[LostAnswers]) -> None:
        self._client = client
        self._server = socket.socket()
        for one in (self._client, self._server):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = Requests(orders)
        self.up, self.down = Flow(up), Flow(down)

    async def run(self, upstream: tuple[str, int]) -> None:
        """Connect and carry. A break at one end becomes a reset at the other, cancellation leaves both open."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(self._server, upstream)
            await self._carry()
        except* OSError:  # AnswerLost, a reset by one end, an upstream that refuses or does not answer
            self.reset()
        else:
            self._client.close()
            self._server.close()

    async def _carry(self) -> None:
        async with asyncio.TaskGroup() as flows:
            flows.create_task(self.up.take(self._client, _nothing))
            flows.create_task(self.up.give(self._server, self._requests.asked))
            flows.create_task(self.down.take(self._server, self._requests.answered))
            flows.create_task(self.down.give(self._client, _nothing))

    def reset(self) -> None:
        """RST to both ends; what was under way is lost."""
        for one in (self._client, self._server):
            if one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                one.close()


def _nothing(piece: memoryview | None = None) -> None:
    """Where nobody watches."""
