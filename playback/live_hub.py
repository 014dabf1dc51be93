"""Which cameras are watched live through this process, and by how many: every number has a bound."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.errors import TooMany
from playback.live_camera import LiveCamera
from playback.live_counts import Door, LiveCounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from storage.clock import Clock

MOST_VIEWERS = 256
MOST_OF_A_CAMERA = 64
MOST_CAMERAS = 128
CAMERA_BYTES = 16 << 20
ALL_BYTES = 256 << 20
"""What is kept for all viewers together, in equal shares for the cameras that are watched."""

LINGER_S = 10.0
"""A camera is followed for so long after its last viewer left: who comes back sees a picture at once."""


@dataclass(slots=True, kw_only=True)
class _Watched:
    camera: LiveCamera
    following: asyncio.Task[None]
    viewers: int = 0
    leaving: asyncio.TimerHandle | None = None


class LiveHub:
    """Cameras by stream, each followed while somebody watches it."""

    def __init__(self, socket: Path, clock: Clock) -> None:
        self._socket = socket
        self._clock = clock
        self.counts = LiveCounts()
        self._watched: dict[UUID, _Watched] = {}
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LiveHub]:
        """Work for the length of a block."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield self
            finally:
                self._group = None
                for stream in tuple(self._watched):
                    self._forget(stream)

    @property
    def viewers(self) -> int:
        """How many watch."""
        return sum(watched.viewers for watched in self._watched.values())

    @property
    def cameras(self) -> int:
        """How many cameras are followed."""
        return len(self._watched)

    @property
    def size_bytes(self) -> int:
        """What is kept for all viewers."""
        return sum(watched.camera.ring.size_bytes for watched in self._watched.values())

    @asynccontextmanager
    async def watch(self, stream: UUID, door: Door) -> AsyncIterator[LiveCamera]:
        """A viewer of a camera, for the length of a block. TooMany where one more is too many."""
        try:
            watched = self._admit(stream)
        except TooMany:
            self.counts.refused += 1
            raise
        watched.viewers += 1
        self.counts.viewers[door] += 1
        if watched.leaving is not None:
            watched.leaving.cancel()
            watched.leaving = None
        try:
            yield watched.camera
        finally:
            watched.viewers -= 1
            self.counts.viewers[door] -= 1
            if not watched.viewers and self._watched.get(stream) is watched:
                watched.leaving = asyncio.get_running_loop().call_later(LINGER_S, self._forget, stream)

    def _admit(self, stream: UUID) -> _Watched:
        if self._group is None:
            raise TooMany("the server is ending")
        if self.viewers >= MOST_VIEWERS:
            raise TooMany(f"{MOST_VIEWERS} viewers watch already")
        watched = self._watched.get(stream)
        if watched is None:
            return self._follow(stream, self._group)
        if watched.viewers >= MOST_OF_A_CAMERA:
            raise TooMany(f"{MOST_OF_A_CAMERA} viewers watch this camera already")
        return watched

    def _follow(self, stream: UUID, group: asyncio.TaskGroup) -> _Watched:
        if len(self._watched) >= MOST_CAMERAS:
            idle = next((stream for stream, watched in self._watched.items() if not watched.viewers), None)
            if idle is None:
                raise TooMany(f"{MOST_CAMERAS} cameras are watched already")
            self._forget(idle)
        camera = LiveCamera(self._socket, stream, self._clock, CAMERA_BYTES)
        following = group.create_task(camera.run(), name=f"live {stream}")
        watched = self._watched[stream] = _Watched(camera=camera, following=following)
        self._share()
        return watched

    def _forget(self, stream: UUID) -> None:
        watched = self._watched.pop(stream)
        if watched.leaving is not None:
            watched.leaving.cancel()
        watched.following.cancel()
        self._share()

    def _share(self) -> None:
        for watched in self._watched.values():
            watched.camera.ring.most_bytes = min(CAMERA_BYTES, ALL_BYTES // len(self._watched))
