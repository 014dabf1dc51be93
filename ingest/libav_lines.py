"""The connections of a process that can make none: each it asks for is answered with one that we made.

Whatever address libav wants to connect to, because a camera redirects it, a demuxer follows what somebody wrote into a
stream, or somebody broke into it: it gets a connection to its own camera, at an address that was checked, or none at
all. Where the URL asks for TLS we speak it, so that the process has neither keys nor authorities nor a choice.

The question is a system call that waits (`ingest.seccomp.ask_for`); the answer puts our connection in the place of the
descriptor that it was called with (seccomp_unotify(2), Linux 5.9).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import socket
import struct
from typing import TYPE_CHECKING

from ingest.connect import reach
from ingest.network import family_of
from ingest.relay import relay
from media.errors import GapReason, SourceError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from ingest.approach import Approach
    from ingest.relay import Relay

MOST_LINES = 8
"""Of one session: one, a second one to log in, some more for a camera that sends us about within itself."""

_RECEIVE, _ANSWER, _ADD_DESCRIPTOR = 0xC0502100, 0xC0182101, 0x40182103  # <linux/seccomp.h>
_QUESTION = struct.Struct("=QIIiIQ6Q")
_ANSWERED = struct.Struct("=QqiI")
_ADDED = struct.Struct("=QIIII")
_AT_THAT_NUMBER = 1  # SECCOMP_ADDFD_FLAG_SETFD


class Line:
    """A connection, and what it takes to hand it over. See `ingest.connect.Reached`."""

    def __init__(self, end: socket.socket, link: Relay | None = None, certificate: bytes | None = None) -> None:
        self.end = end
        self.certificate = certificate
        self._link = link

    def handed_over(self) -> Relay | None:
        """The process has it: our copy of the descriptor goes, what lies between stays."""
        self.end.close()
        return self._link

    def close(self) -> None:
        """Hang up."""
        self.end.close()
        if self._link is not None:
            self._link.close()


async def dial(approach: Approach, addresses: Sequence[str]) -> Line:
    """A connection to the camera at one of its addresses, which were checked. SourceError as `connect`."""
    if approach.url.scheme == "udp":
        return Line(_listening(addresses[0], approach.url.port))

    async def opened(address: str, context: ssl.SSLContext | None) -> Line:
        end = socket.socket(family_of(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await asyncio.get_running_loop().sock_connect(end, (address, approach.url.port))
            if context is None:
                return Line(end)
            ours, link, certificate = await relay(end, context, approach.url.host)
        except BaseException:
            end.close()
            raise
        return Line(ours, link, certificate)

    return await reach(approach, addresses, opened)


def _listening(address: str, port: int) -> socket.socket:
    """Where datagrams come: at an address of this host or of a group; else at all of them."""
    end = socket.socket(family_of(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            end.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            end.bind(("", port))
    except OSError as error:
        end.close()
        words = f"port {port} cannot be listened at: {error.strerror}"
        raise SourceError(GapReason.UNREACHABLE, words) from error
    return end


class Lines:
    """Those of one process, from the moment it can ask (`open`) until it ends (`close`)."""

    def __init__(self, first: Line, again: Callable[[], Awaitable[Line]]) -> None:
        self._ready: Line | None = first
        self._again = again
        self._questions = -1
        self._task: asyncio.Task[None] | None = None
        self._links: list[Relay] = []
        self.asked = 0
        self.refused: SourceError | None = None
        """Why the last one was not made."""

    def open(self, questions: int) -> None:
        """Answer what comes out of this descriptor, which is ours from now on."""
        self._questions = questions
        asyncio.get_running_loop().add_reader(questions, self._look)

    def close(self) -> None:
        """The process has ended or is about to."""
        if self._task is not None:
            self._task.cancel()
        if self._questions >= 0:
            asyncio.get_running_loop().remove_reader(self._questions)
            os.close(self._questions)
            self._questions = -1
        if self._ready is not None:
            self._ready.close()
            self._ready = None
        for link in self._links:
            link.close()

    def _look(self) -> None:
        """Take the next question. To receive where there is none would block, so that is asked first."""
        poll = select.poll()
        poll.register(self._questions, select.POLLIN)
        events = dict(poll.poll(0)).get(self._questions, 0)
        if not events & select.POLLIN:
            if events:  # the process has ended
                asyncio.get_running_loop().remove_reader(self._questions)
            return
        question = bytearray(_QUESTION.size)
        try:
            fcntl.ioctl(self._questions, _RECEIVE, question)
        except OSError:
            return  # ENOENT: whoever asked was killed; EINTR: it is still there
        identifier, _pid, _flags, _number, _machine, _at, descriptor, *_rest = _QUESTION.unpack(question)
        asyncio.get_running_loop().remove_reader(self._questions)  # one at a time
        self._task = asyncio.get_running_loop().create_task(self._answer(identifier, descriptor & 0xFFFFFFFF))

    async def _answer(self, identifier: int, descriptor: int) -> None:
        problem = 0
        try:
            await self._hand_over(identifier, descriptor)
        except SourceError as error:
            self.refused = error
            problem = errno.ECONNREFUSED
        except OSError as error:
            problem = error.errno or errno.EIO
        try:
            fcntl.ioctl(self._questions, _ANSWER, bytearray(_ANSWERED.pack(identifier, 0, -problem, 0)))
        except OSError as error:
            if error.errno != errno.ENOENT:  # else nobody waits for it any more
                raise
        asyncio.get_running_loop().add_reader(self._questions, self._look)

    async def _hand_over(self, identifier: int, descriptor: int) -> None:
        self.asked += 1
        if self.asked > MOST_LINES:
            raise SourceError(GapReason.PROTOCOL, f"the camera takes more than {MOST_LINES} connections to open")
        line, self._ready = self._ready, None
        if line is None:
            line = await self._again()
        try:
            wanted = _ADDED.pack(identifier, _AT_THAT_NUMBER, line.end.fileno(), descriptor, os.O_CLOEXEC)
            fcntl.ioctl(self._questions, _ADD_DESCRIPTOR, bytearray(wanted))
        except OSError:
            line.close()
            raise
        link = line.handed_over()
        if link is not None:
            self._links.append(link)
