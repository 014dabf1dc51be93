"""How long a day of one camera takes to describe, and how much memory a video of it needs.

    python -m benchmarks.playback [--frames-per-second 25] [--b-frames]

The rows and sample tables are those of a real day (1440 segments of a minute, fragments of a second); the objects
behind them are not there, because describing a day opens none of them but one init section.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from media.fragment_index import FragmentEntry, encode
from media.identity import SegmentIdentity
from media.init_section import init_section
from media.sample_table import SampleTable
from media.track import Track
from media.url import CameraUrl
from playback.library import Library
from storage.clock import FakeClock
from storage.model import Camera, DesiredCamera, Policy, Segment, SegmentState
from storage.objects import ObjectStat
from storage.sqlite_catalog import SqliteCatalog

NOON_US = 1_795_003_200_000_000
MINUTE_US = 60_000_000
MINUTES = 1440
BATCH = 100
SAMPLE_BYTES = 20_000  # 4 Mbit/s at 25 frames a second
HEADER_BYTES = 900  # of a moof with 25 samples, and its mdat


class InitSections:
    """An object store that holds nothing but the init section of every object, and zeros."""

    def __init__(self, init: bytes) -> None:
        self._init = init

    async def read(self, _key: str, offset: int, length: int) -> bytes:
        """The init section, then zeros."""
        return (self._init + bytes(max(0, offset + length - len(self._init))))[offset : offset + length]

    async def stat(self, key: str) -> ObjectStat:
        """Never asked."""
        raise NotImplementedError(key)


def track() -> Track:
    """A track like that of a camera."""
    avcc = bytes.fromhex("01640028ffe1000467640028010004 68ee3c80")
    visual = bytes(24) + (1920).to_bytes(2, "big") + (1080).to_bytes(2, "big") + bytes(50)
    content = bytes(6) + b"\0\1" + visual[8:] + (8 + len(avcc)).to_bytes(4, "big") + b"avcC" + avcc
    entry = (8 + len(content)).to_bytes(4, "big") + b"avc1" + content
    return Track(kind="video", timescale=90_000, codec="avc1.640028", width=1920, height=1080, sample_entry=entry)


def minute(rate: int, *, b_frames: bool) -> tuple[SampleTable, list[FragmentEntry]]:
    """A minute of samples with a camera's jitter, and its fragments at NOON_US."""
    random = np.random.default_rng(1)
    count = 60 * rate
    ticks = np.arange(count + 1, dtype=np.int64) * (90_000 // rate)
    ticks[1:-1] += random.integers(-90, 90, count - 1)
    ticks[::rate] = np.arange(61) * 90_000
    order = np.arange(count).reshape(-1, rate)
    if b_frames:
        order = np.concatenate(
            [order[:, :1], np.roll(order[:, 1:].reshape(60, -1, 3), 1, axis=2).reshape(60, -1)], axis=1
        )
    offsets = ticks[order.ravel()] - ticks[:-1]
    table = SampleTable(
        sizes=random.integers(SAMPLE_BYTES // 2, SAMPLE_BYTES * 3 // 2, count).astype(np.uint32),
        durations=np.diff(ticks).astype(np.uint32),
        offsets=offsets.astype(np.int32),
        sync=np.arange(0, count, rate, dtype=np.uint32),
    )
    return table, list(fragments(table, rate))


def fragments(table: SampleTable, rate: int) -> list[FragmentEntry]:
    """A fragment a second."""
    entries, offset = [], 700
    for second in range(60):
        data_bytes = int(table.sizes[second * rate : (second + 1) * rate].sum())
        entries.append(
            FragmentEntry(
                offset=offset,
                length=HEADER_BYTES + data_bytes,
                data_offset=offset + HEADER_BYTES,
                media_ticks=second * 90_000,
                duration_ticks=90_000,
                wall_us=NOON_US + second * 1_000_000,
                end_wall_us=NOON_US + (second + 1) * 1_000_000,
                samples=rate,
                sync_samples=1,
                starts_with_sync=True,
                lost_packets=0,
            )
        )
        offset += HEADER_BYTES + data_bytes + 300
    return entries


async def fill(catalog: SqliteCatalog, camera: Camera, rate: int, *, b_frames: bool) -> bytes:
    """Register a day; the init section of its segments."""
    table, entries = minute(rate, b_frames=b_frames)
    samples, init = table.encode(), init_section(track())
    batch: list[tuple[Segment, bytes]] = []
    for number in range(MINUTES):
        shift_us = number * MINUTE_US
        shifted = [
            replace(
                entry,
                media_ticks=entry.media_ticks + number * 60 * 90_000,
                wall_us=entry.wall_us + shift_us,
                end_wall_us=entry.end_wall_us + shift_us,
            )
            for entry in entries
        ]
        identity = SegmentIdentity(camera=camera.id, stream=camera.stream, epoch=1, run=7, sequence=number)
        segment = Segment(
            identity=identity,
            span=0,
            state=SegmentState.SPOOLED,
            start_us=shifted[0].wall_us,
            end_us=shifted[-1].end_wall_us,
            media_ticks=shifted[0].media_ticks,
            duration_ticks=60 * 90_000,
            timescale=90_000,
            samples=60 * rate,
            sync_samples=60,
            lost_packets=0,
            codec="avc1.640028",
            width=1920,
            height=1080,
            init_bytes=len(init),
            size_bytes=shifted[-1].offset + shifted[-1].length + 20_000,
            sha256=None,
            fragments=encode(shifted),
            chain=bytes(32),
        )
        batch.append((segment, samples))
        if len(batch) == BATCH or number == MINUTES - 1:
            await catalog.footage.register(batch)
            batch = []
    return init


async def timed(what: str, act: Callable[[], Awaitable[object]], rounds: int = 7) -> None:
    """Median and best of some rounds, and the CPU time of one: on a busy machine only the last two say much."""
    spent, cpu = [], time.process_time()
    for _ in range(rounds):
        start = time.perf_counter()
        await act()
        spent.append((time.perf_counter() - start) * 1000)
    cpu = (time.process_time() - cpu) * 1000 / rounds
    print(f"{what:36} median {statistics.median(spent):7.1f} ms   best {min(spent):7.1f} ms   CPU {cpu:7.1f} ms")


async def measure(rate: int, *, b_frames: bool) -> None:
    """Fill a catalog and ask."""
    with tempfile.TemporaryDirectory() as directory:
        clock = FakeClock(wall_us=NOON_US)
        async with await SqliteCatalog.open(Path(directory) / "catalog.sqlite", clock) as catalog:
            await catalog.inventory.apply([], [Policy(name="default", keep_max_us=62 * MINUTES * MINUTE_US)])
            wanted = DesiredCamera(name="gate", url=CameraUrl.parse("rtsp://127.0.0.1/cam"))
            camera = await catalog.inventory.add(wanted, site="town")
            init = await fill(catalog, camera, rate, b_frames=b_frames)
            clock.step(MINUTES * MINUTE_US)
            library = Library(catalog, InitSections(init), None, clock)  # type: ignore[arg-type]
            end_us = NOON_US + MINUTES * MINUTE_US

            async def first_byte(from_us: int = NOON_US + 7, to_us: int = end_us - 7) -> None:
                video = await library.video(camera, from_us, to_us)
                await anext(video.read())

            async def all_tables() -> None:
                video = await library.video(camera, NOON_US + 7, end_us - 7)
                payload = sum(part.size_bytes for part in video.content.sections[-1:])
                async for _ in video.read(0, video.size_bytes - payload):
                    pass

            await timed("timeline of a day", lambda: library.timeline(camera, NOON_US, end_us))
            await timed("playlist of an hour", lambda: library.playlist(camera, NOON_US, NOON_US + 60 * MINUTE_US, "/"))
            await timed("playlist of a day", lambda: library.playlist(camera, NOON_US, end_us, "/"))
            await timed("first byte of a minute's mp4", lambda: first_byte(NOON_US + 7, NOON_US + MINUTE_US))
            await timed("first byte of a day's mp4", first_byte)
            await timed("a day's moov", all_tables, rounds=3)
            tracemalloc.start()
            await all_tables()
            print(f"{'memory to make it':36} peak {tracemalloc.get_traced_memory()[1] / (1 << 20):9.1f} MiB")


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames-per-second", type=int, default=25)
    parser.add_argument("--b-frames", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.frames_per_second, b_frames=arguments.b_frames))


if __name__ == "__main__":
    main()
