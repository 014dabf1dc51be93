"""Reads a simulated camera over RTSP and TCP and looks at nothing: the load of `simulator`, the floor of `ingest`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from media.rtsp import Headers, Request

ARRIVED_BYTES = 20_000
"""More than any handshake: so much from a camera means that pictures come."""

CONNECTS_PER_SECOND = 50
_HANDSHAKE_S = 10.0


class Reader(asyncio.BufferedProtocol):
    """SETUP, PLAY, and whatever comes goes to `take`; the memory is only valid during the call."""

    _space = memoryview(bytearray(128 << 10))  # all readers share it: everything is taken at once

    def __init__(self, url: str, take: Callable[[memoryview], object]) -> None:
        self.lost = False
        self.playing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._url = url
        self._take = take
        self._transport: asyncio.Transport
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the track."""
        self._transport = transport  # type: ignore[assignment] # uvloop's is one without saying so
        fields = {"CSeq": "1", "Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        self._ask("SETUP", f"{self._url}/track1", fields)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """The same space again and again."""
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Take it; play once the session is there."""
        if self.playing.done():
            self._take(self._space[:nbytes])
            return
        self._head += bytes(self._space[:nbytes])
        if b"\r\n\r\n" in self._head:
            session = self._head.partition(b"Session: ")[2].partition(b";")[0].decode()
            self._ask("PLAY", self._url, {"CSeq": "2", "Session": session})
            self.playing.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """Noted: a dropped reader would make the figure too good."""
        self.lost = True

    def _ask(self, method: str, url: str, fields: dict[str, str]) -> None:
        self._transport.write(Request(method=method, url=url, headers=Headers(fields)).to_bytes())


async def read(url: str, take: Callable[[memoryview], object]) -> Reader:
    """Connect to a camera and have it play. Connects are spaced as the product spaces them."""
    parts = urlsplit(url)
    await asyncio.sleep(1 / CONNECTS_PER_SECOND)
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(partial(Reader, url, take), parts.hostname or "", parts.port or 0)
    await asyncio.wait_for(reader.playing, _HANDSHAKE_S)
    return reader
