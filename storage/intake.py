"""Takes what the runs of the spool hold into the catalog: journals, sealed segments, and the end of dead runs.

The order keeps the gap rules true (storage/gap_ledger.py). Older runs come first, so that a start finds everything
before it declared. Within a run: list what is sealed, then import the journal, then register what was listed. The
recorder writes a record before the footage that follows it is sealed, so whatever the journal says about a segment's
time is known when the segment is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog

from media.errors import CatalogError, HultaError, SpoolError
from media.fmp4_read import read_sealed
from storage import files, layout, spool_runs
from storage.catalog import MAX_BATCH
from storage.model import SECOND_US
from storage.quarantine import Quarantine
from storage.recovery import recover_run, salvage
from storage.run_directory import RunDirectory
from storage.segment_row import segment_from_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path
    from uuid import UUID

    from media.identity import SegmentIdentity
    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.model import Segment
    from storage.recovery import Finding

T = TypeVar("T")

RECOVER_AGAIN_US = 30_000_000  # after a recovery that a failing disk kept from finishing
RETRY_FAULTS_US = 60_000_000
MOST_REST_S = 300  # of a run that cannot be taken in for a reason that nobody foresaw

log = structlog.get_logger(__name__)


class SpoolCopy(NamedTuple):
    """A sealed segment that lies in the spool."""

    path: Path
    size_bytes: int
    sealed_us: int

    @property
    def spool(self) -> Path:
        """Which spool that is."""
        return self.path.parents[2]

    @classmethod
    def at(cls, path: Path) -> SpoolCopy:
        """The copy at a path."""
        status = path.stat()
        return cls(path, status.st_size, status.st_mtime_ns // 1000)


@dataclass(slots=True)
class _Life:
    """What is known about a run."""

    directory: RunDirectory
    recovered: bool = False  # it is dead, and nothing in it is open any more
    recover_at_us: int = 0
    retry_at_us: int = 0
    failures: int = 0
    rests_until_us: int = 0
    settled: bool = False
    imported_bytes: int | None = None


class Intake:
    """The spool's contents on their way into the catalog. `copies` are the sealed segments that are known there."""

    def __init__(
        self, catalog: Catalog, spools: Sequence[Path], quarantine: Path, clock: Clock, threads: Executor
    ) -> None:
        self.copies: dict[UUID, SpoolCopy] = {}
        self.unsure: set[UUID] = set()  # copies that the catalog knew already: an earlier life may have shipped them
        self.absent: dict[Path, str] = {}  # spools that may not be used now, and why
        self.faults: dict[Path, str] = {}  # what could not be taken in, and why; cleared when it could
        self._catalog = catalog
        self.spools = spools
        self._quarantine = quarantine
        self._clock = clock
        self._threads = threads
        self._lives: dict[Path, _Life] = {}

    async def run_once(self) -> None:
        """Take in what all runs have, the oldest run first.

        CatalogError if it is the catalog that fails; any other trouble concerns one run, and the others go on.
        """
        readable = [spool for spool in self.spools if await self._is_readable(spool)]
        directories = await self._in_thread(lambda: spool_runs.runs(*readable))
        for gone in set(self._lives) - set(directories):
            if gone.parent in readable:
                self._end(gone)
        for directory in directories:
            life = self._life(directory)
            if self._clock.boot_us() < life.rests_until_us:
                continue
            self._retry_faults(life)
            try:
                await self._take_in_surely(life)
                life.failures = 0
                self.faults.pop(directory, None)
            except BaseException as error:
                life.directory.look_again()  # what was listed and not registered must be listed again
                if not isinstance(error, Exception):
                    raise
                await self._failed(life, error)

    async def _is_readable(self, spool: Path) -> bool:
        """Whether a spool can be listed: a disk that is dead does not keep the others waiting, but is told."""
        try:
            await self._in_thread(lambda: list(spool_runs.run_directories(spool)))
        except OSError as error:
            self._fault(spool, error)
            return False
        self.faults.pop(spool, None)
        return True

    def drop(self, segment_id: UUID) -> None:
        """A copy is gone from the spool."""
        self.copies.pop(segment_id, None)

    def register_again(self, segment_id: UUID) -> None:
        """The catalog does not know a segment that it knew: it is an older one now. Begin its run anew."""
        copy = self.copies.pop(segment_id, None)
        if copy is not None:
            self._lives.pop(copy.path.parent.parent, None)

    def runs(self) -> list[dict[str, object]]:
        """The runs as they are known, for the status."""
        return [
            {"run": layout.run_name(life.directory.run), "dead": life.recovered, "settled": life.settled}
            for life in self._lives.values()
        ]

    async def _failed(self, life: _Life, error: Exception) -> None:
        """A run could not be taken in. What a disk refused is tried again at once, anything else ever more rarely."""
        if isinstance(error, CatalogError):
            await self._catalog.footage.register([])  # raises if it is the catalog, and not what this run told it
        if not isinstance(error, SpoolError | OSError):
            life.failures += 1
            life.rests_until_us = self._clock.boot_us() + min(MOST_REST_S, 2**life.failures) * SECOND_US
        if not isinstance(error, HultaError | OSError):
            log.error("run_not_taken_in", run=life.directory.path.name, exc_info=error)
            error = SpoolError(f"not taken in: {type(error).__name__}: {error}")
        self._fault(life.directory.path, error)

    def _end(self, path: Path) -> None:
        """A run's directory is gone, and all that was wrong in it."""
        del self._lives[path]
        self.faults = {place: why for place, why in self.faults.items() if path not in (place, *place.parents)}

    def _retry_faults(self, life: _Life) -> None:
        """Now and then look again at the files of a run that could not be taken in."""
        now_us = self._clock.boot_us()
        if now_us >= life.retry_at_us:
            life.retry_at_us = now_us + RETRY_FAULTS_US
            if any(life.directory.path in place.parents for place in self.faults):
                life.directory.look_again()

    def _life(self, path: Path) -> _Life:
        if path not in self._lives:
            run = layout.parse_run_name(path.name)
            assert run is not None
            self._lives[path] = _Life(RunDirectory(path, run))
        return self._lives[path]

    async def _take_in_surely(self, life: _Life) -> None:
        """Take a run in, once more if the catalog failed and is back: no later run overtakes it for a lost answer."""
        try:
            await self._take_in(life)
        except CatalogError:
            await self._catalog.footage.register([])  # raises if the catalog is still away
            life.directory.look_again()
            await self._take_in(life)

    async def _take_in(self, life: _Life) -> None:
        """One run: recover it if it is dead, import its journal, register its segments, settle it."""
        directory = life.directory
        dead = await self._recover(life)
        sealed = await self._in_thread(directory.sealed)
        if not dead:
            await self._salvage(life)
        await self._import_journal(life)
        for first in range(0, len(sealed), MAX_BATCH):
            life.settled = False
            await self._register(directory, sealed[first : first + MAX_BATCH])
        if dead and not life.settled:
            await self._catalog.gaps.settle(directory.run)
            life.settled = True
        done = life.recovered and not any(copy.path.parent.parent == directory.path for copy in self.copies.values())
        if done and await self._in_thread(lambda: directory.remove_if_empty(Quarantine(self._quarantine))):
            log.info("run_finished", run=directory.path.name)

    async def _recover(self, life: _Life) -> bool:
        """Whether the run is dead. If so, seal what it left open, unless that was done."""
        path = life.directory.path
        if life.recovered:
            return True
        if await self._in_thread(lambda: spool_runs.is_alive(path)):
            return False
        if self._clock.boot_us() < life.recover_at_us:
            return True
        outcome = await self._in_thread(lambda: recover_run(path, self._quarantine, self._clock, _report))
        life.recovered, life.settled = outcome.complete, False
        life.recover_at_us = self._clock.boot_us() + RECOVER_AGAIN_US
        life.directory.look_again()
        self.faults = {place: why for place, why in self.faults.items() if path not in place.parents}
        log.info("run_recovered", run=path.name, sealed=len(outcome.sealed), complete=outcome.complete)
        return not outcome.alive

    async def _salvage(self, life: _Life) -> None:
        """Seal what a live run gave up after errors, a file at a time; what cannot be yet, in half a minute again."""
        if self._clock.boot_us() < life.recover_at_us:
            return
        for path in life.directory.failed():
            work = partial(salvage, path, self._quarantine, self._clock, _report)
            if not await self._in_thread(work):
                life.recover_at_us = self._clock.boot_us() + RECOVER_AGAIN_US
                self._fault(path, SpoolError("given up after an error, and it could not be copied yet"))
                return
            self.faults.pop(path, None)

    async def _import_journal(self, life: _Life) -> None:
        directory, gaps = life.directory, self._catalog.gaps
        if life.imported_bytes is None:
            life.imported_bytes = await gaps.journal_offset(directory.run)
        start = life.imported_bytes
        if await self._in_thread(directory.journal_bytes) <= start:
            return
        records = (await self._in_thread(lambda: directory.journal(start))).records
        for first in range(0, len(records), MAX_BATCH):
            batch = records[first : first + MAX_BATCH]
            await gaps.import_journal(directory.run, batch)
            life.imported_bytes = batch[-1].end_offset

    async def _register(self, directory: RunDirectory, paths: Sequence[Path]) -> None:
        """Make sealed segments known to the catalog. One that cannot be is a fault, and is tried again later."""
        names = {path: _identity(path).segment_id for path in paths}
        states = await self._catalog.footage.states(list(names.values()))
        rows = {path: row for path in paths if names[path] not in states and (row := await self._read(path))}
        await self._register_rows(rows)
        for path, segment_id in names.items():
            if path in rows or segment_id in states:
                directory.take(path)
                self.faults.pop(path, None)
                self.copies[segment_id] = await self._in_thread(partial(SpoolCopy.at, path))
                self.unsure |= {segment_id} & set(states)

    async def _register_rows(self, rows: dict[Path, tuple[Segment, bytes]]) -> None:
        """Register all, or, if the catalog refuses, one by one; those it refuses are taken out of `rows`."""
        try:
            await self._catalog.footage.register(list(rows.values()))
        except CatalogError:
            await self._catalog.footage.register([])  # raises if it is the catalog, and not a segment
            for path, row in list(rows.items()):
                try:
                    await self._catalog.footage.register([row])
                except CatalogError as error:
                    self._fault(path, error)
                    del rows[path]

    async def _read(self, path: Path) -> tuple[Segment, bytes] | None:
        """A segment's row and sample table; None, and a fault, if the file is not what its name says."""
        try:
            return await self._in_thread(lambda: _read_sealed(path))
        except (HultaError, OSError) as error:
            self._fault(path, error)
            return None

    def _fault(self, path: Path, error: Exception) -> None:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if self.faults.get(path) != text:
            log.error("spool_fault", path=str(path), error=text)
        self.faults[path] = text

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _read_sealed(path: Path) -> tuple[Segment, bytes]:
    fd = files.open_read(path)
    try:
        size_bytes = files.size_bytes(fd)
        found = read_sealed(lambda offset, length: files.read_at(fd, offset, length), size_bytes)
    finally:
        files.close(fd)
    if found.seal is None:
        raise SpoolError(f"{path}: its seal is damaged", hint="recovery repairs it when the run has ended")
    if found.identity != _identity(path):
        raise SpoolError(f"{path}: holds segment {found.identity}")
    return segment_from_scan(found, size_bytes), found.samples


def _identity(path: Path) -> SegmentIdentity:
    name = layout.parse_segment_path(path)
    assert name is not None
    return name.identity


def _report(finding: Finding) -> None:
    """What recovery found, as it finds it."""
    log.warning("spool_finding", path=str(finding.path), why=finding.why, kept=str(finding.kept or ""))
