"""Recovery of a dead run: seal what it left open, destroy nothing, vouch for nothing but whole, hashed fragments.

For each segment that is not sealed, under the run's lock:

1. scan it with all hashes (media/segment_scanner.py), for the identity that its name tells;
2. copy what belongs to no fragment to the quarantine, durably;
3. turn holes between fragments into `free` boxes, so that the file plays, and truncate what is behind the last one;
4. append samples and seal, fdatasync;
5. rename, fsync of the directory.

Each step leaves a file from which the same steps lead to the same result, so recovery may be killed anywhere and run
again. What carries a segment's name and holds none goes to the quarantine whole. One file's trouble is reported with
its path and never stops the rest. A live run is left alone: its lock is held.

A file that is cut because the disk was full takes the same steps, also while its run lives: it lacks only its end.

But for files that the live run itself gave up after an error, as their name tells. Their pages may be clean and not on
the disk, and no sync of them means anything any more. So all that can be read is copied to a new file, that one takes
the five steps, its sync being its first, and the old one goes when the new one's name is durable.
"""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from media.closing import closing_boxes
from media.commit import COMMIT_BOX_BYTES, SEAL_BOX_BYTES, Seal
from media.errors import GapReason, Mp4Error, SpoolError
from media.fmp4_read import scan
from storage import files, layout
from storage.durable_names import keep_name
from storage.journal import read_journal
from storage.quarantine import Quarantine

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.identity import SegmentIdentity
    from media.segment_scanner import SegmentScan
    from storage.clock import Clock

_FREE_HEADER_BYTES = 8
_COPY_BYTES = 1 << 20
_ROOM = 16
"""A failed file is copied when there is room for so many of its size: what is recorded now needs the disk more."""
_MOST_FREE_BYTES = 0xFFFF_FFFF

_ERRORS = {GapReason.DISK_ERROR.value, GapReason.SPOOL_FULL.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in the spool that is not as a segment's file should be."""

    path: Path
    why: str
    at_us: int
    kept: Path | None = None
    """Where the bytes are now, if they were copied or moved to the quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredRun:
    """What became of a run."""

    run: int
    alive: bool
    """Its lock is held: nothing was touched."""
    complete: bool
    """Everything in it is sealed or out of the way: as it will not change, recovering it again finds nothing to do."""
    sealed: tuple[Path, ...]
    """The segments sealed by this recovery."""
    findings: tuple[Finding, ...]


def recover_run(run_directory: Path, quarantine: Path, clock: Clock, report: Callable[[Finding], None]) -> RecoveredRun:
    """Recover a run if it is dead. Blocks; idempotent, may be killed. SpoolError if its directory cannot be read."""
    run = layout.parse_run_name(run_directory.name)
    if run is None:
        raise SpoolError(f"{run_directory}: not the directory of a run")
    recovery = _Recovery(run_directory, Quarantine(quarantine), clock, report)
    try:
        alive = not recovery.recover()
    except OSError as error:
        raise SpoolError(f"{run_directory}: {error.strerror}") from error
    return RecoveredRun(
        run=run,
        alive=alive,
        complete=recovery.complete and not alive,
        sealed=tuple(recovery.sealed),
        findings=tuple(recovery.findings),
    )


def salvage(path: Path, quarantine: Path, clock: Clock, report: Callable[[Finding], None]) -> bool:
    """Bring a failed file's footage into a sealed file, its run dead or alive; False (and reported) if not now.

    Blocks; idempotent, may be killed. Only one process may do it: the one that ships.
    """
    recovery = _Recovery(path.parent.parent, Quarantine(quarantine), clock, report)
    recovery.recover_file(path)
    return recovery.complete


class _Recovery:
    """One run, and what was found in it."""

    def __init__(
        self, run_directory: Path, quarantine: Quarantine, clock: Clock, report: Callable[[Finding], None]
    ) -> None:
        self.complete = True
        self._met_errors = False
        self.sealed: list[Path] = []
        self.findings: list[Finding] = []
        self._directory = run_directory
        self._quarantine = quarantine
        self._clock = clock
        self._report = report

    def recover(self) -> bool:
        """Go through the run's directory under its lock; False if somebody else has it."""
        lock_fd = files.open_directory(self._directory)
        try:
            if not files.lock(lock_fd):
                return False
            self._met_errors = True  # unless the journal can be read, and says nothing of it
            self._attempt(self._directory / layout.JOURNAL, self._read_journal)
            for name in files.names(self._directory):
                self._recover_entry(self._directory / name)
        finally:
            files.close(lock_fd)
        return True

    def _read_journal(self, journal: Path) -> None:
        self._met_errors = _met_errors(journal)

    def _recover_entry(self, path: Path) -> None:
        if layout.parse_stream_name(path.name) is not None:
            self._attempt(path, self._recover_stream)
        elif path.name != layout.JOURNAL:
            self._find(path, "not a part of a run; left where it is")

    def _recover_stream(self, directory: Path) -> None:
        try:
            names = files.names(directory)
        except NotADirectoryError:
            self._find(directory, "not the directory of a stream; left where it is")
            return
        for name in names:
            self.recover_file(directory / name)

    def recover_file(self, path: Path) -> None:
        """Do what is to be done with one file of a stream."""
        self._attempt(path, self._recover_file)

    def _attempt(self, path: Path, recover: Callable[[Path], None]) -> None:
        """Do one part; whatever stands in its way is reported and left for another time."""
        try:
            recover(path)
        except OSError as error:
            self.complete = False
            self._find(path, f"not recovered: {error.strerror} ({errno.errorcode.get(error.errno or 0, '?')})")

    def _find(self, path: Path, why: str, kept: Path | None = None) -> None:
        finding = Finding(path=path, why=why, at_us=self._clock.wall_us(), kept=kept)
        self.findings.append(finding)
        self._report(finding)

    def _remove(self, path: Path, why: str) -> None:
        self._find(path, why, self._quarantine.move(path))

    def _recover_file(self, path: Path) -> None:
        name = layout.parse_segment_path(path)
        if layout.is_copy(path):
            files.unlink(path)  # not finished; what was copied is still there
            return
        if name is None:
            self._remove(path, "not the name of a segment")
            return
        try:
            fd = files.open_write(path)
        except IsADirectoryError:
            self._remove(path, "a directory with the name of a segment")
            return
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ELOOP, errno.ENXIO}:
                raise
            self._remove(path, "not a regular file")
            return
        try:
            left_open = not name.sealed and name.announced is None
            doubted = name.doubted or (left_open and self._met_errors)
            why = self._recover_copy(path, fd, name) if doubted else self._recover_open(path, fd, name)
        finally:
            files.close(fd)
        if why:
            self._remove(path, why)

    def _recover_copy(self, path: Path, fd: int, name: layout.SegmentName) -> str:
        """Seal a copy of a failed file and let the file go; why it is none of ours, or nothing."""
        places = [path.parent, *filter(Path.is_dir, layout.directories_after(path.parent))]
        home = places[-1]  # which keeps its names
        copy, target = (of(home / path.name, name.identity) for of in (layout.copy_path, layout.sealed_beside))
        if any(target.name in files.names(place) for place in places):
            return self._finish_copy(path, places, target)
        copy_fd = _copied(fd, copy)
        try:
            why = self._recover_open(path, copy_fd, name, copy)
        finally:
            files.close(copy_fd)
        files.unlink(path if any(sealed.name == target.name for sealed in self.sealed) else copy)
        return why

    def _finish_copy(self, path: Path, places: list[Path], target: Path) -> str:
        """An earlier attempt sealed the copy, and came no further."""
        (made, *_) = (place / target.name for place in places if target.name in files.names(place))
        if made != target:
            files.rename(made, target)
        self.sealed.append(keep_name(target))
        files.unlink(path)
        return ""

    def _recover_open(self, path: Path, fd: int, name: layout.SegmentName, copy: Path | None = None) -> str:
        """Seal a file, which is that at `path` or its copy; why it is none of ours, or nothing."""
        size_bytes = files.size_bytes(fd)
        if name.sealed and _is_sealed(fd, size_bytes, name.identity):
            return ""
        if name.sealed and files.link_count(fd) > 1:
            self._find(path, "its seal is damaged, and the object store holds the same file; left as it is")
            return ""
        try:
            found = scan(partial(files.read_at, fd), size_bytes, verify=True, identity=name.identity)
        except Mp4Error as error:
            if not error.hint:
                return f"no footage of this segment: {error}"
            self._find(path, f"left where it is: {error}; {error.hint}")  # of a newer version, which will know it
            return ""
        for fault in found.faults:
            self._find(path, fault)
        target = layout.sealed_beside(copy or path, name.identity)
        if not name.sealed and target.name in files.names(target.parent):
            return "its segment is sealed already"
        self._close_file(path, fd, found)
        if not name.sealed:
            files.rename(copy or path, target)
            if copy is not None:
                target = keep_name(target)
            else:
                files.sync_directory(target.parent)  # what is durable until then is the name it had
        self.sealed.append(target)
        return ""

    def _close_file(self, path: Path, fd: int, found: SegmentScan) -> None:
        """Bring the file into the form a seal gives it, durably."""
        end, closing = _closing(found)
        size_bytes = files.size_bytes(fd)
        for start, stop in found.torn:
            if stop <= end:
                self._free(path, fd, start, stop)
        # Samples and seal that are whole, or whose writing was interrupted, are no loss: they are written again.
        written = files.read_at(fd, end, len(closing) + 1)
        if not closing.startswith(written):
            kept = self._quarantine.keep(fd, end, size_bytes, of=path)
            self._find(path, f"bytes {end} to {size_bytes} belong to no whole fragment", kept)
            files.truncate(fd, end)
        # Also what seems to be there: pages that an earlier sync lost are clean now, and a sync alone would skip them.
        files.append(fd, [closing], end)
        files.datasync(fd)

    def _free(self, path: Path, fd: int, start: int, stop: int) -> None:
        """Turn a hole into a `free` box that players skip (ISO/IEC 14496-12 §8.1.2), its bytes kept elsewhere."""
        if not _FREE_HEADER_BYTES <= stop - start <= _MOST_FREE_BYTES:
            return
        header = (stop - start).to_bytes(4, "big") + b"free"
        if files.read_at(fd, start, len(header)) == header:
            return
        kept = self._quarantine.keep(fd, start, stop, of=path)
        self._find(path, f"bytes {start} to {stop} between fragments belong to none", kept)
        files.append(fd, [header], start)


def _copied(fd: int, copy: Path) -> int:
    """A new file with the bytes of `fd`, none of them durable yet; its descriptor."""
    size_bytes = files.size_bytes(fd)
    if files.free_bytes(fd) < _ROOM * size_bytes:
        raise OSError(errno.ENOSPC, "no room for a copy yet")
    with contextlib.suppress(FileNotFoundError):
        files.unlink(copy)  # of an attempt that was not finished: if its sync failed, it must not be synced again
    copy_fd = files.create_exclusive(copy)
    try:
        for offset in range(0, size_bytes, _COPY_BYTES):
            files.append(copy_fd, [files.read_at(fd, offset, min(_COPY_BYTES, size_bytes - offset))], offset)
    except OSError:
        files.close(copy_fd)
        raise
    return copy_fd


def _met_errors(journal: Path) -> bool:
    """Whether the run noted that its disk failed. Then a file that it left open may have failed, too, unnoted.

    (Killed between the error and the new name. The first error of all is not noted by then either; but disks that
    fail once do so again.)
    """
    try:
        fd = files.open_read(journal)
    except FileNotFoundError:
        return False
    try:
        records = read_journal(partial(files.read_at, fd), files.size_bytes(fd)).records
    finally:
        files.close(fd)
    return any(record.kind == "gap_open" and record.fields.get("reason") in _ERRORS for record in records)


def _is_sealed(fd: int, size_bytes: int, identity: SegmentIdentity) -> bool:
    """Whether the file ends with the seal of this segment."""
    try:
        seal = Seal.from_box(files.read_at(fd, max(size_bytes - SEAL_BOX_BYTES, 0), SEAL_BOX_BYTES))
    except Mp4Error:
        return False
    return seal.identity == identity and seal.samples_offset + seal.samples_length + SEAL_BOX_BYTES == size_bytes


def _closing(found: SegmentScan) -> tuple[int, bytes]:
    """Where the last fragment ends, and the samples and seal that belong there."""
    commits, init_bytes = found.commits, found.init_bytes
    end = commits[-1].box_offset + COMMIT_BOX_BYTES
    boxes = closing_boxes(commits, found.samples, found.track, init_bytes=init_bytes, offset=end, end_us=found.end_us)
    return end, b"".join(boxes)
