"""One viewer's WebSocket: what the camera sends from the newest sync sample on, as fragments (docs/live.md).

A text message describes what follows, then comes its init section, then a fragment for each picture. A viewer that is
too slow goes on at the newest sync sample; one that stays too slow is closed, with a code that says so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocketDisconnect

from playback.live_counts import Door
from playback.timerange import format_instant
from storage.waiting import first_of

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from playback.live_camera import LiveCamera
    from playback.live_counts import LiveCounts
    from playback.live_muxer import LiveMedia
    from storage.clock import Clock

NOTHING_CAME_S = 30.0
TAKE_S = 10.0
"""A message must be taken in this time."""

MOST_RESYNCS = 5
RESYNC_WINDOW_US = 60_000_000
"""More resyncs than that in this time: the line does not carry the camera."""

UNEXPECTED = 1008
TOO_SLOW = 4008
NOTHING_CAME = 4404


class Closed(Exception):  # noqa: N818 - an end, not a failure
    """The viewer is to be closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class LiveViewer:
    """Sends one camera to one WebSocket."""

    def __init__(
        self, websocket: WebSocket, camera: LiveCamera, clock: Clock, counts: LiveCounts, not_before_us: int
    ) -> None:
        """It begins with a sync sample that came no earlier than that."""
        self._websocket = websocket
        self._camera = camera
        self._clock = clock
        self._counts = counts
        self._not_before_us = not_before_us
        self._media: LiveMedia | None = None
        self._resyncs: deque[int] = deque(maxlen=MOST_RESYNCS)

    async def run(self) -> None:
        """Until the viewer leaves, or is closed."""
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send_until_closed())
            listening = group.create_task(self._listen())
            await first_of(asyncio.wait([sending]), asyncio.wait([listening]))
            sending.cancel()
            listening.cancel()

    async def _send_until_closed(self) -> None:
        try:
            try:
                await self._send()
            except Closed as closed:
                self._counts.cut[Door.WEBSOCKET] += closed.code == TOO_SLOW
                await self._websocket.close(closed.code, closed.reason)
        except WebSocketDisconnect:
            return

    async def _send(self) -> None:
        camera, position = self._camera, None
        while True:
            wanted, position = position, camera.resume(position)
            if position is None or position == camera.ring.end:
                await self._wait()
                continue
            if wanted is not None and position != wanted:
                self._note_resync()
            frame = camera.ring[position]
            if self._media is None and not (frame.sync and frame.arrival_us >= self._not_before_us):
                position += 1
                continue
            if frame.media is not self._media:
                self._media = frame.media
                await self._put(text=_announcement(frame.media, self._clock.wall_us()))
                await self._put(frame.media.init)
            await self._put(frame.fragment)
            position += 1

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(NOTHING_CAME_S):
                await self._camera.news()
        except TimeoutError:
            why = f": {self._camera.trouble}" if self._camera.trouble else ""
            raise Closed(NOTHING_CAME, f"no picture came for {NOTHING_CAME_S:.0f} s{why}") from None

    async def _put(self, content: bytes = b"", *, text: dict[str, Any] | None = None) -> None:
        try:
            async with asyncio.timeout(TAKE_S):
                if text is None:
                    await self._websocket.send_bytes(content)
                else:
                    await self._websocket.send_json(text)
        except TimeoutError:
            raise Closed(TOO_SLOW, f"nothing was taken for {TAKE_S:.0f} s") from None

    def _note_resync(self) -> None:
        self._counts.skips[Door.WEBSOCKET] += 1
        now_us = self._clock.boot_us()
        full = len(self._resyncs) == MOST_RESYNCS
        if full and now_us - self._resyncs[0] < RESYNC_WINDOW_US:
            raise Closed(TOO_SLOW, "the pictures come faster than they are taken")
        self._resyncs.append(now_us)

    async def _listen(self) -> None:
        """Nothing is expected from a viewer; that it left is told here."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.receive":
            await self._websocket.close(UNEXPECTED, "nothing is expected from a viewer")


def _announcement(media: LiveMedia, now_us: int) -> dict[str, Any]:
    track = media.track
    return {
        "type": "media",
        "mime": media.mime,
        "width": track.width,
        "height": track.height,
        "zero": format_instant(media.zero_us),
        "now": format_instant(now_us),
    }
