"""The real spool under the load of a fleet: a fragment per camera and second, from `append` to `done`."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

from benchmarks.spread import percentile
from media.identity import SegmentIdentity
from storage.spool import SpoolRun, SpoolSegment

FRAGMENT_BYTES = 500_000  # a second of 4 Mbit/s


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What some seconds of it came to."""

    latencies_s: list[float] = field(repr=False)  # in order
    seconds: float
    cpu_s: float
    late_ms: float  # the latest that the event loop came to a camera

    @property
    def fragments_per_s(self) -> float:
        """Made durable."""
        return len(self.latencies_s) / self.seconds

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu_s / self.seconds

    def latency_ms(self, percent: float) -> float:
        """So many percent of the fragments were durable by then."""
        return percentile(self.latencies_s, percent) * 1e3


class Fleet:
    """Cameras that append to one spool."""

    def __init__(self, until: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = until
        self._fragment = os.urandom(FRAGMENT_BYTES)
        self.latencies_s: list[float] = []
        self.late_s = 0.0

    async def camera(self, segment: SpoolSegment, due: float) -> None:
        """A fragment a second, from `due` on."""
        while due < self._until:
            await asyncio.sleep(due - self._loop.time())
            self.late_s = max(self.late_s, self._loop.time() - due)
            segment.append([self._fragment], partial(self._durable, self._loop.time()))
            due += 1

    def _durable(self, began: float, error: Exception | None) -> None:
        if error is not None:
            raise error
        self.latencies_s.append(self._loop.time() - began)


async def load(spool: Path, cameras: int, seconds: int) -> Load:
    """So many cameras for so many seconds. Ends when everything is durable."""
    loop = asyncio.get_running_loop()
    run = SpoolRun.create(spool, run=1, host="benchmark", at_us=0, loop=loop)
    segments = [run.open_segment(_identity(), b"init") for _ in range(cameras)]
    began, cpu = loop.time(), time.process_time()
    fleet = Fleet(began + seconds)
    async with asyncio.TaskGroup() as group:
        for number, segment in enumerate(segments):
            group.create_task(fleet.camera(segment, began + number / cameras))
    await run.close(at_us=0)
    return Load(
        latencies_s=sorted(fleet.latencies_s),
        seconds=loop.time() - began,
        cpu_s=time.process_time() - cpu,
        late_ms=fleet.late_s * 1e3,
    )


def _identity() -> SegmentIdentity:
    return SegmentIdentity(camera=uuid4(), stream=uuid4(), epoch=1, run=1, sequence=0)
