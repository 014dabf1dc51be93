"""Builders for tests of the spool: a seam that watches and breaks file operations, and segments with real bytes."""

from __future__ import annotations

import functools
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.identity import SegmentIdentity
from storage import files, journal, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CAMERA = UUID("00000000-0000-4000-8000-0000000000ca")
STREAM = UUID("00000000-0000-4000-8000-0000000000a1")
RUN = 0x1234


def identity(sequence: int = 0, *, run: int = RUN, stream: UUID = STREAM, epoch: int = 1) -> SegmentIdentity:
    """The identity of a test's segment."""
    return SegmentIdentity(camera=CAMERA, stream=stream, epoch=epoch, run=run, sequence=sequence)


class Stopped(BaseException):
    """The process 'died' here: nothing in the product catches it."""


@dataclass(frozen=True)
class Event:
    """One file operation that returned, or a note of the test. `path` is the file's name at that time."""

    operation: str
    path: Path
    target: Path | None = None
    written: bytes = b""
    offset: int = 0


class FileSeam:
    """Replaces every function of `storage.files` by one that notes the call, and may fail it or die at it."""

    def __init__(self, *, sync: bool = True) -> None:
        self.events: list[Event] = []
        self._sync = sync  # False: leave out what only a power loss would show, for sweeps over hundreds of runs
        self.calls = 0
        self.failed = ""
        self._stop_at: tuple[int, bool] | None = None
        self._fail_at: tuple[int, int] | None = None
        self._failures: list[tuple[str, str | Path, int, int, int]] = []
        self._open: set[int] = set()
        self._lock = threading.Lock()

    def die(self) -> None:
        """Close what the 'dead' process had open, as the kernel does: its locks end."""
        while self._open:
            os.close(self._open.pop())

    def note(self, what: str, path: Path | None = None) -> None:
        """Put the test's own event in order with the file operations."""
        self.events.append(Event(what, path or Path()))

    def fail(self, operation: str, path: str | Path, code: int, *, times: int = 1, skip: int = 0) -> None:
        """Let `times` calls of `operation` on a path, or one with this text in it, raise OSError, after `skip`."""
        self._failures.append((operation, path, code, times, skip))

    def fail_at(self, call: int, code: int) -> None:
        """Let the call with this number (from 0) raise OSError(code); `failed` tells afterwards what it was."""
        self._fail_at = call, code

    def stop_at(self, call: int, *, after: bool) -> None:
        """Die at the call with this number (from 0): before it does anything, or after it did all."""
        self._stop_at = (call, after)

    def operations(self, path_part: str = "") -> list[str]:
        """The names of the operations so far on paths with `path_part` in them."""
        return [event.operation for event in self.events if path_part in str(event.path)]

    @contextmanager
    def installed(self) -> Iterator[FileSeam]:
        """Watch for the length of a with block."""
        real = {name: getattr(files, name) for name in files.OPERATIONS}
        for name, function in real.items():
            setattr(files, name, functools.partial(self._call, name, function))
        try:
            yield self
        finally:
            for name, function in real.items():
                setattr(files, name, function)

    def _call(self, name: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with self._lock:
            number, self.calls = self.calls, self.calls + 1
            path = self._path(arguments[0])
            self._raise_failure(name, path, number)
        if self._stop_at is not None and number >= self._stop_at[0] and not self._stop_at[1]:
            raise Stopped(f"before {name} {path.name}")
        skipped = not self._sync and name in {"datasync", "sync_directory"}
        result = None if skipped else function(*arguments, **options)
        with self._lock:
            if name in {"create_exclusive", "open_directory", "open_read", "open_write"}:
                self._open.add(result)
            elif name == "close":
                self._open.discard(arguments[0])
            self.events.append(_event(name, path, arguments))
        if self._stop_at is not None and number >= self._stop_at[0]:
            raise Stopped(f"after {name} {path.name}")
        return result

    def _path(self, file: int | Path) -> Path:
        return Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else file

    def _raise_failure(self, name: str, path: Path, number: int) -> None:
        if self._fail_at is not None and self._fail_at[0] == number:
            self.failed = name
            raise OSError(self._fail_at[1], os.strerror(self._fail_at[1]))
        for index, (operation, part, code, times, skip) in enumerate(self._failures):
            if operation == name and (part == path if isinstance(part, Path) else part in str(path)):
                if skip:
                    self._failures[index] = (operation, part, code, times, skip - 1)
                    continue
                if times > 1:
                    self._failures[index] = (operation, part, code, times - 1, 0)
                else:
                    del self._failures[index]
                self.events.append(Event(f"{name} failed", path))
                raise OSError(code, os.strerror(code))


def _event(name: str, path: Path, arguments: tuple[Any, ...]) -> Event:
    if name == "append":
        return Event(name, path, written=b"".join(map(bytes, arguments[1])), offset=arguments[2])
    if name == "truncate":
        return Event(name, path, offset=arguments[1])
    if name in {"rename", "link"}:
        return Event(name, path, target=arguments[1])
    return Event(name, path)


def place(spool: Path, segment: SegmentIdentity, content: bytes, *, sealed: bool = False) -> Path:
    """Put a segment's file where a run that died would have left it, journal included."""
    path = layout.sealed_path(spool, segment) if sealed else layout.open_path(spool, segment)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    run_journal = path.parent.parent / layout.JOURNAL
    if not run_journal.exists():
        run_journal.write_bytes(journal.encode(journal.run_start(run=segment.run, host="rec-1", boot_id="", at_us=1)))
    return path


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a directory and its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
