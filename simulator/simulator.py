"""Any number of simulated cameras on one port."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import uvloop

from simulator.camera import Camera
from simulator.clock import CameraClock
from simulator.film import read_reel
from simulator.live import LiveSource
from simulator.loops import LOOPS, encode_loop
from simulator.options import LIVE_CAMERAS
from simulator.pacer import Pacer
from simulator.reel import ReelSource
from simulator.rtsp_server import RtspServer
from simulator.sent_log import SentLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from simulator.options import SimulatorOptions
    from simulator.sent_log import SentFrame
    from simulator.source import Source

_WORKERS = 2
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
        self._resources = AsyncExitStack()
        self.cameras: dict[str, Camera] = {}
        """By the path of their URL."""
        self.port = options.port

    @property
    def urls(self) -> tuple[str, ...]:
        """One RTSP URL per camera, without credentials."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return tuple(f"rtsp://{host}:{self.port}/{name}" for name in self.cameras)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            workers = ThreadPoolExecutor(_WORKERS, "simulator")
            resources.callback(workers.shutdown, cancel_futures=True)
            report = self._report(resources)
            pacer = Pacer(self._clock)
            resources.callback(pacer.close)
            names = [f"cam/{number:04d}" for number in range(1, self._options.cameras + 1)]
            sources = await _make_sources(self._options, names, workers)
            for name, source in zip(names, sources, strict=True):
                self.cameras[name] = Camera(name, source, self._clock, pacer, report)
            server = RtspServer(self._options, self.cameras, self._clock)
            resources.push_async_callback(server.close)
            await server.start()
            self.port = server.port
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()

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


async def simulate(options: SimulatorOptions, announce: Callable[[str], None]) -> None:
    """Serve cameras until cancelled; `announce` gets one URL per camera once all can be opened."""
    async with Simulator(options) as simulator:
        for url in simulator.urls:
            announce(url)
        await asyncio.Event().wait()


def run(options: SimulatorOptions, announce: Callable[[str], None]) -> None:
    """`simulate` in an event loop of its own, until interrupted."""
    uvloop.run(simulate(options, announce))


async def _make_sources(options: SimulatorOptions, names: list[str], workers: ThreadPoolExecutor) -> list[Source]:
    """One source per camera. Phases spread the cameras: over a file's length, or over a frame's interval."""
    loop = asyncio.get_running_loop()
    if options.file is not None:
        path = options.file
        film = await loop.run_in_executor(workers, lambda: read_reel(path, marked=options.oracle))
        return [ReelSource(film, film.lap.length_us * index // len(names)) for index in range(len(names))]
    phases_us = [index * 1_000_000 // (options.fps * len(names)) for index in range(len(names))]
    if len(names) <= LIVE_CAMERAS:
        made = (
            loop.run_in_executor(workers, LiveSource, options, name, phase_us, workers)
            for name, phase_us in zip(names, phases_us, strict=True)
        )
        return [*await asyncio.gather(*made)]
    reels = await asyncio.gather(
        *(loop.run_in_executor(workers, encode_loop, options, index) for index in range(LOOPS))
    )
    return [ReelSource(reels[index % LOOPS], phase_us) for index, phase_us in enumerate(phases_us)]
