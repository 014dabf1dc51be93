"""The recording process: follows the assignments file, one recorder per stream, one run on each disk.

It needs its disk and its cameras and nothing else. It never opens the catalog or the object store, and nothing that
happens there slows it down.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from ingest.anchored_clock import AnchoredClock
from ingest.assignments import Assignment, read_assignments
from ingest.backoff import Herd
from ingest.disks import DiskSet
from ingest.live_door import LiveDoor
from ingest.recorder import Recorder
from media.errors import ConfigError, KeyUnfit
from storage import journal
from storage.spool_ownership import Spools, retire_disk
from storage.waiting import pause

if TYPE_CHECKING:
    from uuid import UUID

    from media.errors import HultaError
    from storage.clock import Clock
    from storage.layout import Layout
    from storage.secrets import SecretBox
    from storage.spool import SpoolRun

TICK_S = 0.25
OBSERVE_CLOCK_TICKS = 4

FAREWELL_S = 1.0
"""For cameras to answer that they have heard of the end: all are asked at once, and most answer in milliseconds."""

HELD_US = 1_000_000
"""A look at the recorders that comes so late: the process was stopped, or the host. What arrived meanwhile may still
wait in the sockets, so no camera has been silent because of it."""

log = structlog.get_logger()


class Worker:
    """All recorders of one process."""

    def __init__(self, *, data: Layout, host: str, clock: Clock, box: SecretBox, spools: Spools | None = None) -> None:
        self._layout = data
        self._clock = AnchoredClock(clock)
        self._box = box
        self._herd = Herd(self._clock)
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._run = secrets.randbits(63)
        self._started_us = self._clock.wall_us()
        self._recorders: dict[UUID, Recorder] = {}
        self._live = LiveDoor(self._recorders.get, self._clock)
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._wanted: list[Assignment] = []
        self._seen: tuple[int, int] | None = None
        self._complaint = ""
        self._ticks = 0
        self._looked_us = self._clock.boot_us()
        found = spools or Spools(data.spools)
        self._disks = DiskSet(
            found.here, host=host, clock=self._clock, refused=found.absent, retire=partial(retire_disk, data)
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set, then seal everything."""
        self._disks.open(self._run)
        try:
            async with self._live.open(self._layout.live), asyncio.TaskGroup() as group:
                while not stop.is_set():
                    self._follow(group)
                    self._tick()
                    await pause(self._clock, TICK_S, stop)
                for task in self._tasks.values():
                    task.cancel()
        finally:
            for recorder in self._recorders.values():
                recorder.stop()
            await self._disks.close(at_us=self._clock.wall_us())
            await self._herd.farewells.finish(self._clock, FAREWELL_S)
            await self._herd.processes.finish(self._clock)
            log.info("recording_stopped", run=f"{self._run:016x}")

    def state(self) -> dict[str, Any]:
        """The process and its streams, as JSON-ready values."""
        streams = {str(stream): recorder.state() for stream, recorder in self._recorders.items()}
        return {
            "run": f"{self._run:016x}",
            "started_us": self._started_us,
            "error": self._complaint or None,
            "live": self._live.state(),
            "spools": self._disks.state(),
            "streams": streams,
        }

    def _follow(self, group: asyncio.TaskGroup) -> None:
        """Read the assignments when the file has changed."""
        try:
            status = self._layout.assignments.stat()
        except OSError:
            return
        seen = (status.st_mtime_ns, status.st_ino)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            assignments = read_assignments(self._layout.assignments, self._box)
        except (ConfigError, KeyUnfit) as error:
            self._complain(error)
            return
        self._complaint = ""
        self._assign({assignment.stream: assignment for assignment in assignments}, group)

    def _complain(self, error: HultaError) -> None:
        """Once; recording goes on as it was. What the disk refused to read, or the key, may be there the next time."""
        if isinstance(error, KeyUnfit) or isinstance(error.__cause__, OSError):
            self._seen = None
        if str(error) != self._complaint:
            log.error("assignments_unreadable", error=str(error), hint=error.hint or None)
        self._complaint = str(error)

    def _assign(self, wanted: dict[UUID, Assignment], group: asyncio.TaskGroup) -> None:
        self._wanted = list(wanted.values())
        self._disks.assign(self._wanted)
        for stream, recorder in self._recorders.items():
            recorder.assign(wanted.get(stream))
        for stream, assignment in wanted.items():
            if stream not in self._recorders:
                spool = self._disks.run_for(stream)
                recorder = Recorder(assignment, spool=spool, clock=self._clock, herd=self._herd, rng=self._rng)
                self._recorders[stream] = recorder
                self._tasks[stream] = group.create_task(recorder.run(), name=f"recorder {assignment.name}")

    def _move(self, lost: set[SpoolRun]) -> None:
        """Whoever records on a disk that is given up goes on on another one."""
        for stream, recorder in self._recorders.items():
            if recorder.spool in lost:
                recorder.move(self._disks.run_for(stream))
        self._disks.assign(self._wanted)

    def _tick(self) -> None:
        self._ticks += 1
        if self._ticks % OBSERVE_CLOCK_TICKS == 0:
            self._disks.look_at_needs()
            step_us = self._clock.observe()
            if step_us:
                log.warning("clock_stepped", step_us=step_us)
                self._disks.note(journal.clock_step(at_us=self._clock.wall_us(), step_us=step_us))
                for recorder in self._recorders.values():
                    recorder.clock_stepped(step_us)
        if lost := self._disks.look():
            self._move(lost)
        now_us, boot_us = self._clock.wall_us(), self._clock.boot_us()
        late_us = boot_us - self._looked_us - round(TICK_S * 1_000_000)
        self._looked_us = boot_us
        if late_us > HELD_US:
            log.warning("process_stood_still", milliseconds=late_us // 1000)
        for recorder in self._recorders.values():
            if late_us > HELD_US:
                recorder.held(late_us)
            recorder.tick(now_us, boot_us)
