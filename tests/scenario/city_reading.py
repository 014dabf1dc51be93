"""A simulated city as others see it: ffmpeg decodes cameras of every kind, PyAV reads their marks.

    python -m tests.scenario.city_reading [--fleet examples/boras.yaml] [--each 5] [--over udp] [--seed 0]

For each camera chosen: one whole loop is decoded by ffmpeg without a warning, frames counted; and one is read by PyAV
as it is: every access unit has the mark of this camera, numbers follow each other, the CRC fits, and the bit rate is
what the configuration says.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av
import uvloop

from media.nal import split_annex_b
from server.city import read_fleet
from simulator import Simulator, SimulatorOptions
from simulator.loops import loop_frames
from simulator.oracle import camera_uuid, checksum, find_sei
from simulator.seed import chance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulator import CameraOptions
    from simulator.options import Kind

BORAS = Path(__file__).parents[2] / "examples" / "boras.yaml"
AT_ONCE = 10
LIMIT_S = 120
BUFFER = {"buffer_size": "4194304"}
"""For datagrams, of readers that libav's own half a MB is not enough for: cameras here may share a process that stood
still, and then send two seconds at once."""
TOLERANCE = 0.03


@dataclass(kw_only=True)
class Reading:
    """What was found at one camera."""

    camera: CameraOptions
    decoded: int = 0
    complaints: str = ""
    marked: int = 0
    bitrate_bps: float = 0
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is nothing to complain about."""
        return not self.complaints and not self.faults


def choose(fleet: Iterable[CameraOptions], each: int, seed: int) -> list[CameraOptions]:
    """So many cameras of each kind, by chance."""
    kinds: dict[Kind, list[CameraOptions]] = defaultdict(list)
    for camera in fleet:
        kinds[camera.kind].append(camera)
    random = chance(seed, "which cameras are read")
    return [camera for kind in sorted(kinds) for camera in random.sample(kinds[kind], min(each, len(kinds[kind])))]


async def read(camera: CameraOptions, url: str, frames: int, over: str) -> Reading:
    """Ffmpeg and PyAV, at the same time."""
    reading = Reading(camera=camera)
    await asyncio.gather(_decode(reading, url, frames, over), asyncio.to_thread(_check, reading, url, frames, over))
    if reading.decoded != frames:
        reading.faults.append(f"ffmpeg decoded {reading.decoded} of {frames} frames")
    if frames % loop_frames(camera.kind) == 0 and abs(reading.bitrate_bps / camera.bitrate_bps - 1) > TOLERANCE:
        reading.faults.append(f"{reading.bitrate_bps / 1e6:.3f} instead of {camera.bitrate_bps / 1e6:.3f} Mbit/s")
    return reading


async def read_all(
    cameras: Sequence[CameraOptions], urls: dict[str, str], frames: dict[str, int], over: str
) -> list[Reading]:
    """A few at once."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(camera: CameraOptions) -> Reading:
        async with turn:
            return await read(camera, urls[camera.name], frames[camera.name], over)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(camera)) for camera in cameras]
    return [task.result() for task in tasks]


async def _decode(reading: Reading, url: str, frames: int, over: str) -> None:
    """What ffmpeg counts itself; -xerror makes the first decoding error fatal."""
    command = ("ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-rtsp_transport", over)
    command += ("-buffer_size", BUFFER["buffer_size"], "-i", url)
    output = ("-frames:v", str(frames), "-progress", "pipe:1", "-f", "null", "-")
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, *output, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(LIMIT_S):
            progress, complaints = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    counts = dict(line.partition("=")[::2] for line in progress.decode().split())
    reading.decoded = int(counts.get("frame", 0)) - int(counts.get("dup_frames", 0))
    reading.complaints = complaints.decode().strip() or ("" if child.returncode == 0 else f"exit {child.returncode}")
    if counts.get("drop_frames") != "0":
        reading.faults.append(f"ffmpeg left out {counts.get('drop_frames')} frames")


def _check(reading: Reading, url: str, frames: int, over: str) -> None:
    """The marks of access units as libav's demuxer gives them."""
    expected = camera_uuid(reading.camera.name)
    last, size_bytes = None, 0
    with av.open(url, options={"rtsp_transport": over, **BUFFER}, timeout=LIMIT_S) as container:
        for packet in container.demux(video=0):
            nals = split_annex_b(bytes(packet))
            mark = find_sei(nals)
            if mark is None or mark.camera != expected:
                reading.faults.append("an access unit without the mark of its camera")
            elif mark.crc32 != checksum(nals):
                reading.faults.append(f"frame {mark.frame} is not what its mark says")
            elif last is not None and mark.frame != last + 1:
                reading.faults.append(f"frame {mark.frame} follows {last}")
            last = mark.frame if mark else last
            size_bytes += sum(map(len, nals))
            reading.marked += 1
            if reading.marked == frames:
                break
    reading.bitrate_bps = size_bytes * 8 * reading.camera.fps / max(1, reading.marked)


async def _main(options: argparse.Namespace) -> int:
    fleet = read_fleet(options.fleet)
    chosen = choose(fleet, options.each, options.seed)
    frames = {camera.name: loop_frames(camera.kind) for camera in chosen}
    print("| kind | cameras | frames decoded | frames marked | Mbit/s | complaints |")
    print("|---|---|---|---|---|---|", flush=True)
    async with Simulator(SimulatorOptions(fleet=fleet, port=0, seed=options.seed)) as simulator:
        readings = await read_all(chosen, simulator.server.urls, frames, options.over)
    for kind in sorted({camera.kind for camera in chosen}):
        print(_row(kind, [reading for reading in readings if reading.camera.kind == kind]))
    return 0 if all(reading.clean for reading in readings) else 1


def _row(kind: Kind, readings: Sequence[Reading]) -> str:
    name = f"{kind.bitrate_bps / 1e6:g} Mbit/s, {kind.fps} fps, GOP {kind.gop_us / 1e6:g} s" + ", B" * kind.b_frames
    rates = [reading.bitrate_bps / 1e6 for reading in readings]
    unclean = [reading for reading in readings if not reading.clean]
    said = [f"{reading.camera.name}: {'; '.join([*reading.faults, reading.complaints])}" for reading in unclean]
    decoded, marked = sum(reading.decoded for reading in readings), sum(reading.marked for reading in readings)
    rate = f"{min(rates):.3f}-{max(rates):.3f}"
    return f"| {name} | {len(readings)} | {decoded} | {marked} | {rate} | {' '.join(said) or 'none'} |"


def main() -> int:
    """Parse the command line, read, print a table; 1 if anything was not clean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleet", type=Path, default=BORAS)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--over", choices=["tcp", "udp"], default="tcp")
    parser.add_argument("--seed", type=int, default=0)
    return uvloop.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
