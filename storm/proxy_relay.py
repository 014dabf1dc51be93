"""The proxy inside an event loop: who may connect, what the link suffers, which connections there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from media.errors import UsageError
from storm.proxy_connection import Connection
from storm.proxy_door import Door
from storm.proxy_faults import Conditions, LostAnswers
from storm.proxy_wire import Lane, Weather

if TYPE_CHECKING:
    import socket

    from storm.proxy_faults import LinkFault
    from storm.proxy_wire import Timers

MAX_CONNECTIONS = 256
"""Who comes then waits to be accepted until somebody leaves."""


class Relay:
    """Carries connections from a port of its own to an upstream address, under faults that come and go."""

    def __init__(self, host: str, port: int, *, timers: Timers | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._upstream = (host, port)
        self._weather = Weather(timers or self._loop)
        self.up, self.down = Lane(self._weather), Lane(self._weather)
        self.connections: dict[Connection, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._faults: list[LinkFault] = []
        self._orders: list[LostAnswers] = []
        self._one_change = asyncio.Lock()
        self._listening: socket.socket | None = None
        self._door = Door()
        self.port = self._door.port

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._let_in(Conditions())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._unwatch_door()
        self._door.close()
        await self._reset()
        await self._tasks.__aexit__(None, None, None)  # an error of the block stays what it is

    async def begin(self, fault: LinkFault) -> None:
        """A fault lasts from now on, beside those that last already."""
        await self._become([*self._faults, fault])

    async def end(self, fault: LinkFault) -> None:
        """A fault that was begun is over."""
        remaining = list(self._faults)
        if fault not in remaining:
            raise UsageError(f"{fault} has not begun")
        remaining.remove(fault)
        await self._become(remaining)

    async def reset(self) -> int:
        """RST to both ends of every connection; returns how many there were."""
        async with self._one_change:
            return await self._reset()

    def lose_answers(self, to: bytes, count: int) -> LostAnswers:
        """Lose the answers to the next `count` requests that contain `to`."""
        self._orders[:] = [order for order in self._orders if order.left]
        order = LostAnswers(to=to, left=count)
        self._orders.append(order)
        return order

    async def _become(self, faults: list[LinkFault]) -> None:
        self._faults = faults
        async with self._one_change:
            before, now = self._weather.now, Conditions.under(self._faults)
            self._weather.change(now)
            if before.vanished and not now.vanished:
                await self._reset()
            if now.welcome is not before.welcome:
                self._let_in(now)
            if now.vanished:
                await self._freeze()
            elif now.down:
                await self._reset()

    async def _freeze(self) -> None:
        """Stop carrying, and leave every socket open: neither end hears anything."""
        for task in self.connections.values():
            task.cancel()
        if self.connections:
            await asyncio.wait(self.connections.values())

    async def _reset(self) -> int:
        hit = list(self.connections)
        await self._freeze()
        for connection in hit:
            connection.reset()
            self._forget(connection)
        return len(hit)

    # Coming and going

    def _let_in(self, conditions: Conditions) -> None:
        self._unwatch_door()
        self._listening = self._door.set(conditions.welcome)
        self._watch_door()

    def _watch_door(self) -> None:
        if self._listening is not None and len(self.connections) < MAX_CONNECTIONS:
            self._loop.add_reader(self._listening, self._accept)

    def _unwatch_door(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening = None

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            client, _ = self._listening.accept()
        except (BlockingIOError, ConnectionError):
            return  # it has left again
        connection = Connection(client, self.up, self.down, self._orders)
        self.connections[connection] = self._tasks.create_task(self._carry(connection))
        if len(self.connections) >= MAX_CONNECTIONS:
            self._loop.remove_reader(self._listening)

    async def _carry(self, connection: Connection) -> None:
        await connection.run(self._upstream)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self.connections.pop(connection, None)
        self._watch_door()
