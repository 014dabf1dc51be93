"""One run's directory as the shipper sees it: what was sealed since it last looked, and how much journal there is.

Looking costs a stat for each stream while nothing happens. The modification time of a directory says whether a name
in it changed, but its clock ticks every few milliseconds only: a name that came in the same tick as the last look
would be missed. So a directory that has changed is looked at once more the next time.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from storage import files, layout
from storage.journal import JournalReading, read_journal

if TYPE_CHECKING:
    from pathlib import Path

    from storage.quarantine import Quarantine


class RunDirectory:
    """A run of the spool. Everything blocks."""

    def __init__(self, path: Path, run: int) -> None:
        self.path = path
        self.run = run
        self._seen_ns: dict[str, int] = {}
        self._again: set[str] = set()
        self._taken: dict[Path, set[Path]] = {}
        self._failed: dict[Path, list[Path]] = {}

    def sealed(self) -> list[Path]:
        """Sealed segments that `take` was not called for, by stream and sequence; some that came just now may wait."""
        found: list[Path] = []
        for stream in self._changed():
            names = self._names(stream)
            taken = self._taken.get(stream, set()) & set(names)
            self._taken[stream] = taken
            found += [path for path in names if path not in taken]
        return sorted(found, key=lambda path: (path.parent.name, _sequence(path)))

    def failed(self) -> list[Path]:
        """Files that the run gave up, as of the last look."""
        return [path for paths in self._failed.values() for path in paths]

    def take(self, path: Path) -> None:
        """A segment is known to the catalog: `sealed` need not say it again."""
        self._taken.setdefault(path.parent, set()).add(path)

    def journal(self, from_offset: int) -> JournalReading:
        """The records from an offset on."""
        try:
            fd = files.open_read(self.path / layout.JOURNAL)
        except FileNotFoundError:
            return JournalReading(records=(), tail=(from_offset, from_offset), damage=())
        try:
            size_bytes = files.size_bytes(fd)
            return read_journal(lambda offset, length: files.read_at(fd, offset, length), size_bytes, from_offset)
        finally:
            files.close(fd)

    def journal_bytes(self) -> int:
        """How long the journal is."""
        try:
            return (self.path / layout.JOURNAL).stat().st_size
        except FileNotFoundError:
            return 0

    def look_again(self) -> None:
        """Forget what was seen: `sealed` lists everything that was not taken."""
        self._seen_ns.clear()

    def remove_if_empty(self, quarantine: Quarantine) -> bool:
        """Remove the directory of a dead run with nothing but its journal in it; whether it is gone.

        Bytes of the journal that are no record are kept: what a failing disk did to it may matter to somebody.
        """
        for name in files.names(self.path):
            if layout.parse_stream_name(name) is not None and not files.names(self.path / name):
                files.remove_directory(self.path / name)
        if set(files.names(self.path)) - {layout.JOURNAL}:
            return False
        self._keep_damage(quarantine)
        with contextlib.suppress(FileNotFoundError):
            files.unlink(self.path / layout.JOURNAL)
        files.remove_directory(self.path)
        return True

    def _keep_damage(self, quarantine: Quarantine) -> None:
        reading = self.journal(0)
        ranges = [(start, end) for start, end in (*reading.damage, reading.tail) if start < end]
        if ranges:
            fd = files.open_read(self.path / layout.JOURNAL)
            try:
                for start, end in ranges:
                    quarantine.keep(fd, start, end, of=self.path / layout.JOURNAL)
            finally:
                files.close(fd)

    def _changed(self) -> list[Path]:
        """The streams whose directories have changed since they were last read, or just before."""
        changed = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self.path) as entries:
            for entry in entries:
                if layout.parse_stream_name(entry.name) is None:
                    continue
                modified_ns = entry.stat(follow_symlinks=False).st_mtime_ns
                is_new = self._seen_ns.get(entry.name) != modified_ns
                if is_new or entry.name in self._again:
                    changed.append(self.path / entry.name)
                self._again = self._again | {entry.name} if is_new else self._again - {entry.name}
                self._seen_ns[entry.name] = modified_ns
        return changed

    def _names(self, stream: Path) -> list[Path]:
        try:
            paths = [stream / name for name in files.names(stream)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = [(path, name) for path in paths if (name := layout.parse_segment_path(path)) is not None]
        self._failed[stream] = [path for path, name in names if name.announced is not None]
        return [path for path, name in names if name.sealed]


def _sequence(path: Path) -> tuple[int, int]:
    name = layout.parse_segment_path(path)
    return (0, 0) if name is None else (name.identity.epoch, name.identity.sequence)
