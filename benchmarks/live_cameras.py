"""Simulated cameras recorded into an archive's catalog while it is asked, and what they felt of it.

`record` and `ship` run alone, without the supervisor: `keep` would find an archive that ended long ago.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import children
from benchmarks.city_guest import LIVE_SITE, live_names
from benchmarks.measuring import until
from ingest.assignments import Assignment, write_assignments
from media.url import CameraUrl
from playback.library import Library
from server.status_socket import read_status
from server.supervisor import NICENESS
from storage.clock import HostClock
from storage.directory_store import DirectoryStore
from storage.layout import Layout
from storage.model import Camera, DesiredCamera, DesiredSite
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog

LOOK_S = 0.05
SEGMENT_US = 15_000_000  # shorter than in life, so that several are shipped while it lasts
UP_S = DRAINED_S = 40.0
FRAMES_PER_SECOND = 25  # of a simulated camera


def as_supervised(role: str, *options: str | Path) -> list[str]:
    """The command line of a role, at the priority at which the supervisor runs it."""
    return ["nice", "-n", str(NICENESS[role]), *children.hulta(role, *options)]


@dataclass(slots=True)
class Felt:
    """How long after its last frame each fragment was announced durable, in milliseconds, and what went wrong.

    The recorder is looked at every LOOK_S, which is part of the figure.
    """

    late_ms: list[float] = field(default_factory=list)
    interruptions: int = 0  # looks at which a camera did not record


@dataclass(slots=True)
class Recorder:
    """The recording processes."""

    data: Layout
    pid: int
    ship_pid: int
    cameras: int
    _through_us: dict[str, int] = field(default_factory=dict)

    async def watch(self, seconds: float) -> Felt:
        """Look for so long."""
        felt = Felt()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            await self._look(felt)
            await asyncio.sleep(LOOK_S)
        return felt

    async def up(self) -> None:
        """Wait until every camera has footage that is durable."""
        async with asyncio.timeout(UP_S):
            while len(self._through_us) < self.cameras:
                await self._look(Felt())
                await asyncio.sleep(LOOK_S)

    async def _look(self, felt: Felt) -> None:
        document = await read_status(self.data.socket("record"))
        now_us = HostClock().wall_us()
        for stream, state in (document or {}).get("streams", {}).items():
            felt.interruptions += stream in self._through_us and state["state"] != "recording"
            through_us = (state["durable"] or {}).get("through_us")
            if through_us is not None and through_us != self._through_us.get(stream):
                self._through_us[stream] = through_us
                felt.late_ms.append((now_us - through_us) / 1000)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is of the simulated cameras after all is over."""

    frames: int
    lost_frames: int  # by the clock of the track, between the first frame and the last
    damaged: int  # segments with lost packets
    absences: list[str]  # what the timeline shows between first and last frame that is not footage


@asynccontextmanager
async def recorded(root: Path, config: Path, cameras: int, log: Path) -> AsyncIterator[Recorder]:
    """Record simulated cameras into the data directory for the length of a block."""
    data = Layout(root)
    command = ("--config", str(config), "--data", str(root))
    with children.simulated(cameras) as simulated:
        await _assign(data, dict(zip(live_names(cameras), simulated.urls, strict=True)))
        with children.running(as_supervised("ship", *command), log=log) as (ship,):
            with children.running(as_supervised("record", *command), log=log) as (record,):
                recorder = Recorder(data, record, ship, cameras)
                await recorder.up()
                yield recorder
            await _drained(data)


async def _drained(data: Layout) -> None:
    """Wait until the shipper has brought away all that was recorded."""
    empty = partial(_empty, data.spool)
    await asyncio.to_thread(until, empty, what="an empty spool", within_s=DRAINED_S)


def _empty(spool: Path) -> bool:
    return not any(spool.rglob("*.mp4*"))


async def judge(root: Path, cameras: int) -> Verdict:
    """Ask the timelines and the rows, once the recorder has stopped."""
    data, clock = Layout(root), HostClock()
    frames = lost = damaged = 0
    absences: list[str] = []
    async with await SqliteCatalog.open(data.catalog, clock) as catalog:
        store = DirectoryStore(data.objects)
        library = Library(catalog, store, None, clock)
        for name in live_names(cameras):
            camera = await catalog.inventory.camera(name)
            rows = await catalog.footage.segments(camera.stream, 0, clock.wall_us())
            frames += sum(row.samples for row in rows)
            lost += sum(round(row.duration_ticks / row.timescale * FRAMES_PER_SECOND) - row.samples for row in rows)
            damaged += sum(row.lost_packets > 0 for row in rows)
            timeline = await library.timeline(camera, rows[0].start_us, rows[-1].end_us)
            absences += [f"{name}: {gap.reason}" for gap in timeline.gaps]
            absences += [f"{name}: {part.detail}" for part in (*timeline.missing, *timeline.pending)]
        store.close()
    return Verdict(frames, lost, damaged, absences)


async def _assign(data: Layout, urls: dict[str, str]) -> None:
    """Put the cameras into the catalog and write down what is to be recorded, as the supervisor does."""
    box = SecretBox.at(data.key)
    wanted = [DesiredCamera(name=name, url=CameraUrl.parse(url), bitrate_bps=4_000_000) for name, url in urls.items()]
    async with await SqliteCatalog.open(data.catalog, HostClock(), box) as catalog:
        site = DesiredSite(name=LIVE_SITE, networks=("127.0.0.0/8",), cameras=tuple(wanted))
        await catalog.inventory.apply([site], [])
        known: list[Camera] = [await catalog.inventory.camera(name) for name in urls]
    assignments = [
        Assignment(
            stream=camera.stream,
            camera=camera.id,
            name=camera.name,
            epoch=camera.epoch,
            url=camera.url,
            segment_us=SEGMENT_US,
            bitrate_bps=camera.bitrate_bps,
            networks=("127.0.0.0/8",),
        )
        for camera in known
    ]
    write_assignments(data.assignments, assignments, box)
