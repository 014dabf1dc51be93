"""The disks of `record`: which one a stream is recorded on, and what happens when one fails.

Each disk has a run of its own: a directory, a journal, a commit thread. So a disk that hangs or fails holds up its own
streams only. What such a disk gets:

- two errors within ten minutes, or a run that cannot go on: it is retired, for good, until a person accepts it again;
- no answer for ten seconds, while another one answers: its streams move, until `record` starts again.

Its streams go on in a new run on another disk, newer than all runs before it, so that the catalog has them in the order
in which they were recorded. The last disk is never given up: what it loses is declared, as on a host with one.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import structlog

from ingest.disk_need import DiskNeed
from media.errors import GapReason, HultaError, SpoolError
from storage import spool, spool_runs
from storage.spool import SpoolRun, gap_reason
from storage.spool_room import room_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from ingest.assignments import Assignment
    from storage.clock import Clock

MOST_ERRORS = 2
ERRORS_WITHIN_US = 600_000_000
APART_US = 1_000_000
"""Errors closer to one another count as one: a single one of the disk fails many files."""

HANGS_US = 10_000_000
ANSWERS_US = 2_000_000
"""A disk that has settled something within this answers; where none does, it is not the disks' own fault."""

CLOSING_S = 5.0

log = structlog.get_logger()


class Disk:
    """One spool that is recorded on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.need = DiskNeed(path)
        self.runs: list[SpoolRun] = []
        self.retired = ""
        self.size_bytes = 1
        self._errors: deque[int] = deque(maxlen=MOST_ERRORS)
        self._seen_errors = self._seen_settled = 0
        self._answered_us = 0

    @property
    def failed(self) -> SpoolError | None:
        """Why one of its runs cannot go on."""
        return next((run.failed for run in self.runs if run.failed is not None), None)

    def look(self, now_us: int) -> None:
        """Note errors, and whether it answers."""
        errors, settled = sum(run.errors for run in self.runs), sum(run.settled for run in self.runs)
        if errors > self._seen_errors and (not self._errors or now_us - self._errors[-1] >= APART_US):
            self._errors.append(now_us)
        if settled > self._seen_settled or not any(run.pending_bytes for run in self.runs):
            self._answered_us = now_us
        self._seen_errors, self._seen_settled = errors, settled

    def stood_still(self, now_us: int) -> None:
        """The process did, so nobody could answer."""
        self._answered_us = now_us

    def silent_us(self, now_us: int) -> int:
        """For how long it has not answered."""
        return now_us - self._answered_us

    def is_failing(self, now_us: int) -> bool:
        """Two errors within ten minutes."""
        return len(self._errors) == MOST_ERRORS and now_us - self._errors[0] <= ERRORS_WITHIN_US

    @property
    def last_error(self) -> str:
        """In words."""
        return next((str(run.last_error) for run in reversed(self.runs) if run.last_error is not None), "")


class DiskSet:
    """All disks of a recording process. Begun by `open`."""

    def __init__(
        self,
        spools: Sequence[Path],
        *,
        host: str,
        clock: Clock,
        refused: Mapping[Path, str] | None = None,
        retire: Callable[[Path, str], None] = lambda *_: None,
    ) -> None:
        """`refused` are spools that may not be used, and why; `retire` writes down that one failed, and may block."""
        self._disks = [Disk(path) for path in spools]
        self._refused = dict(refused or {})
        self._host = host
        self._clock = clock
        self._write_down = retire
        self._order_us = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._looked_us = clock.boot_us()
        self._try_again_us = 0

    def open(self, first_run: int) -> None:
        """Begin a run on each disk. Blocks for some milliseconds each. SpoolError if none can be used."""
        error: SpoolError | None = None
        self._order_us = max(map(_newest_order_us, [*(disk.path for disk in self._disks), *self._refused]), default=0)
        for disk in list(self._disks):
            try:
                self._begin(disk, first_run if self.first_path == disk.path else secrets.randbits(63))
                disk.size_bytes = max(1, room_of(disk.path).size_bytes)
            except (SpoolError, OSError) as caught:
                error = caught if isinstance(caught, SpoolError) else SpoolError(f"{disk.path}: {caught.strerror}")
                log.error("spool_disk_refused", spool=str(disk.path), error=str(error))  # noqa: TRY400
                self._refused[disk.path] = str(error)
                self._disks.remove(disk)
        if error is not None and not self._disks:
            raise error
        for disk in self._disks:
            disk.need.start()
            disk.stood_still(self._clock.boot_us())
        self._share_memory()

    @property
    def first_path(self) -> Path | None:
        """The first disk that is left."""
        return self._disks[0].path if self._disks else None

    def run_for(self, stream: UUID) -> SpoolRun:
        """Where a stream is recorded: always on the same disk while that is in use, on large ones more of them."""
        return self._disk_of(stream).runs[-1]

    def assign(self, assignments: Iterable[Assignment]) -> None:
        """These streams are to be recorded."""
        of_disk: dict[Path, list[Assignment]] = {disk.path: [] for disk in self._disks}
        for assignment in assignments:
            of_disk[self._disk_of(assignment.stream).path].append(assignment)
        for disk in self._disks:
            disk.need.assign(of_disk[disk.path])

    def note(self, record: Mapping[str, Any]) -> None:
        """Write what concerns all streams into every journal."""
        for disk in self._in_use:
            for run in disk.runs:
                run.note(record)

    def look(self) -> set[SpoolRun]:
        """A few times a second: the runs whose disk is given up just now. SpoolError when the last one cannot go on."""
        now_us = self._clock.boot_us()
        late, self._looked_us = now_us - self._looked_us > APART_US, now_us
        for disk in self._in_use:
            disk.look(now_us)
            if late:
                disk.stood_still(now_us)
        lost: set[SpoolRun] = set()
        for disk in self._in_use:
            why, for_good = self._trouble(disk, now_us)
            if why and now_us >= self._try_again_us:
                lost |= self._give_up(disk, why, for_good=for_good)
        return lost

    def look_at_needs(self) -> None:
        """Once a second: whether the disks keep up."""
        for disk in self._in_use:
            disk.need.look()

    async def close(self, at_us: int) -> None:
        """End all runs in order. Those of a disk that hangs are left to recovery."""
        for disk in self._in_use:
            for run in disk.runs:
                await run.close(at_us=at_us)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSING_S)

    def state(self) -> list[dict[str, Any]]:
        """JSON-ready: each disk, why it is not recorded on if so, and what its cameras need of it."""
        refused = [{"path": str(path), "retired": why} for path, why in self._refused.items()]
        return [
            {"path": str(disk.path), "retired": disk.retired, **disk.need.state()} for disk in self._disks
        ] + refused

    @property
    def _in_use(self) -> list[Disk]:
        return [disk for disk in self._disks if not disk.retired]

    def _trouble(self, disk: Disk, now_us: int) -> tuple[str, bool]:
        """Why a disk is given up, or "", and whether for good. SpoolError if it is the last one and cannot go on."""
        others = [other for other in self._in_use if other is not disk]
        failed = disk.failed
        if not others:
            if failed is not None:
                raise failed  # what is observed could no longer be written down: end, and begin new runs
            return "", False
        if failed is not None:
            return str(failed), gap_reason(failed) is GapReason.DISK_ERROR
        if disk.is_failing(now_us):
            return f"{MOST_ERRORS} errors within {ERRORS_WITHIN_US // 60_000_000} minutes: {disk.last_error}", True
        if disk.silent_us(now_us) >= HANGS_US and any(each.silent_us(now_us) < ANSWERS_US for each in others):
            return f"it has not answered for {HANGS_US // 1_000_000} s", False
        return "", False

    def _give_up(self, disk: Disk, why: str, *, for_good: bool) -> set[SpoolRun]:
        """Nobody moves into a run that is older than what he leaves: without new ones the disk is kept for now."""
        try:
            for other in self._in_use:
                if other is not disk:
                    self._begin(other, secrets.randbits(63))
        except SpoolError as error:
            log.warning("spool_disk_kept", spool=str(disk.path), why=why, error=str(error))
            self._try_again_us = self._clock.boot_us() + HANGS_US
            if disk.failed is not None:
                raise disk.failed from error  # end, and begin new runs on the disks that take them
            return set()
        disk.retired = why
        disk.need.assign(())
        log.error("spool_disk_given_up", spool=str(disk.path), why=why, for_good=for_good)
        for run in disk.runs:
            self._later(run.close(at_us=self._clock.wall_us()))
        if for_good:
            self._later(asyncio.to_thread(self._remember, disk.path, why))
        self._share_memory()
        return set(disk.runs)

    def _remember(self, path: Path, why: str) -> None:
        try:
            self._write_down(path, why)
        except (HultaError, OSError) as error:
            log.error("spool_disk_not_remembered", spool=str(path), error=str(error))  # noqa: TRY400

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _begin(self, disk: Disk, number: int) -> None:
        run = SpoolRun.create(
            disk.path,
            run=number,
            host=self._host,
            at_us=self._clock.wall_us(),
            loop=asyncio.get_running_loop(),
            after_us=self._order_us,
        )
        self._order_us = run.order_us
        disk.runs.append(run)
        log.info("recording_started", run=f"{number:016x}", spool=str(disk.path))

    def _share_memory(self) -> None:
        """Each run has its share of what may wait: one that hangs takes nothing from the others."""
        runs = [run for disk in self._disks for run in disk.runs]
        for run in runs:
            run.total_bytes = spool.PENDING_TOTAL_BYTES // len(runs)

    def _disk_of(self, stream: UUID) -> Disk:
        return max(self._in_use, key=lambda disk: _preference(stream, disk))


def _newest_order_us(spool: Path) -> int:
    """Of a disk that may not be readable any more: then its runs stand where the clock put them."""
    try:
        return spool_runs.newest_order_us(spool)
    except OSError:
        return 0


def _preference(stream: UUID, disk: Disk) -> float:
    """Weighted rendezvous hashing: a disk that goes takes its own streams along, and no other stream moves.

    The logarithm makes the shares follow the sizes (Schindelhauer and Schomaker, SPAA 2005).
    """
    digest = blake2b(stream.bytes + str(disk.path).encode(), digest_size=8).digest()
    unit = (int.from_bytes(digest) + 1) / (1 << 64 | 1)
    return -disk.size_bytes / math.log(unit)
