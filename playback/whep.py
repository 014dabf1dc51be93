"""Live pictures over WebRTC, negotiated as WHEP says (draft-ietf-wish-whep): who watches, and for how long.

A viewer's session is a task of this door: it ends when the connection does, when its viewer says so, when nothing was
connected in time, or when the camera begins to send what the viewer did not agree to.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from media.errors import HultaError, NoFootage, NotFound, TooMany, Unfit
from playback.live_counts import Door
from playback.whep_offer import check_codec, fit
from playback.whep_pictures import Picture, PictureSender
from storage.waiting import first_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from playback.live_camera import LiveCamera
    from playback.live_counts import LiveCounts
    from playback.live_hub import LiveHub
    from storage.clock import Clock

MOST_SESSIONS = 32
FIRST_PICTURE_S = 10.0
CONNECT_S = 15.0
ORDER_KNOWN = 8
"""After so many pictures it is known whether there are B-frames: the first comes within the first few."""

AGAIN_US = 1_000_000
"""From when a viewer was in the present until it gets the current group of pictures again because it lost it."""

MOST_HURRY_US = 5_000_000
"""A viewer that is not in the present after so long may have lost what it is being sent."""

HURRY_BPS = 30_000_000
HURRY_LEAST_S = 0.002
"""What is sent at once goes at this speed: a burst of megabytes would not fit the buffers on the way, and hundreds of
pictures at once not those of a decoder (Chromium's hold 800)."""

B_FRAMES = "the camera sends B-frames, which WebRTC cannot pass on: pictures are shown in the order they are sent"

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class _Session:
    id: str
    camera: UUID
    answer: asyncio.Future[str]
    left: asyncio.Event = field(default_factory=asyncio.Event)


class WhepDoor:
    """Sessions by id."""

    def __init__(self, hub: LiveHub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[WhepDoor]:
        """Work for the length of a block; its end is the end of all sessions."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield self
            finally:
                self._group = None
                for session in self._sessions.values():
                    session.left.set()

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._sessions)

    async def answer(self, camera: UUID, stream: UUID, offer: str, address: str) -> tuple[str, str]:
        """Begin a session: its id and the answer to the offer. `address` is this host's, as the viewer reaches it.

        UsageError: it is no offer. Unfit: the stream cannot be sent this way. NoFootage: no picture comes. TooMany.
        """
        if self._group is None:
            raise TooMany("the server is ending")
        if len(self._sessions) >= MOST_SESSIONS:
            self._hub.counts.refused += 1
            raise TooMany(f"{MOST_SESSIONS} viewers watch over WebRTC already")
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        session = _Session(id=secrets.token_urlsafe(16), camera=camera, answer=answer)
        self._sessions[session.id] = session
        self._group.create_task(self._run(session, stream, offer, address), name=f"whep {session.id[:6]}")
        try:
            return session.id, await asyncio.shield(answer)
        except asyncio.CancelledError:
            session.left.set()
            raise

    def end(self, camera: UUID, session: str) -> None:
        """The viewer of this camera has had enough; NotFound where there is no such session."""
        found = self._sessions.get(session)
        if found is None or found.camera != camera:
            raise NotFound("there is no such session")
        found.left.set()

    async def _run(self, session: _Session, stream: UUID, offer: str, address: str) -> None:
        try:
            async with self._hub.watch(stream, Door.WEBRTC) as camera:
                await self._converse(session, camera, offer, address)
        except HultaError as error:
            if not session.answer.done():
                session.answer.set_exception(error)
        except Exception as error:
            log.exception("whep_session_defect")
            if not session.answer.done():
                session.answer.set_exception(error)
        finally:
            del self._sessions[session.id]
            if session.answer.done() and not session.answer.cancelled():
                session.answer.exception()  # whoever asked may have gone

    async def _converse(self, session: _Session, camera: LiveCamera, offer: str, address: str) -> None:
        from playback.whep_call import Call  # noqa: PLC0415 - 18 MB that a server without WebRTC viewers does without

        codec = (await camera.first(FIRST_PICTURE_S)).media.track.codec
        fitted = fit(offer, codec)
        await _see_order(camera)
        pictures = LivePictures(camera, self._clock, codec, self._hub.counts)
        call = Call(address, pictures.next, pictures.lost)
        try:
            session.answer.set_result(await call.answer(fitted))
            await first_of(call.connected.wait(), call.ended.wait(), session.left.wait(), self._clock.sleep(CONNECT_S))
            if call.connected.is_set():
                await first_of(call.ended.wait(), session.left.wait())
        finally:
            await call.close()


async def _see_order(camera: LiveCamera) -> None:
    """Unfit if there are B-frames, as soon as that can be known."""
    seen = camera.ring.start
    try:
        async with asyncio.timeout(FIRST_PICTURE_S):
            while camera.ring.end - seen < ORDER_KNOWN and not camera.reorders:
                await camera.news()
    except TimeoutError:
        raise NoFootage(f"no picture came within {FIRST_PICTURE_S:.0f} s", hint=camera.trouble) from None
    if camera.reorders:
        raise Unfit(B_FRAMES, hint="use /live")


class LivePictures:
    """One viewer's position in the camera's ring."""

    def __init__(self, camera: LiveCamera, clock: Clock, codec: str, counts: LiveCounts) -> None:
        self._camera = camera
        self._clock = clock
        self._codec = codec
        self._counts = counts
        self._sender = PictureSender()
        self._position: int | None = None
        self._hurrying = True
        self._since_us = clock.boot_us()  # since when it hurries, or is in the present

    async def next(self) -> Picture:
        """The next picture, when it is there. Unfit where the camera has begun to send something else."""
        camera = self._camera
        while True:
            wanted, self._position = self._position, camera.resume(self._position)
            if wanted is not None and self._position != wanted:
                self._counts.skips[Door.WEBRTC] += 1
                self._hurry()
            if self._position is not None and self._position < camera.ring.end:
                break
            await camera.news()
        frame = camera.ring[self._position]
        if frame.media.track.codec != self._codec:
            check_codec(frame.media.track.codec)
        if frame.reordered:
            raise Unfit(B_FRAMES)
        self._position = following = self._position + 1
        if self._hurrying:
            await self._clock.sleep(max(HURRY_LEAST_S, len(frame.fragment) * 8 / HURRY_BPS))
        waiting = camera.ring.end - following
        if self._hurrying and not waiting and self._position == following:  # else it was lost meanwhile
            self._hurrying, self._since_us = False, self._clock.boot_us()
        return self._sender.picture(frame, camera.ring[camera.ring.end - 1], waiting if self._hurrying else 0)

    def lost(self) -> None:
        """The viewer cannot decode what comes: it gets the current group of pictures again, now and then."""
        most_us = MOST_HURRY_US if self._hurrying else AGAIN_US
        if self._clock.boot_us() - self._since_us > most_us:
            self._position = None
            self._hurry()

    def _hurry(self) -> None:
        self._hurrying, self._since_us = True, self._clock.boot_us()
