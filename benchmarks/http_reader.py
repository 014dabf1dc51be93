"""A small HTTP client for measuring: it notes when the first byte of a body came, and costs little itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PIECE_BYTES = 1 << 18
TIMEOUT_S = 60


class UnexpectedAnswer(Exception):  # noqa: N818 - what came, not what is wrong
    """Another status than the one of success."""


@dataclass(frozen=True, slots=True)
class Answer:
    """When what came of one request; `body` is kept only if it was asked for."""

    first_byte_s: float
    seconds: float
    body_bytes: int
    content_bytes: int
    body: bytes


class Connection:
    """One connection to one server, used for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, target: str, *, span: tuple[int, int] | None = None, most: int | None = None) -> Answer:
        """Ask and read. `span` is a byte range, end excluded; after `most` bytes the rest is left unread for good."""
        asked = f"Range: bytes={span[0]}-{span[1] - 1}\r\n" if span else ""
        began = time.perf_counter()
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{asked}\r\n".encode())
        async with asyncio.timeout(TIMEOUT_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first_byte_s, pieces, left = None, [], _content_bytes(head)
            if head.split(b" ", 2)[1] not in {b"200", b"206"}:
                raise UnexpectedAnswer(f"{target}: {(head + await self._reader.read(left)).decode()}")
            content_bytes = left
            left = left if most is None else min(left, most)
            keep, got = left <= PIECE_BYTES * 64, 0
            while got < left:
                piece = await self._reader.read(min(PIECE_BYTES, left - got))
                if not piece:
                    raise ConnectionError(f"{target} ends after {got} of {left} bytes")
                first_byte_s = first_byte_s or time.perf_counter() - began
                got += len(piece)
                if keep:
                    pieces.append(piece)
        seconds = time.perf_counter() - began
        return Answer(first_byte_s or seconds, seconds, got, content_bytes, b"".join(pieces))


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection for the length of a block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * PIECE_BYTES)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def once(port: int, target: str, *, most: int | None = None) -> Answer:
    """One request on a connection of its own."""
    async with connected(port) as connection:
        return await connection.get(target, most=most)


def _content_bytes(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise UnexpectedAnswer(f"an answer without a length: {head!r}")
