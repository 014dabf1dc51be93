"""How a role answers for itself: one JSON document on a Unix socket, to whoever connects.

A role that answers is alive *and* its event loop turns: the supervisor takes silence for a hang. `serve` reads the same
document for the API, `hulta status` for people. The document is small, so there is no protocol: connect, read to the
end.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from storage.unix_address import unix_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

MAX_DOCUMENT_BYTES = 16 << 20
ANSWER_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def answering(path: Path, state: Callable[[], Mapping[str, Any]]) -> AsyncIterator[None]:
    """Answer on `path` while the block runs. Only the holder of the role's lock may call this."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                writer.write(json.dumps(state()).encode())
                await writer.drain()
        except (ConnectionError, TimeoutError):
            log.debug("status_reader_left")
        finally:
            writer.close()

    _remove(path)  # a killed predecessor's
    with unix_address(path) as address:
        server = await asyncio.start_unix_server(answer, address)
    try:
        yield
    finally:
        server.close()
        _remove(path)


async def read_status(path: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any] | None:
    """The role's document, or None if nobody answers in time."""
    try:
        async with asyncio.timeout(timeout_s):
            with unix_address(path) as address:
                reader, writer = await asyncio.open_unix_connection(address, limit=MAX_DOCUMENT_BYTES)
            try:
                document = json.loads(await _read_to_end(reader))
            finally:
                writer.close()
    except (OSError, ValueError, TimeoutError):
        return None
    return document if isinstance(document, dict) else None


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    while block := await reader.read(1 << 16):
        received += block
        if len(received) > MAX_DOCUMENT_BYTES:
            raise ValueError("a status document is never this large")
    return bytes(received)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
