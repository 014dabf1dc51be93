"""The live socket of `record`: `<data>/run/live.sock`, for processes of the same user.

A subscriber names a stream and gets its units as they come (media/live_wire.py). What it costs is bounded: the number
of subscribers, and the rings they read from, which exist only while somebody reads. Who does not read is cut.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, cast

import structlog

from media.errors import MediaError
from media.live_wire import REQUEST_BYTES, EndCode, end_message, read_request
from storage.unix_address import unix_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from uuid import UUID

    from ingest.live_feed import LiveFeed
    from storage.clock import Clock

MOST_SUBSCRIBERS = 512
FEED_BYTES = 16 << 20
ALL_FEEDS_BYTES = 64 << 20
"""What the rings of all streams that are watched may hold together, in equal shares."""

STALLED_US = 10_000_000
"""A subscriber that takes nothing for so long, while there is something to take, is cut."""

REQUEST_TIMEOUT_S = 5.0
ROOT = 0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED

log = structlog.get_logger()


class Watchable(Protocol):
    """A recorder, as this door sees it."""

    live: LiveFeed | None

    def open_feed(self, most_bytes: int) -> LiveFeed:
        """Set and return `live`; it begins with what the recorder still holds of the current group of pictures."""
        ...


class LiveDoor:
    """Who may come in, and to which stream."""

    def __init__(self, find: Callable[[UUID], Watchable | None], clock: Clock) -> None:
        self._find = find
        self.clock = clock
        self.subscribers: set[Subscriber] = set()
        self._watched: dict[LiveFeed, Watchable] = {}
        self.stalled = 0
        """How many were cut because they took nothing."""
        self._group: asyncio.TaskGroup
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="hulta-live")  # one group at a time is in memory twice

    @asynccontextmanager
    async def open(self, path: Path) -> AsyncIterator[None]:
        """Answer on `path` while the block runs. Recording does without it where it cannot be opened."""
        try:
            listener = _listen(path)
        except OSError as error:
            log.error("live_socket_not_opened", error=str(error))  # noqa: TRY400 - the message says it all
            yield
            return
        async with asyncio.TaskGroup() as self._group:
            server = await asyncio.get_running_loop().create_unix_server(lambda: Subscriber(self), sock=listener)
            try:
                yield
            finally:
                server.close()
                for subscriber in tuple(self.subscribers):
                    subscriber.cut()
                for task in self._tasks:
                    task.cancel()
                self._reader.shutdown(wait=False, cancel_futures=True)
                _remove(path)

    def join(self, subscriber: Subscriber, stream: UUID) -> LiveFeed | None:
        """Let a subscriber watch; None if there is no such stream."""
        recorder = self._find(stream)
        if recorder is None:
            return None
        feed = recorder.live
        if feed is None:
            feed = recorder.open_feed(FEED_BYTES)
            self._watched[feed] = recorder
            self._share()
            if feed.begins_earlier:
                task = self._group.create_task(self._look_back(feed), name="live look back")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        feed.viewers.append(subscriber)
        return feed

    def leave(self, subscriber: Subscriber, feed: LiveFeed) -> None:
        """The last one closes the feed: from then on a frame costs what it did before."""
        feed.viewers.remove(subscriber)
        if not feed.viewers:
            self._watched.pop(feed).live = None
            self._share()

    def state(self) -> dict[str, int]:
        """How many watch, and what is kept for them."""
        return {
            "subscribers": len(self.subscribers),
            "streams": len(self._watched),
            "cut": self.stalled,
            "bytes": sum(feed.ring.size_bytes for feed in self._watched),
        }

    async def _look_back(self, feed: LiveFeed) -> None:
        try:
            await feed.look_back(self._reader)
        except Exception:
            log.exception("live_feed_defect")  # who watches waits for the next sync sample

    def _share(self) -> None:
        for feed in self._watched:
            feed.ring.most_bytes = min(FEED_BYTES, ALL_FEEDS_BYTES // len(self._watched))


class Subscriber(asyncio.Protocol):
    """One connection: a request comes in, messages go out, one at a time, as fast as they are taken."""

    def __init__(self, door: LiveDoor) -> None:
        self._door = door
        self._transport: asyncio.Transport
        self._request = bytearray()
        self._feed: LiveFeed | None = None
        self._position: int | None = None
        self._track: bytes | None = None
        self._paused_us = 0  # since when what was written last is not taken; 0: it was
        self._hurry: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected; only this user may."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)  # told at once when a write was not taken whole
        self._door.subscribers.add(self)
        self._hurry = asyncio.get_running_loop().call_later(REQUEST_TIMEOUT_S, self.cut)
        if not _same_user(self._transport.get_extra_info("socket")):
            self.cut()
        elif len(self._door.subscribers) > MOST_SUBSCRIBERS:
            self.end(EndCode.TOO_MANY, f"{MOST_SUBSCRIBERS} subscribers are here already")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it left does not matter
        """It left, or was cut."""
        self._hurry.cancel()
        self._door.subscribers.discard(self)
        if self._feed is not None:
            feed, self._feed = self._feed, None
            self._door.leave(self, feed)

    def data_received(self, data: bytes) -> None:
        """The request, and nothing after it."""
        if self._transport.is_closing():
            return
        self._request += data
        if self._feed is not None or len(self._request) > REQUEST_BYTES:
            self.end(EndCode.BAD_REQUEST, "more came than one request")
        elif len(self._request) == REQUEST_BYTES:
            self._subscribe()

    def pause_writing(self) -> None:
        """What was written has not left yet."""
        self._paused_us = self._door.clock.boot_us()

    def resume_writing(self) -> None:
        """It has."""
        self._paused_us = 0
        self.pump(0)

    def pump(self, now_us: int) -> None:  # noqa: ARG002 - the boot clock counts here
        """Write while it is taken. See `ingest.live_feed.Viewer`."""
        feed = self._feed
        if feed is None:
            return
        ring = feed.ring
        while not self._paused_us:
            self._position = ring.resume(self._position)
            if self._position is None or self._position == ring.end:
                return
            message = ring[self._position]
            self._position += 1
            if message.track is not self._track:
                self._track = message.track
                self._transport.write(message.track)
            self._transport.writelines((message.header, message.payload))
        if self._door.clock.boot_us() - self._paused_us > STALLED_US and not self._transport.is_closing():
            self._door.stalled += 1
            self.cut()

    def end(self, code: EndCode, sentence: str) -> None:
        """Say why, as far as it is taken, and close."""
        self._transport.write(end_message(code, sentence))
        self._transport.close()

    def cut(self) -> None:
        """At once: what was not taken is given up."""
        self._transport.abort()

    def _subscribe(self) -> None:
        self._hurry.cancel()
        try:
            stream = read_request(bytes(self._request))
        except MediaError as error:
            self.end(EndCode.BAD_REQUEST, str(error))
            return
        self._feed = self._door.join(self, stream)
        if self._feed is None:
            self.end(EndCode.UNKNOWN_STREAM, "this stream is not recorded here")
        else:
            self.pump(0)


def _listen(path: Path) -> socket.socket:
    """A listening socket that only its owner may connect to, from its first moment on."""
    _remove(path)  # a killed predecessor's: the role's lock is ours
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        with unix_address(path) as address:
            listener.bind(address)
        path.chmod(0o600)  # before it listens: until then nobody can connect
    except OSError:
        listener.close()
        raise
    return listener


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _same_user(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(credentials)[1] in {os.geteuid(), ROOT}
