"""Sockets read in common rounds: each in its turn, none twice, none after it has left."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import uvloop

from ingest import read_rounds
from ingest.read_rounds import READS_A_TURN, ROUND_S, ReadRounds
from ingest.session import RtspSession
from media.errors import GapReason
from storage.clock import FakeClock
from tests.waiting import eventually

PACKET = b"$\x00\x00\x04abcd"


def on_both_loops(scene: Callable[[], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """On Python's event loop, and on the one that the roles run on: transports differ."""

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    def played(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        run(scene())

    played.__doc__ = scene.__doc__
    return played


class Listener:
    """A socket with something in it that is read only when the test says so."""

    def __init__(self, *, leaves: bytes = b"x") -> None:
        self.end, self._far = socket.socketpair()
        self._far.send(leaves)
        self.reads = 0
        self.more = 0
        """How often it says that there is more."""

    def read(self) -> bool:
        """It stays readable."""
        self.reads += 1
        self.more -= 1
        return self.more >= 0

    def close(self) -> None:
        """Both ends."""
        self.end.close()
        self._far.close()


@pytest.fixture(name="rounds")
async def _rounds() -> ReadRounds:
    return ReadRounds()


@pytest.fixture(name="listeners")
def _listeners() -> Iterator[list[Listener]]:
    listeners = [Listener() for _ in range(2 * READS_A_TURN + 3)]
    yield listeners
    for listener in listeners:
        listener.close()


async def test_each_socket_is_read_once_a_round(rounds: ReadRounds, listeners: list[Listener]) -> None:
    """However many there are, and though all of them stay readable: nobody has a second turn before the others."""
    for listener in listeners:
        rounds.join(listener.end.fileno(), listener.read)
    seen: set[int] = set()

    def spread() -> bool:
        counts = [listener.reads for listener in listeners]
        seen.add(max(counts) - min(counts))
        return min(counts) >= 3

    await eventually("three rounds are over", spread)
    assert max(seen) <= 1
    for listener in listeners:
        rounds.leave(listener.end.fileno())


async def test_rounds_that_take_too_long_leave_nobody_out(rounds: ReadRounds, listeners: list[Listener]) -> None:
    """A process that is overloaded, and a socket that floods it: the last one has its turn as well as the first."""
    loop = asyncio.get_running_loop()

    def read_slowly(listener: Listener) -> bool:
        until_s = loop.time() + 2 * ROUND_S / READS_A_TURN
        while loop.time() < until_s:
            pass
        return listener.read()

    listeners[0].more = 1 << 30
    for listener in listeners:
        rounds.join(listener.end.fileno(), partial(read_slowly, listener))
    await eventually("all were read twice", lambda: min(listener.reads for listener in listeners) >= 2)
    assert listeners[0].reads <= 2 * max(listener.reads for listener in listeners[1:])
    for listener in listeners:
        rounds.leave(listener.end.fileno())


async def test_between_rounds_nobody_is_woken(rounds: ReadRounds, listeners: list[Listener]) -> None:
    """What is the point of it: a socket that is always readable is read as often as there are rounds."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    rounds.join(listeners[0].end.fileno(), listeners[0].read)
    await eventually("some rounds are over", lambda: listeners[0].reads >= 5)
    most = (loop.time() - began_s) / ROUND_S + 1
    assert 5 <= listeners[0].reads <= most
    rounds.leave(listeners[0].end.fileno())


async def test_a_socket_with_more_is_read_on_in_the_same_round(rounds: ReadRounds, listeners: list[Listener]) -> None:
    """A picture larger than a read, or what waited for a process that stood still; the others come in between."""
    first, second = listeners[:2]
    first.more = 50
    turns: list[int] = []
    rounds.join(first.end.fileno(), first.read)
    rounds.join(second.end.fileno(), lambda: second.read() or turns.append(first.reads) or False)
    await eventually("the second one was read", lambda: second.reads)
    assert turns[0] <= 2
    await eventually("a round is over", lambda: second.reads >= 2)
    assert first.reads >= 51
    for listener in (first, second):
        rounds.leave(listener.end.fileno())


async def test_who_left_in_a_round_is_not_read_in_it(rounds: ReadRounds, listeners: list[Listener]) -> None:
    """One session's end may be another's."""
    first, second = listeners[:2]

    def end_the_other(mine: Listener, other: Listener) -> bool:
        mine.read()
        if mine.reads == 1:
            rounds.leave(other.end.fileno())
        return False

    rounds.join(first.end.fileno(), lambda: end_the_other(first, second))
    rounds.join(second.end.fileno(), lambda: end_the_other(second, first))
    await eventually("some rounds are over", lambda: first.reads + second.reads >= 4)
    assert not (first.reads and second.reads)
    rounds.leave((first if first.reads else second).end.fileno())


class Camera:
    """A real connection, of which our side plays and is read in rounds."""

    def __init__(self, session: RtspSession, far: socket.socket, rounds: ReadRounds) -> None:
        self.session = session
        self.rounds = rounds
        self.far = far

    @classmethod
    async def connected(cls) -> Camera:
        """Over TCP on loopback."""
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = server.getsockname()
            _, session = await loop.create_connection(lambda: RtspSession(FakeClock()), *where)
            far, _ = server.accept()
        rounds = ReadRounds()
        session.read_in_rounds(rounds)
        return cls(session, far, rounds)

    async def failed(self) -> tuple[GapReason, str]:
        """Why the session ended."""
        await asyncio.wait([self.session.failure], timeout=10)
        error = self.session.failure.result()
        return error.reason, str(error)


@on_both_loops
async def test_a_session_reads_in_rounds_what_the_camera_sends() -> None:
    """All of it, also what is larger than any buffer on the way."""
    camera = await Camera.connected()
    camera.far.setblocking(False)
    loop = asyncio.get_running_loop()
    await asyncio.wait_for(loop.sock_sendall(camera.far, PACKET * 1_000_000), 10)
    await eventually("all packets came", lambda: camera.session.stray_packets == 1_000_000)
    camera.session.close()
    camera.far.close()


@on_both_loops
async def test_who_is_watched_does_not_wait_for_a_round() -> None:
    """What came in the round before stays where it is in the stream; nobody watches any more, and it waits again."""
    with patch.object(read_rounds, "ROUND_S", 3600.0):
        camera = await Camera.connected()
        session = camera.session
        await eventually("the first round is over", lambda: camera.rounds._due_s > asyncio.get_running_loop().time())
        camera.far.sendall(PACKET + PACKET[:6])
        session.read_at_once()
        await eventually("a packet came", lambda: session.stray_packets == 1)
        assert camera.rounds.resting
        camera.far.sendall(PACKET[6:])
        await eventually("so did the other", lambda: session.stray_packets == 2)
        for _ in range(3):
            session.read_in_rounds(camera.rounds)  # again and again, as it is called
        await eventually("a round is over", lambda: camera.rounds._due_s > asyncio.get_running_loop().time())
        camera.far.sendall(PACKET)
        answer = session.send("OPTIONS", "rtsp://10.0.0.1/", {})
        assert not (await asyncio.wait([answer], timeout=0.05))[0]
        assert session.stray_packets == 2
        session.read_at_once()
        session.close()
    camera.far.close()


@on_both_loops
async def test_who_has_ended_does_not_join_again() -> None:
    """The answer to its farewell is read by the transport, whoever watches or does not."""
    camera = await Camera.connected()
    camera.session.fail(GapReason.STALLED, "no packet for 8 s")
    camera.session.read_in_rounds(camera.rounds)
    assert camera.rounds.resting
    camera.far.close()


@on_both_loops
async def test_a_camera_that_closes_in_the_midst_of_a_packet_is_told_from_one_that_does_not() -> None:
    """As for a connection that its transport reads."""
    camera = await Camera.connected()
    camera.far.sendall(PACKET + PACKET[:6])
    camera.far.close()
    assert await camera.failed() == (
        GapReason.PROTOCOL,
        "closed by the camera in the midst of a packet, 2 of its 4 bytes",
    )
    assert camera.session.stray_packets == 1


@on_both_loops
async def test_a_connection_that_is_reset_says_so() -> None:
    """Its error is told to one read only, and that is ours."""
    camera = await Camera.connected()
    camera.far.sendall(PACKET)
    await eventually("the packet came", lambda: camera.session.stray_packets == 1)
    camera.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    camera.far.close()
    reason, words = await camera.failed()
    assert reason is GapReason.UNREACHABLE
    assert "ECONNRESET" in words


@on_both_loops
async def test_after_the_session_its_answer_is_still_heard() -> None:
    """TEARDOWN is answered on a connection that has left the rounds; and the rounds end with their last socket."""
    camera = await Camera.connected()
    camera.session.end_media()
    answer = camera.session.send("TEARDOWN", "rtsp://10.0.0.1/", {})
    camera.far.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
    response = await asyncio.wait_for(answer, 10)
    assert response.status == 200
    assert camera.rounds.resting
    camera.session.close()
    camera.far.close()
