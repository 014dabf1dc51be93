"""Where the process of an odd device gets to: to its own camera, as the URL says it is to be spoken to, or nowhere."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ingest.tls import pin_of
from tests.builders_libav import assign, odd
from tests.certificates import certify
from tests.mjpeg_server import web_camera
from tests.waiting import eventually

pytestmark = pytest.mark.scenario

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: "


@pytest.mark.parametrize(
    ("head", "reason", "words"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
            "unreachable",
            "redirect, which is not followed",
        ),
        (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\n\r\n", "auth", "401 Unauthorized"),
        (b"HTTP/1.1 404 No\r\n\r\n", "not_found", "404 Not Found"),
        (
            HEAD
            + b"application/vnd.apple.mpegurl\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
            "unsupported",
            "'hls'",
        ),
        (HEAD + b"video/mp4\r\n\r\n" + b"\xff\x00garbage" * 9000, "unreachable", "libav: "),
        (b"\x00\x01\x02 no HTTP at all\r\n\r\n", "unreachable", "libav: "),
    ],
)
async def test_what_libav_refuses_is_a_sentence(tmp_path: Path, head: bytes, reason: str, words: str) -> None:
    """And nobody else is asked."""
    async with web_camera(head=head, interval_s=0) as camera, odd(tmp_path) as record:
        assign(record, camera.url)
        await eventually("a reason", lambda: record.state(camera.url).get("state") == "failed")
        state = record.state(camera.url)
        assert state["reason"] == reason, state
        assert words in state["detail"]


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Somebody who must not be asked, where he could be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen()
        server.setblocking(False)
        yield server


def was_asked(server: socket.socket) -> bool:
    """Whether anybody connected."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "written", "reason"),
    [
        ("127.0.0.2", "rtsp://127.0.0.2:{port}/x", "protocol"),
        ("127.0.0.2", "rtsp://2130706434:{port}/x", "protocol"),
        ("127.0.0.2", "rtsp://0x7f000002:{port}/x", "protocol"),
        ("127.0.0.2", "rtsp://0177.0.0.2:{port}/x", "protocol"),
        ("127.0.0.2", "rtsp://127.2:{port}/x", "protocol"),
        ("127.0.0.2", "rtsp://[::ffff:127.0.0.2]:{port}/x", "protocol"),
        ("::1", "rtsp://[::1]:{port}/x", "protocol"),
        ("::1", "rtsp://localhost:{port}/x", "unreachable"),  # there are no names
        ("127.0.0.2", "rtsps://127.0.0.2:{port}/x", "unsupported"),
    ],
)
async def test_a_redirect_leads_to_the_camera_or_nowhere(tmp_path: Path, host: str, written: str, reason: str) -> None:
    """FFmpeg follows RTSP's by itself, to the port of the camera, too: nobody else hears of it."""
    async with _redirecting(written) as (url, port, asked):
        with listening(host, port) as elsewhere:
            async with odd(tmp_path) as record:
                assign(record, url)
                await eventually("a reason", lambda: record.state(url).get("state") == "failed", 40)
                state = record.state(url)
                assert (state["frames"], state["reason"]) == (0, reason), state
                assert not was_asked(elsewhere)
    assert asked


async def test_an_attacker_elsewhere_would_be_seen() -> None:
    """The net of the test before: who is asked shows."""
    with listening("127.0.0.2", 0) as elsewhere:
        assert not was_asked(elsewhere)
        _reader, writer = await asyncio.open_connection(*elsewhere.getsockname())
        assert was_asked(elsewhere)
        writer.close()


@asynccontextmanager
async def _redirecting(location: str) -> AsyncIterator[tuple[str, int, list[bytes]]]:
    """An RTSP server that sends everybody elsewhere: its URL, its port, and what it was asked."""
    port, asked = 0, []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                asked.append(head)
                (cseq,) = re.findall(rb"CSeq: (\d+)", head)
                there = location.format(port=port).encode()
                writer.write(b"RTSP/1.0 302 Moved\r\nCSeq: %s\r\nLocation: %s\r\n\r\n" % (cseq, there))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"rtsp://127.0.0.1:{port}/moved", port, asked


@pytest.mark.parametrize("trust", ["authority", "nobody", "pin", "wrong pin"])
async def test_a_certificate_is_verified(tmp_path: Path, trust: str) -> None:
    """By the authorities that the configuration names, by its key, or else by the host's, which do not know it."""
    authority = certify(tmp_path / "authority.pem")
    device = certify(tmp_path / "device.pem", by=authority)
    pin = pin_of(device.der)
    known = {"authority": {"tls_ca": str(authority.path)}, "nobody": {}, "pin": {"tls_pin": pin}}
    how = known.get(trust, {"tls_pin": "sha256/" + "A" * 43 + "="})
    data = tmp_path / "data"
    data.mkdir()
    async with web_camera(tls=device.server_context()) as camera, odd(data) as record:
        assign(record, camera.url, **how)
        await eventually("an end", lambda: record.state(camera.url).get("state") in {"recording", "failed"})
        state = record.state(camera.url)
        wanted = ("recording", None) if trust in {"authority", "pin"} else ("failed", "tls")
        assert (state["state"], state["reason"]) == wanted, state
        assert bool(camera.requests) == (wanted[0] == "recording")  # nothing is said to anybody else
