"""A server on loopback that keeps what it gets and answers as it is told: the other end of a link under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class LoopbackServer:
    """What came in so far, over all connections in the order of arrival, and how each connection ended."""

    answer: Callable[[bytes], bytes]
    port: int = 0
    received: bytearray = field(default_factory=bytearray)
    endings: list[str] = field(default_factory=list)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.add(writer)
        try:
            while block := await reader.read(65536):
                self.received += block
                writer.write(self.answer(block))
                await writer.drain()
            self.endings.append("end")
        except ConnectionResetError:
            self.endings.append("reset")
        finally:
            writer.close()


def echo(block: bytes) -> bytes:
    """The same again."""
    return block


def nothing(block: bytes) -> bytes:
    """No answer."""
    return b""


@asynccontextmanager
async def loopback_server(answer: Callable[[bytes], bytes] = echo) -> AsyncIterator[LoopbackServer]:
    """A server in this event loop."""
    served = LoopbackServer(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
        for writer in served.writers:
            writer.transport.abort()
