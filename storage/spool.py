"""The spool of one run: a directory of its own, locked while the run lives, with its journal and its segments.

Called from the event loop and never blocks it; the work is in `group_commit`. A segment's file is created by its first
commit round, so opening one costs nothing here either. `done(None)` means durable, `done(error)` that the file has
failed for good: open the next segment. Buffers belong to the spool until their `done`.

`pending_bytes` is what waits for the disk. Whoever appends keeps an account of what it has in memory
(`ingest.kept_bytes`) and compares it with `allowance_bytes`: it drops and declares before memory runs out. The spool
never drops anything by itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.errors import GapReason, SpoolError
from storage import files, journal, layout, spool_runs
from storage.clock import HostClock
from storage.commit_file import FULL, CommitFile
from storage.group_commit import GroupCommit, Step, Ticket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from media.identity import SegmentIdentity
    from storage.files import Buffer
    from storage.group_commit import Done

# Room kept on the disk for the journal alone: 220 gaps `spool_full` of 150 bytes are 33 KB.
JOURNAL_RESERVE_BYTES = 1 << 20

PENDING_STREAM_BYTES = 16 << 20
PENDING_TOTAL_BYTES = min(512 << 20, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)
"""What may be kept in memory until it is durable: of one stream, and of all of them. 512 MiB are 4 s of 220 cameras
with 4 Mbit/s, one of which is in fragments that are open."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def gap_reason(error: Exception) -> GapReason:
    """Why footage is missing after a spool error: a full disk, or a failing one."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in FULL
    return GapReason.SPOOL_FULL if full else GapReason.DISK_ERROR


class SpoolRun:
    """The spool of a run that is alive. Made by `create`."""

    def __init__(self, directory: Path, run: int, lock_fd: int, journal_file: CommitFile, commit: GroupCommit) -> None:
        self.directory = directory
        self.run = run
        self.order_us = 0
        """Where it stands among all runs: greater than any before it."""
        self.settled = self.errors = 0
        """Tickets that were answered, and files that failed: a full disk is no failure."""
        self.last_error: Exception | None = None
        self.total_bytes = PENDING_TOTAL_BYTES
        """What all streams together may keep in memory."""
        self.pending_bytes = 0
        self.kept_bytes = 0
        """What all streams together have in memory, and may have soon, by their own accounts."""
        self._lock_fd = lock_fd
        self._journal = journal_file
        self._commit = commit
        self._segments: set[SpoolSegment] = set()
        self._ended = False

    @classmethod
    def create(
        cls, spool: Path, *, run: int, host: str, at_us: int, loop: asyncio.AbstractEventLoop, after_us: int = 0
    ) -> SpoolRun:
        """Make and lock the directory of a new run and write `run_start`; SpoolError if the disk refuses.

        It is newer than all that the spool ever held, and than the order `after_us` of a run on another disk.

        The one call that blocks, some milliseconds at the start of a process. The directory gets its name after it is
        locked and its journal is durable, so nobody ever sees a run that looks dead before it lived.
        """
        after_us = max(after_us, spool_runs.newest_order_us(spool))
        record = journal.run_start(run=run, host=host, boot_id=_boot_id(), at_us=at_us, after_us=after_us)
        directory = layout.run_directory(spool, run)
        unborn = spool / f"{layout.UNBORN_PREFIX}{directory.name}"
        try:
            _make_spool(spool)
            files.make_directory(unborn)
            lock_fd = files.open_directory(unborn)
        except OSError as error:
            raise _refused(unborn, error) from error
        try:
            size_bytes, journal_fd = _begin_journal(unborn, lock_fd, journal.encode(record))
            spool_runs.note_order(spool, record["order_us"])
            files.rename(unborn, directory)
            files.sync_directory(spool)
        except OSError as error:
            files.close(lock_fd)
            raise _refused(unborn, error) from error
        file = CommitFile.adopt(directory / layout.JOURNAL, journal_fd, size_bytes, reserve_bytes=JOURNAL_RESERVE_BYTES)
        made = cls(directory, run, lock_fd, file, GroupCommit(loop))
        made.order_us = record["order_us"]
        return made

    @property
    def failed(self) -> SpoolError | None:
        """What keeps the whole run from recording. It should end, and another one begin with a directory of its own.

        The journal's error (what is seen cannot be told), that of all commits, or that of the directory: no file in it,
        and no stream, would ever be durable again.
        """
        lost = self._commit.lost(self.directory)
        if lost is not None:
            return SpoolError(f"{self.directory}: names in it are not durable: {lost.strerror or lost}")
        return self._journal.error or self._journal.full or self._commit.broken

    @property
    def rest_bytes(self) -> int:
        """What is left of what all streams together may keep."""
        return self.total_bytes - max(self.pending_bytes, self.kept_bytes)

    @property
    def allowance_bytes(self) -> int:
        """How much of one stream may wait now: no more than what is left for all.

        As the rest shrinks, the stream with the most stops first, and so on down to where N equal streams have an
        (N + 1)th of the whole each. The rest is thus never used up, and a stream that waits little goes on longest
        (dynamic thresholds as in shared switch buffers: Choudhury and Hahne, IEEE/ACM ToN 6(2), 1998).
        """
        return max(0, min(PENDING_STREAM_BYTES, self.rest_bytes))

    def open_segment(self, identity: SegmentIdentity, init: bytes) -> SpoolSegment:
        """Begin the file of a segment of this run with its init section; an error shows in the first append."""
        if identity.run != self.run:
            raise SpoolError(f"segment {identity} does not belong to run {layout.run_name(self.run)}")
        segment = SpoolSegment(self, identity)
        self._segments.add(segment)
        segment.submit(Step.CREATE, [init])
        return segment

    def place(self, stream: UUID) -> Path:
        """The directory of a stream's new files."""
        return self._commit.place(self.directory / str(stream))

    def note(self, record: Mapping[str, Any], done: Done | None = None) -> None:
        """Write a journal record (see `journal`), in order with everything else that is queued."""
        line = journal.encode(record)
        self.submit(Ticket(step=Step.APPEND, file=self._journal, buffers=[line], done=done), len(line))

    async def close(self, at_us: int | None = None) -> None:
        """Settle everything, write `run_end` (by default with the host's wall time), and let go of the directory.

        Segments that are still open are left to recovery.
        """
        if not self._ended:
            self._ended = True
            for segment in list(self._segments):
                segment.abandon()
            self.note(journal.run_end(at_us=HostClock().wall_us() if at_us is None else at_us))
            self.submit(Ticket(step=Step.RELEASE, file=self._journal), 0)
        await self._commit.close()
        if self._lock_fd >= 0:  # only now: a cancelled close leaves the directory locked until the process ends
            lock_fd, self._lock_fd = self._lock_fd, -1
            files.close(lock_fd)

    def submit(self, ticket: Ticket, size_bytes: int) -> None:
        """Queue work and account for its bytes until it is settled."""
        self.pending_bytes += size_bytes
        ticket.done = partial(self._settled, size_bytes, ticket.done)
        self._commit.submit(ticket)

    def forget(self, segment: SpoolSegment) -> None:
        """The segment takes no more."""
        self._segments.discard(segment)

    def _settled(self, size_bytes: int, done: Done | None, error: Exception | None) -> None:
        self.pending_bytes -= size_bytes
        self.settled += 1
        if error is not None and error is not self.last_error and gap_reason(error) is GapReason.DISK_ERROR:
            self.errors, self.last_error = self.errors + 1, error
        if done is not None:
            done(error)


class SpoolSegment:
    """The file of one segment. Only the event loop calls it, and only in the order append*, then seal or abandon."""

    def __init__(self, run: SpoolRun, identity: SegmentIdentity) -> None:
        self.identity = identity
        self.pending_bytes = 0
        self._run = run
        self._ended = False
        path = layout.open_beside(run.place(identity.stream), identity)
        self._file = CommitFile(path)
        self._sealed_path = layout.sealed_beside(path, identity)

    def append(self, buffers: Sequence[Buffer], done: Done) -> None:
        """Add a fragment and its commit box; `done` once bytes and name are durable, or the file has failed."""
        self.submit(Step.APPEND, buffers, done)

    def seal(self, buffers: Sequence[Buffer], done: Done) -> None:
        """Add samples and seal, make them durable, then give the file its final name. Takes nothing afterwards."""
        self.submit(Step.SEAL, buffers, done)
        self._end()

    def abandon(self) -> None:
        """Let go of the file as it is, after an error or without footage; recovery seals what is in it."""
        if not self._ended:
            self.submit(Step.RELEASE, ())
            self._end()

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it that are durable, until it is sealed: then OSError, as for a file that failed. Blocks."""
        fd = files.open_read(self._file.path)
        try:
            return files.read_at(fd, offset, length)
        finally:
            files.close(fd)

    def submit(self, step: Step, buffers: Sequence[Buffer], done: Done | None = None) -> None:
        """Queue work on this file. SpoolError after `seal` or `abandon`: bytes behind a seal would be lost."""
        if self._ended:
            raise SpoolError(f"segment {self.identity} has ended")
        size_bytes = sum(map(len, buffers))
        self.pending_bytes += size_bytes
        ticket = Ticket(step=step, file=self._file, buffers=buffers, target=self._sealed_path)
        ticket.done = partial(self._settled, size_bytes, done)
        self._run.submit(ticket, size_bytes)

    def _end(self) -> None:
        self._ended = True
        self._run.forget(self)

    def _settled(self, size_bytes: int, done: Done | None, error: Exception | None) -> None:
        self.pending_bytes -= size_bytes
        if done is not None:
            done(error)


def _boot_id() -> str:
    """Which boot of the host this is: footage of an earlier boot may have lost what was not synced."""
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text("ascii").strip()
    return ""


def _make_spool(spool: Path) -> None:
    with contextlib.suppress(FileExistsError):
        files.make_directory(spool)
        files.sync_directory(spool.parent)


def _begin_journal(unborn: Path, lock_fd: int, line: bytes) -> tuple[int, int]:
    """Lock the directory and make its journal durable; the journal's size and descriptor."""
    if not files.lock(lock_fd):
        raise BlockingIOError(errno.EWOULDBLOCK, "locked by somebody else")
    fd = files.create_exclusive(unborn / layout.JOURNAL)
    try:
        size_bytes = files.append(fd, [line], 0)
        files.datasync(fd)
        files.sync_directory(unborn)
    except OSError:
        files.close(fd)
        raise
    return size_bytes, fd


def _refused(path: Path, error: OSError) -> SpoolError:
    code = errno.errorcode.get(error.errno or 0, "?")
    return SpoolError(
        f"{path}: a new run cannot begin: {error.strerror or error} ({code})",
        hint="check that the spool's disk is mounted, writable and not full",
    )
