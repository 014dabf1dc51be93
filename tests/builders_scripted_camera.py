"""A camera that plays a conversation word by word, and a recorder that films it: from bytes on a socket to fragments.

    async with filmed(conversation(describe=Turn("^DESCRIBE", ok("...")))) as film:
        await film.play(50)
    assert numbers(film.record()) == list(range(50))

The sockets are real (TCP on loopback), and so are client, session, recorder and segmenter. Time is the test's own: the
clock goes on by a frame once the recorder has read the one before, so that nothing waits and nothing depends on load.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ingest.backoff import CONNECTS_PER_SECOND
from ingest.client import CameraSession
from media.errors import SourceError
from media.url import CameraUrl
from storage.clock import HostClock
from tests.builders_h264 import PPS, SPS
from tests.builders_recorded import FRAME_US, Footage, Recorded
from tests.builders_recorder import Rig
from tests.waiting import eventually

SPROP = ",".join(base64.b64encode(nal).decode() for nal in (SPS, PPS))
SDP = f"""v=0
o=- 1 1 IN IP4 127.0.0.1
s=camera
t=0 0
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;sprop-parameter-sets={SPROP}
a=control:track1
"""
LOOPBACK = ("127.0.0.0/8",)
FAREWELL_S = 0.05
"""How long sessions get to end in order when a film does."""

CONNECT_DISTANCE_US = 1_000_000 // CONNECTS_PER_SECOND


@dataclass(frozen=True)
class Turn:
    """A request that the camera expects, and what it sends then.

    In `answer` and `before`, `{cseq}` stands for the number of the request, `{port}` for that of the camera, and
    `{length}` for that of the body.
    """

    expects: str
    """A regular expression, searched in the text of the request."""
    answer: bytes
    before: bytes = b""
    """Sent ahead of the answer."""
    again: bool = False
    """Whether it answers every such request, not only one."""
    hangs_up: bool = False
    """Whether the camera closes the connection behind the answer."""


def message(start: str, *fields: str, body: str | bytes = b"", cseq: str = "CSeq: {cseq}") -> bytes:
    """An RTSP message with its CSeq, and Content-Length where there is a body."""
    content = body.encode() if isinstance(body, str) else body
    lines = [start, cseq, *fields, *(["Content-Length: {length}"] if content else []), "", ""]
    return "\r\n".join(lines).encode() + content


def ok(*fields: str, body: str | bytes = b"", cseq: str = "CSeq: {cseq}") -> bytes:
    """A response of status 200."""
    return message("RTSP/1.0 200 OK", *fields, body=body, cseq=cseq)


def refusal(status: int, *fields: str, cseq: str = "CSeq: {cseq}") -> bytes:
    """A response of another status."""
    return message(f"RTSP/1.0 {status} No", *fields, cseq=cseq)


def described(sdp: str = SDP, *fields: str) -> bytes:
    """The answer to DESCRIBE."""
    return ok("Content-Type: application/sdp", *fields, body=sdp)


SESSION = "Session: 4711;timeout=60"
ORDINARY = {
    "options": Turn("^OPTIONS ", ok("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"), again=True),
    "describe": Turn("^DESCRIBE ", described(), again=True),
    "setup": Turn("^SETUP ", ok("Transport: RTP/AVP/TCP;unicast;interleaved=0-1", SESSION), again=True),
    "play": Turn("^PLAY ", ok(SESSION), again=True),
    "keepalive": Turn("^GET_PARAMETER ", ok(SESSION), again=True),
    "teardown": Turn("^TEARDOWN ", ok(SESSION), again=True),
}


def conversation(**changed: Turn | bytes | Sequence[Turn]) -> tuple[Turn, ...]:
    """What a well-behaved camera says, but for what is given: an answer, a turn, or several for one method's name."""
    turns: list[Turn] = []
    for name, ordinary in ORDINARY.items():
        given = changed.pop(name, ordinary)
        if isinstance(given, bytes):
            given = Turn(ordinary.expects, given, again=True)
        turns += [given] if isinstance(given, Turn) else given
    assert not changed, f"no such turn: {sorted(changed)}"
    return tuple(turns)


@dataclass
class Line:
    """One connection to the camera."""

    writer: asyncio.StreamWriter
    sent_bytes: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, content: bytes) -> None:
        """Bytes to the client."""
        self.sent_bytes += len(content)
        self.writer.write(content)


@dataclass
class ScriptedCamera:
    """The server side. Each request gets the first turn that expects it and was not used up."""

    turns: list[Turn]
    greeting: bytes = b""
    """Sent as soon as somebody connects."""
    port: int = 0
    requests: list[str] = field(default_factory=list)
    """As they came in, over all connections."""
    unexpected: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """To what the camera asked."""
    lines: list[Line] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    @property
    def line(self) -> Line:
        """The newest connection."""
        return self.lines[-1]

    def asked(self, method: str) -> list[str]:
        """The URLs that a method was asked for."""
        return [words[1] for words in (request.split(" ") for request in self.requests) if words[0] == method]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        line = Line(writer)
        self.lines.append(line)
        line.send(self.greeting)
        try:
            with suppress(ConnectionResetError, asyncio.IncompleteReadError):
                while (request := await _request(reader)) is not None:
                    if request.startswith("RTSP/"):
                        self.answers.append(request)
                        continue
                    self.requests.append(request)
                    if not self._answer(line, request):
                        break
        except Exception as error:  # noqa: BLE001 - a defect of the script must fail the test, not a task nobody awaits
            self.faults.append(error)
        finally:
            writer.close()
            line.ended.set()

    def _answer(self, line: Line, request: str) -> bool:
        turn = next((turn for turn in self.turns if re.search(turn.expects, request)), None)
        if turn is None:
            self.unexpected.append(request)
            return False
        if not turn.again:
            self.turns.remove(turn)
        found = re.search(r"(?im)^CSeq: *(\d+)", request)
        cseq = found[1].encode() if found else b""
        for content in (turn.before, turn.answer):
            text = content.replace(b"{cseq}", cseq).replace(b"{port}", str(self.port).encode())
            line.send(text.replace(b"{length}", str(len(text.partition(b"\r\n\r\n")[2])).encode()))
        return not turn.hangs_up


async def _request(reader: asyncio.StreamReader) -> str | None:
    """The next request, past the frames (RTCP) between; None at the end."""
    while first := await reader.read(1):
        if first == b"$":
            header = await reader.readexactly(3)
            await reader.readexactly(int.from_bytes(header[1:], "big"))
            continue
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?im)^Content-Length: *(\d+)", head)
        return head + (await reader.readexactly(int(length[1]))).decode() if length else head
    return None


class Film(Recorded, Footage):
    """A recorder that films a scripted camera. `packets` makes the next frame's packets, `play` sends them."""

    def __init__(self, rig: Rig, camera: ScriptedCamera) -> None:
        super().__init__()
        self.rig = rig
        self.camera = camera

    @property
    def session(self) -> CameraSession | None:
        """The one that plays, if one does."""
        watch = self.rig.recorder._watch
        return None if watch is None else watch.camera

    @property
    def failed(self) -> SourceError | None:
        """Why the session ended, if it did."""
        if self.session is None:
            return None
        failure = self.session.session.failure
        return failure.result() if failure.done() else None

    @property
    def state(self) -> str:
        """Of the recorder."""
        return str(self.rig.recorder.state()["state"])

    @property
    def told(self) -> list[str]:
        """What the journal says of gaps: "reason: detail" of each, in order."""
        return [f"{note['reason']}: {note['detail']}" for note in self.rig.spool.notes if note["kind"] == "gap_open"]

    async def opened(self) -> None:
        """Wait until a session plays, or an attempt has failed."""

        def there() -> bool:
            clock = self.rig.clock
            if clock._sleepers and (due_us := clock._sleepers[0][0] - clock.boot_us()) <= CONNECT_DISTANCE_US:
                clock.advance(due_us)  # nobody else waits for so short a time, and no time must pass for nothing
            return self.session is not None or self.state == "failed"

        await eventually("a session or a failure", there)

    async def send(self, content: bytes) -> None:
        """Bytes behind everything sent so far; returns when the client has read them, or is gone."""
        line, session = self.camera.line, self.session
        assert session is not None, self.rig.recorder.state()
        line.send(content)
        async with asyncio.timeout(20):
            while session.session.received_bytes < line.sent_bytes and not session.session.failure.done():
                self._begin_round()
                # A turn of the event loop: pauses would add up.
                await asyncio.sleep(0)

    def _begin_round(self) -> None:
        """Read now what is read in rounds. Real time passes between them, which is the test's own here.

        Whoever waited for 37 ms after each frame would spend nine tenths of the test on it.
        """
        rounds = self.rig.recorder._herd.rounds
        if isinstance(rounds._timer, asyncio.TimerHandle):  # else nobody is in them, or a round is on its way
            rounds._timer.cancel()
            rounds._begin()

    async def play(self, frames: int, alter: Callable[[list[bytes]], list[bytes]] = list) -> None:
        """Frames at 25 a second, the packets of each altered."""
        for _ in range(frames):
            await self.play_packets(alter(self.packets()))

    async def play_packets(self, packets: Sequence[bytes]) -> None:
        """These as one frame."""
        await self.send(b"".join(packets))
        await self.pass_time(FRAME_US)

    async def pass_time(self, microseconds: int) -> None:
        """Nothing is sent for so long; four times a second the worker looks."""
        for _ in range(0, microseconds, FRAME_US):
            self.rig.clock.advance(FRAME_US)
            if self.rig.clock.boot_us() // FRAME_US % 6 == 0:
                self.rig.tick()
                await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, while the time of the test goes by at four times its pace."""

        def there() -> bool:
            self.rig.clock.advance(FRAME_US)
            return condition()

        await eventually("it is so", there)

    async def reopened(self) -> None:
        """Let the time of the backoff pass, until another session plays."""
        await eventually("the session is gone", lambda: self.session is None)
        connections = len(self.camera.lines)
        for _ in range(20 * 25):
            await self.pass_time(FRAME_US)
            await asyncio.sleep(0)
            if len(self.camera.lines) > connections:
                break
        await eventually("another session", lambda: self.session is not None)


class UdpFilm(Film):
    """The same of a camera that sends each frame of the connection as a datagram."""

    async def send(self, content: bytes) -> None:
        """The packets in `content`, to the ports that the newest SETUP of this track named."""
        setup = [request for request in self.camera.requests if request.startswith("SETUP ") and "track1" in request]
        first = int(re.search(r"client_port=(\d+)-", setup[-1])[1])  # type: ignore[index]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", 0))
            while content:
                size = int.from_bytes(content[2:4], "big")
                self.camera.line.sent_bytes += sender.sendto(content[4 : 4 + size], ("127.0.0.1", first + content[1]))
                content = content[4 + size :]
        await super().send(b"")


@asynccontextmanager
async def filmed(
    turns: Sequence[Turn] | None = None,
    *,
    url: str = "rtsp://127.0.0.1:{port}/cam",
    greeting: bytes = b"",
    kind: type[Film] = Film,
    tls: ssl.SSLContext | None = None,
    **assigned: Any,
) -> AsyncIterator[Film]:
    """A camera with a recorder on it, for the length of a block, at whose end both have stopped."""
    camera = ScriptedCamera(list(conversation() if turns is None else turns), greeting)
    server = await asyncio.start_server(camera.serve, "127.0.0.1", 0, ssl=tls)
    camera.port = server.sockets[0].getsockname()[1]
    assigned = {"networks": LOOPBACK, **assigned}
    film = kind(Rig(url=CameraUrl.parse(url.replace("{port}", str(camera.port))), **assigned), camera)
    async with server:
        recording = asyncio.create_task(film.rig.recorder.run())
        try:
            await film.opened()
            yield film
        finally:
            recording.cancel()
            await asyncio.wait([recording])
            await film.rig.recorder._herd.farewells.finish(HostClock(), FAREWELL_S)
            for line in camera.lines:
                line.writer.transport.abort()
                await line.ended.wait()
    assert camera.unexpected == []
    assert camera.faults == []
