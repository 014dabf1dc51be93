"""One camera's live pictures in this process: one subscription to the recorder, shared by all who watch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from media.errors import MediaError, NoFootage
from media.live_ring import LiveRing
from media.live_wire import HEADER, LiveEnd, LiveUnit, read_header, read_message, request
from playback.live_muxer import LiveMuxer
from storage.unix_address import unix_address

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from playback.live_muxer import LiveFrame
    from storage.clock import Clock

RETRY_S = 0.25
"""A recorder that was restarted is there again within a few seconds, and its viewers with it."""

LATE_US = 3_000_000
"""A viewer so far behind goes on at the newest sync sample, if that is newer than what it has."""

log = structlog.get_logger(__name__)


class LiveCamera:
    """The newest frames of one stream, for as long as `run` runs."""

    def __init__(self, socket: Path, stream: UUID, clock: Clock, most_bytes: int) -> None:
        self.ring: LiveRing[LiveFrame] = LiveRing(most_bytes)
        self.reorders = False
        """Whether there are B-frames, as far as has been seen."""
        self.trouble = ""
        """Why nothing comes, as far as that is known."""
        self._socket = socket
        self._stream = stream
        self._clock = clock
        self._muxer = LiveMuxer()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Follow the recorder until cancelled, through its restarts."""
        while True:
            try:
                await self._subscribe()
            except (OSError, EOFError) as error:
                self.trouble = "the recorder does not answer"
                log.debug("live_subscription_lost", stream=str(self._stream), error=str(error))
            except MediaError as error:
                self.trouble = "the recorder sends what cannot be read"
                log.error("live_subscription_failed", stream=str(self._stream), error=str(error))  # noqa: TRY400
            except Exception:
                # A defect met by one camera must not end the others.
                self.trouble = "a fault of the server"
                log.exception("live_camera_defect", stream=str(self._stream))
            await self._clock.sleep(RETRY_S)

    async def news(self) -> None:
        """Wait for the next frame."""
        await self._news.wait()

    async def first(self, seconds: float) -> LiveFrame:
        """The newest frame, or the first that comes; NoFootage if none does in time."""
        try:
            async with asyncio.timeout(seconds):
                while not self.ring.end:
                    await self.news()
        except TimeoutError:
            raise NoFootage(f"no picture came within {seconds:.0f} s", hint=self.trouble) from None
        return self.ring[self.ring.end - 1]

    def resume(self, position: int | None) -> int | None:
        """Where a viewer goes on: see LiveRing.resume; one that is too far behind at the newest sync sample."""
        ring = self.ring
        found = ring.resume(position)
        newest = ring.newest_sync
        if found is None or found == ring.end or newest is None or newest <= found:
            return found
        late_us = ring[ring.end - 1].arrival_us - ring[found].arrival_us
        return newest if late_us > LATE_US else found

    async def _subscribe(self) -> None:
        with unix_address(self._socket) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        try:
            writer.write(request(self._stream))
            while True:
                length, kind = read_header(await reader.readexactly(HEADER.size))
                message = read_message(kind, await reader.readexactly(length))
                if isinstance(message, LiveEnd):
                    self.trouble = message.sentence
                    return
                if isinstance(message, LiveUnit):
                    self._take(message)
                elif message is not None:
                    self._muxer.describe(message)
        finally:
            writer.close()

    def _take(self, unit: LiveUnit) -> None:
        frame = self._muxer.frame(unit)
        if frame is None:
            return
        self.trouble = ""
        self.reorders = frame.reordered
        self.ring.append(frame, len(frame.fragment), sync=frame.sync)
        news, self._news = self._news, asyncio.Event()
        news.set()
