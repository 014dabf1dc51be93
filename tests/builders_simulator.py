"""A small RTSP client made of the kernel's parts, and files for the simulator to play."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from media.h264 import H264Depacketizer
from media.interleaved import InterleavedReader
from media.nal import split_length_prefixed
from media.rtcp import SenderReport, parse_sender_report
from media.rtp import RtpReceiver
from media.rtsp import Headers, Request, Response, parse_rtp_info
from media.rtsp_auth import authorize, parse_challenges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from types import TracebackType

    from media.access_unit import AccessUnit
    from simulator import Credentials

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


class RtspReader(asyncio.BufferedProtocol):
    """One connection to one camera, as a test wants it: requests one by one, and everything received kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.units: list[AccessUnit] = []
        self.reports: list[SenderReport] = []
        self.channels: set[int] = set()
        self.closed = False
        self.error: Exception | None = None
        """What the connection was lost by; None if it was closed."""
        self.transport: asyncio.Transport
        self.receiver = RtpReceiver(96, H264Depacketizer(self.units.append))
        self.session = ""
        self._framing = InterleavedReader(self._packet, self._message)
        self._responses: asyncio.Queue[Response] = asyncio.Queue()
        self._cseq = count(1)
        self._changed = asyncio.Event()

    async def ask(self, method: str, url: str = "", **fields: str) -> Response:
        """Send a request and wait for its response. `Session` is added once there is one; None leaves a field out."""
        headers = {"CSeq": str(next(self._cseq)), **({"Session": self.session} if self.session else {}), **fields}
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items() if value]
        self.transport.write(Request(method=method, url=url or self.url, headers=Headers(pairs)).to_bytes())
        return await asyncio.wait_for(self._responses.get(), 10)

    async def ask_as(self, login: Credentials, scheme: str, method: str) -> Response:
        """The same with the login, after the challenge of a first try."""
        refused = await self.ask(method)
        offers = [challenge for challenge in parse_challenges(refused.headers) if challenge.scheme.lower() == scheme]
        answer = authorize(offers, method, self.url, login.username, login.password, nonce_count=1, cnonce="00ff")
        return await self.ask(method, Authorization=answer or "")

    async def set_up(self, transport: str = TCP) -> Response:
        """SETUP of the track."""
        response = await self.ask("SETUP", f"{self.url}/track1", Transport=transport)
        self.session = response.headers.get("Session", "").partition(";")[0]
        return response

    async def play(self) -> Response:
        """SETUP and PLAY."""
        await self.set_up()
        return await self.ask("PLAY")

    async def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        """Wait until something received makes the condition true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def take(self, count: int) -> list[AccessUnit]:
        """The first `count` access units of this session."""
        await self.until(lambda: len(self.units) >= count)
        return self.units[:count]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Hung up, by either side."""
        self.closed, self.error = True, error
        self._changed.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        del sizehint
        return self._framing.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        self._framing.received(nbytes)
        self._changed.set()

    def _packet(self, channel: int, buffer: bytearray, start: int, end: int) -> None:
        self.channels.add(channel)
        if channel % 2 == 0:
            self.receiver.receive(buffer, start, end)
        elif (report := parse_sender_report(buffer, start, end)) is not None:
            self.reports.append(report)

    def _message(self, message: Request | Response) -> None:
        assert isinstance(message, Response)
        self._responses.put_nowait(message)


@asynccontextmanager
async def connect(url: str, kind: type[RtspReader] = RtspReader) -> AsyncIterator[RtspReader]:
    """A connection to a camera, hung up in the end."""
    parts = urlsplit(url)
    _, reader = await asyncio.get_running_loop().create_connection(lambda: kind(url), parts.hostname, parts.port)
    try:
        yield reader
    finally:
        reader.transport.abort()
        await reader.until(lambda: reader.closed)


def rtp_start(response: Response) -> tuple[int | None, int | None]:
    """Sequence number and timestamp that a PLAY response promises."""
    (track,) = parse_rtp_info(response.headers["RTP-Info"])
    return track.sequence, track.rtp_timestamp


def nals(unit: AccessUnit) -> list[bytes]:
    """The NAL units of an access unit."""
    return split_length_prefixed(unit.nals)


def make_film(path: Path, *, frames: int = 30, fps: int = 15, b_frames: int = 0, container_options: str = "") -> Path:
    """A small H.264 file with a moving picture; with B-frames its decode order differs from its presentation order."""
    profile = "main" if b_frames else "baseline"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={fps}"]
    command += ["-frames:v", str(frames), "-an", "-c:v", "libx264", "-profile:v", profile, "-pix_fmt", "yuv420p"]
    command += ["-g", "15", "-bf", str(b_frames), "-x264-params", "b-pyramid=none:scenecut=0:threads=1"]
    subprocess.run([*command, *container_options.split(), str(path)], check=True, timeout=60)
    return path


def film_units(path: Path) -> list[tuple[int, list[bytes]]]:
    """What the file holds, read by ffprobe's sibling and not by the simulator: (pts, NAL units) in decode order."""
    import av

    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return [(packet.pts or 0, split_length_prefixed(bytes(packet))) for packet in packets]


class UdpEars:
    """Two ports for RTP and RTCP, and what came there: as bytes, in order."""

    def __init__(self) -> None:
        self.rtp, self.rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for ear in (self.rtp, self.rtcp):
            ear.bind(("127.0.0.1", 0))
            ear.setblocking(False)

    @property
    def ports(self) -> tuple[int, int]:
        """Where they are."""
        return self.rtp.getsockname()[1], self.rtcp.getsockname()[1]

    @property
    def transport(self) -> str:
        """What to ask for in SETUP."""
        rtp, rtcp = self.ports
        return f"RTP/AVP;unicast;client_port={rtp}-{rtcp}"

    async def take(self, count: int, ear: socket.socket | None = None) -> list[bytes]:
        """The next `count` datagrams, of the packets unless the other ear is given."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            return [await loop.sock_recv(ear or self.rtp, 65_536) for _ in range(count)]

    def close(self) -> None:
        """Hear no more."""
        self.rtp.close()
        self.rtcp.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
