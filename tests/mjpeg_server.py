"""A web camera of our own making: real JPEG pictures as multipart/x-mixed-replace over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

from tests.waiting import eventually

BOUNDARY = "frontier"
WIDTH, HEIGHT = 320, 240


def jpeg(number: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A picture that is known by its number: 16 bits as black and white columns, on a grey that goes with it."""
    picture = np.full((height, width, 3), 60 + number % 100, np.uint8)
    column = width // 16
    for bit in range(16):
        picture[: height // 2, bit * column : (bit + 1) * column] = 235 if number >> bit & 1 else 20
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@dataclass
class WebCamera:
    """Sends pictures to whoever asks, 25 a second, and remembers which."""

    picture: Callable[[int], bytes] = jpeg
    head: bytes = f"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\n\r\n".encode()
    interval_s: float = 0.04
    tls: ssl.SSLContext | None = None
    port: int = 0
    sent: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    going_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: it keeps the connection and says nothing."""
    connections: int = 0

    @property
    def url(self) -> str:
        """Where."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/video.mjpg"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.head)
            while self.interval_s:
                await self.going_on.wait()
                picture = self.picture(len(self.sent))
                part = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
                writer.write(part + picture + b"\r\n")
                self.sent.append(picture)
                await writer.drain()
                await asyncio.sleep(self.interval_s)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self.connections -= 1


@asynccontextmanager
async def web_camera(**how: object) -> AsyncIterator[WebCamera]:
    """A camera on loopback for the length of a block."""
    camera = WebCamera(**how)  # type: ignore[arg-type]
    camera.going_on.set()
    server = await asyncio.start_server(camera.serve, "127.0.0.1", 0, ssl=camera.tls)
    camera.port = server.sockets[0].getsockname()[1]
    try:
        yield camera
    finally:
        camera.going_on.set()
        camera.interval_s = 0
        server.close()
        await server.wait_closed()
        await eventually("nobody watches", lambda: not camera.connections)
