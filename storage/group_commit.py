"""One commit for all cameras of a disk: write everything, sync every touched file, sync the names, then say so.

A round takes all tickets that are queued and goes through fixed steps:

1. create and append, in queue order;
2. fdatasync of each touched file, on this thread and a small pool;
3. rename of the files that are sealed (their bytes are durable now), close of those let go;
4. fsync of the directories in which a name was made or changed;
5. one call into the event loop that runs every `done`, in queue order, with None or the error of its file.

What a full disk refuses fails alone, with all that comes for its file later: step 2 syncs what was written before.

A `done` without error therefore means: bytes, size and name survive a power loss. The event loop only appends to a
list; everything that may block happens on the commit thread and its pool.

Measured with benchmarks/durability.py (2 shared cores, ext4 on a virtual SSD with write-back cache, 44 files of
500 KB a round): see docs/decisions/0025-group-commit.md.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

from media.errors import SpoolError
from storage import files, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from storage.commit_file import CommitFile
    from storage.files import Buffer

    Done = Callable[[Exception | None], None]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# The pause between two rounds. 220 cameras with a fragment a second give rounds of about 44 files; a fragment waits
# 0.1 s on average for its round, a tenth of the 2 s that may be lost; and a slow disk gets larger rounds, not more.
COMMIT_INTERVAL_S = 0.2

# Threads that sit in fdatasync. Concurrent syncs share a journal commit and a cache flush of the disk.
SYNC_THREADS = 4


class Step(Enum):
    """What a ticket asks for."""

    CREATE = auto()
    APPEND = auto()
    SEAL = auto()
    RELEASE = auto()


@dataclass(slots=True, kw_only=True)
class Ticket:
    """Work on one file, and whom to tell when it is durable or has failed."""

    step: Step
    file: CommitFile
    buffers: Sequence[Buffer] = ()
    target: Path | None = None  # the name of the sealed file
    done: Done | None = None
    refused: SpoolError | None = None  # the disk was full, before this or by it; what came before it is durable


class GroupCommit:
    """The commit thread of one spool. `submit` belongs to the event loop and never blocks it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, interval_s: float = COMMIT_INTERVAL_S, threads: int = SYNC_THREADS
    ) -> None:
        self._loop = loop
        self._interval_s = interval_s
        self._queue: list[Ticket] = []
        self._wake = threading.Condition()
        self._closing = threading.Event()
        self._closed = asyncio.Event()
        self._lost_names: dict[Path, OSError] = {}
        self._successors: dict[Path, Path] = {}
        self.broken: SpoolError | None = None  # every ticket fails with it from then on
        self._threads = threads
        self._pool = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="hulta-sync")
        self._thread = threading.Thread(target=self._run, name="hulta-commit", daemon=True)
        self._thread.start()

    def lost(self, directory: Path) -> OSError | None:
        """Why names in a directory cannot become durable any more."""
        return self._lost_names.get(directory)

    def place(self, directory: Path) -> Path:
        """Where new files of a stream go: its directory, or the one that took over when names in it were lost."""
        while directory in self._successors:
            directory = self._successors[directory]
        return directory

    def submit(self, ticket: Ticket) -> None:
        """Queue a ticket; its `done` is called in the event loop, after those of all earlier tickets."""
        if self._closing.is_set():
            if ticket.done is not None:
                error = SpoolError(f"{ticket.file.path}: the spool is closed")
                self._loop.call_soon(ticket.done, error)
            return
        with self._wake:
            self._queue.append(ticket)
            self._wake.notify()

    async def close(self) -> None:
        """Settle everything that was queued, then stop. Safe to call again, and to cancel."""
        self._closing.set()
        with self._wake:
            self._wake.notify()
        await self._closed.wait()
        self._thread.join()  # its last act was to set the event

    def _run(self) -> None:
        while tickets := self._take():
            self._settle(tickets)
            self._closing.wait(self._interval_s)
        self._pool.shutdown()
        self._call(self._closed.set)

    def _take(self) -> list[Ticket]:
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._closing.is_set())
            tickets, self._queue = self._queue, []
            return tickets

    def _settle(self, tickets: list[Ticket]) -> None:
        try:
            if self.broken is None:
                self._commit(tickets)
        except Exception as error:  # noqa: BLE001 - a commit thread that dies would leave every fragment waiting, silently
            self.broken = SpoolError(f"the group commit failed: {error!r}")
            self.broken.__cause__ = error
        results = [(ticket.done, self.broken or ticket.file.error or ticket.refused) for ticket in tickets]
        self._call(self._announce, results)

    def _announce(self, results: list[tuple[Done | None, SpoolError | None]]) -> None:
        for done, error in results:
            if done is not None:
                self._loop.call_soon(done, error)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            if not self._loop.is_closed():
                raise  # a closed loop has nobody left to tell: the process is on its way out

    def _commit(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self._write(ticket)
        self._sync_files({ticket.file: None for ticket in tickets})
        for ticket in tickets:
            self._finish(ticket)
        self._sync_names({ticket.file: None for ticket in tickets})
        for ticket in tickets:
            ticket.file.settle()

    def _write(self, ticket: Ticket) -> None:
        file = ticket.file
        if ticket.step is Step.CREATE:
            self._refuse_lost(file, file.path.parent, file.path.parent.parent)
            file.create(ticket.buffers)
        elif ticket.step is not Step.RELEASE:
            file.append(ticket.buffers)
            ticket.refused = file.full

    def _sync_files(self, touched: Iterable[CommitFile]) -> None:
        self._together(_datasync, [file for file in touched if file.usable])

    def _together(self, work: Callable[[_Item], _Result], items: list[_Item]) -> list[_Result]:
        """Do blocking work on all items: this thread and those of the pool each take the next one, until none is left.

        With a future for each item this thread would be woken for each: that took 1.28 to 1.44 times the CPU.
        """
        results: dict[int, _Result] = {}
        numbered = enumerate(items)  # of a list: the interpreter's lock is held while it gives the next one

        def take() -> None:
            for number, item in numbered:
                results[number] = work(item)

        others = [self._pool.submit(take) for _ in items[1 : self._threads]]
        take()
        for other in others:
            other.result()
        return [results[number] for number in range(len(items))]

    def _finish(self, ticket: Ticket) -> None:
        if ticket.step is Step.RELEASE:
            ticket.file.release()
        elif ticket.step is Step.SEAL and ticket.target is not None:
            self._refuse_lost(ticket.file, ticket.target.parent)
            ticket.file.seal(ticket.target)

    def _refuse_lost(self, file: CommitFile, *directories: Path) -> None:
        for directory in directories:
            if (lost := self._lost_names.get(directory)) is not None:
                file.fail(lost)

    def _sync_names(self, touched: Iterable[CommitFile]) -> None:
        """Sync each directory once. One that cannot be synced keeps no promise again: its files fail for good."""
        waiting: dict[Path, list[CommitFile]] = {}
        for file in touched:
            for directory in file.names:
                waiting.setdefault(directory, []).append(file)
            file.names.clear()
        directories = list(waiting)
        for directory, error in zip(directories, self._together(_sync_directory, directories), strict=True):
            if error is not None:
                self._lose(directory, waiting[directory], error)
        # Only one file makes the stream's directory, but the names of all that came with it hang on that directory's.
        for file in {file: None for files_of_it in waiting.values() for file in files_of_it}:
            self._refuse_lost(file, file.path.parent)

    def _lose(self, directory: Path, dependants: list[CommitFile], error: OSError) -> None:
        self._lost_names[directory] = error
        for file in dependants:
            self._lost_names[file.path.parent] = error
        self._succeed(directory)

    def _succeed(self, directory: Path) -> None:
        """Give a stream another directory, durably, before any file says that it has failed: recovery goes by that."""
        for successor in layout.directories_after(directory)[:1]:
            try:
                files.make_directory(successor)
            except OSError:
                return  # the stream is refused until the run ends
            error = _sync_directory(directory.parent)
            if error is None:
                self._successors[directory] = successor
            else:
                self._lost_names[directory.parent] = error


def _datasync(file: CommitFile) -> None:
    file.datasync()


def _sync_directory(directory: Path) -> OSError | None:
    try:
        files.sync_directory(directory)
    except OSError as error:
        return error
    return None
