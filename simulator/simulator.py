"""Any number of simulated cameras on one port."""

from __future__ import annotations

import asyncio
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import uvloop

from simulator.camera import Camera
from simulator.clock import CameraClock
from simulator.director import Director
from simulator.footage import add_looks
from simulator.pacer import Pacer
from simulator.rtsp_server import RtspServer
from simulator.sent_log import SentLog
from simulator.studio import make_sounds, make_sources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from simulator.options import SimulatorOptions
    from simulator.sent_log import SentFrame

_FILES, _FILES_A_CAMERA = 256, 8
"""What a simulator may have open: a camera's address, and two readers over UDP with three sockets each."""

_WORKERS = min(8, max(2, os.cpu_count() or 2))
"""Threads that draw and encode; libx264 runs without the GIL."""


class Simulator:
    """Serves cameras while it is entered: `async with Simulator(options) as simulator: simulator.urls`.

    `sent` is called in the event loop for each frame and session just before the frame goes out; `options.sent_log`
    does the same with a file.
    """

    def __init__(self, options: SimulatorOptions, sent: Callable[[SentFrame], None] | None = None) -> None:
        self._options = options
        self._sent = sent
        self._clock = CameraClock()
        self._director = Director(options, self._clock)
        self._resources = AsyncExitStack()
        self.cameras: dict[str, Camera] = {}
        """By name, which is the path of their URL."""
        self.server: RtspServer
        """Their doors, and who is connected."""

    @property
    def urls(self) -> tuple[str, ...]:
        """One RTSP URL per camera, without credentials."""
        return tuple(self.server.urls.values())

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            workers = ThreadPoolExecutor(_WORKERS, "simulator")
            resources.callback(workers.shutdown, cancel_futures=True)
            report = self._report(resources)
            pacer = Pacer(self._clock)
            resources.callback(pacer.close)
            sounds = await make_sounds(self._options, workers)
            sources = await add_looks(self._options, await make_sources(self._options, workers), workers)
            for camera, source in zip(self._options.lineup, sources, strict=True):
                played = self._director.prepare(camera.name, source)
                sound = sounds.get(camera.audio)
                self.cameras[camera.name] = Camera(camera.name, played, self._clock, pacer, report, sound=sound)
            self.server = RtspServer(self._options, self.cameras, self._clock)
            resources.push_async_callback(self.server.close)
            await self.server.start()
            await self._director.open(self.server, resources)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()

    async def perform(self) -> None:
        """Carry out the script, from now on; returns when it is over."""
        await self._director.perform()

    async def perform_flags(self) -> None:
        """Carry out the faults of the options that have a time; those without are there from the beginning."""
        await self._director.perform_flags()

    def _report(self, resources: AsyncExitStack) -> Callable[[SentFrame], None] | None:
        if self._options.sent_log is None:
            return self._sent
        log, also = resources.enter_context(SentLog(self._options.sent_log)), self._sent
        if also is None:
            return log

        def report(sent: SentFrame) -> None:
            log(sent)
            also(sent)

        return report


async def simulate(
    options: SimulatorOptions, announce: Callable[[str], None], cue: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Serve cameras until cancelled; `announce` gets one URL per camera once all can be opened.

    The script begins when `cue` returns, or at once.
    """
    async with Simulator(options) as simulator:
        for url in simulator.urls:
            announce(url)

        async def perform() -> None:
            if cue is not None:
                await cue()
            await simulator.perform()

        await asyncio.gather(perform(), simulator.perform_flags(), asyncio.Event().wait())


def run(
    options: SimulatorOptions, announce: Callable[[str], None], cue: Callable[[], Awaitable[None]] | None = None
) -> None:
    """`simulate` in an event loop of its own, until interrupted."""
    _allow_open_files(len(options.lineup))
    uvloop.run(simulate(options, announce, cue))


def _allow_open_files(cameras: int) -> None:
    """Many systems allow 1024 at first and more to those who ask; a camera read over UDP takes four."""
    wanted = _FILES + _FILES_A_CAMERA * cameras
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
