"""Which source each camera gets: drawn live, its place on a reel that it shares with others, or on a film."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulator.codecs import find_codec
from simulator.film import read_reel
from simulator.live import LiveSource
from simulator.loops import LOOPS, encode_loop, loop_phase_us
from simulator.reel import ReelSource
from simulator.seed import chance
from simulator.sound import make_sound

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from simulator.options import SimulatorOptions
    from simulator.sound import SoundReel
    from simulator.source import Source


async def make_sources(options: SimulatorOptions, workers: Executor) -> list[Source]:
    """One source per camera, in their order. What has to be drawn and encoded before is made on `workers`."""
    if options.file is not None:
        return await _film(options.file, options, workers)
    if options.fleet:
        return await _fleet(options, workers)
    if options.cameras <= find_codec(options.codec).live_cameras and not options.b_frames:
        return await _live(options, workers)
    return await _loops(options, workers)


async def make_sounds(options: SimulatorOptions, workers: Executor) -> dict[str, SoundReel]:
    """The sound of each codec that a camera has."""
    loop, names = asyncio.get_running_loop(), sorted({camera.audio for camera in options.lineup if camera.audio})
    made = await asyncio.gather(*(loop.run_in_executor(workers, make_sound, name) for name in names))
    return dict(zip(names, made, strict=True))


async def _film(path: Path, options: SimulatorOptions, workers: Executor) -> list[Source]:
    """All on one film, spread over its length."""
    loop, cameras = asyncio.get_running_loop(), options.lineup
    film = await loop.run_in_executor(workers, lambda: read_reel(path, marked=options.oracle))
    return [ReelSource(film, film.lap.length_us * index // len(cameras)) for index in range(len(cameras))]


async def _live(options: SimulatorOptions, workers: Executor) -> list[Source]:
    loop = asyncio.get_running_loop()
    made = (
        loop.run_in_executor(workers, LiveSource, camera.kind, camera.name, phase_us, workers, options.seed)
        for camera, phase_us in zip(options.lineup, _within_a_frame(options), strict=True)
    )
    return [*await asyncio.gather(*made)]


async def _loops(options: SimulatorOptions, workers: Executor) -> list[Source]:
    """Cameras that are alike take turns on a few loops."""
    loop, kind = asyncio.get_running_loop(), options.lineup[0].kind
    reels = await asyncio.gather(
        *(loop.run_in_executor(workers, encode_loop, kind, index, options.seed) for index in range(LOOPS))
    )
    return [
        ReelSource(reels[index % LOOPS], loop_phase_us(kind, index % LOOPS) + phase_us)
        for index, phase_us in enumerate(_within_a_frame(options))
    ]


async def _fleet(options: SimulatorOptions, workers: Executor) -> list[Source]:
    """One loop per kind. Each camera is at another place of it: no two key frames have to come together."""
    loop = asyncio.get_running_loop()
    # The longest work first: no thread is left alone with it in the end.
    kinds = sorted({camera.kind for camera in options.fleet}, reverse=True)
    loops = await asyncio.gather(*(loop.run_in_executor(workers, encode_loop, kind, 0, options.seed) for kind in kinds))
    reels = dict(zip(kinds, loops, strict=True))
    sources: list[Source] = []
    for camera in options.fleet:
        reel = reels[camera.kind]
        sources.append(ReelSource(reel, chance(options.seed, camera.name, "phase").randrange(reel.lap.length_us)))
    return sources


def _within_a_frame(options: SimulatorOptions) -> list[int]:
    """Phases that spread the frames of all cameras over one frame's interval."""
    return [index * 1_000_000 // (options.fps * options.cameras) for index in range(options.cameras)]
