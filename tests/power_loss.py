"""A model of a disk that loses power: what may be there afterwards, given the file operations until then.

Bytes survive for certain once their file was synced, names once their directory was. Anything newer may survive or
not, one by one and out of order: a write whole, in part, or as zeros of the right length; a name made, changed or
not. That is more than ext4, XFS or Btrfs would do, and nothing that POSIX forbids. A kill -9 loses none of it, which
is why a kill cannot test a sync.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.builders_spool import Event


class Choice(Protocol):
    """Decides what survives: a number from 0 up to and without `options`."""

    def __call__(self, options: int) -> int:
        """The choice."""
        ...


def nothing_unsynced(_options: int) -> int:
    """The worst case: what was not synced is gone."""
    return 0


@dataclass
class _File:
    durable: bytes = b""
    writes: list[tuple[int, bytes]] = field(default_factory=list)  # not synced; (offset, bytes)
    lost: list[tuple[int, bytes]] = field(default_factory=list)  # not synced, and never will be

    def sync(self) -> None:
        for offset, written in self.writes:
            self.durable = self.durable[:offset].ljust(offset, b"\0") + written + self.durable[offset + len(written) :]
        self.writes.clear()

    def fail(self) -> None:
        """A sync failed: the kernel calls the pages clean, and no later sync writes them."""
        self.lost += self.writes
        self.writes.clear()

    def survivor(self, choose: Choice) -> bytes:
        content = self.durable
        for offset, written in self.lost + self.writes:
            match choose(4):
                case 1:  # zeros: the size was written, the page was not
                    part = bytes(len(written))
                case 2:
                    part = written[: choose(len(written) + 1)]
                case 3:
                    part = written
                case _:
                    continue
            content = content[:offset].ljust(offset, b"\0") + part + content[offset + len(part) :]
        return content


@dataclass
class _Directory:
    now: dict[str, _File | _Directory] = field(default_factory=dict)
    durable: dict[str, _File | _Directory] = field(default_factory=dict)
    changes: list[tuple[str, str, _File | _Directory | None]] = field(default_factory=list)  # (old, new, what)
    lost: list[tuple[str, str, _File | _Directory | None]] = field(default_factory=list)

    def change(self, old: str, new: str, what: _File | _Directory | None) -> None:
        self.changes.append((old, new, what))
        _apply(self.now, (old, new, what))

    def sync(self) -> None:
        for change in self.changes:
            _apply(self.durable, change)
        self.changes.clear()

    def fail(self) -> None:
        """A sync failed: none of the names made since the last one will come with a later sync."""
        self.lost += self.changes
        self.changes.clear()

    def survivor(self, choose: Choice) -> dict[str, _File | _Directory]:
        names = dict(self.durable)
        for change in self.lost + self.changes:
            if choose(2):
                _apply(names, change)
        return names


def _apply(names: dict[str, _File | _Directory], change: tuple[str, str, _File | _Directory | None]) -> None:
    old, new, what = change
    names.pop(old, None)
    if what is not None:
        names[new] = what


class Disk:
    """The model, fed with the events of a FileSeam below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = _Directory()

    def replay(self, events: Iterable[Event]) -> None:
        """Do all of these."""
        for event in events:
            self._do(event)

    def write_survivors(self, target: Path, choose: Choice) -> None:
        """What a computer finds after the power came back, as real files."""
        _write(self._top, target, choose)

    def _do(self, event: Event) -> None:
        match event.operation:
            case "make_directory":
                self._parent(event.path).change("", event.path.name, _Directory())
            case "create_exclusive":
                self._parent(event.path).change("", event.path.name, _File())
            case "append":
                self._file(event.path).writes.append((event.offset, event.written))
            case "datasync":
                self._file(event.path).sync()
            case "sync_directory":
                self._directory(event.path).sync()
            case "datasync failed":
                self._file(event.path).fail()
            case "sync_directory failed":
                self._directory(event.path).fail()
            case "unlink":
                self._parent(event.path).change(event.path.name, "", None)
            case "rename":
                assert event.target is not None
                assert event.target.parent == event.path.parent
                parent = self._parent(event.path)
                parent.change(event.path.name, event.target.name, parent.now[event.path.name])
            case "truncate" | "link" | "remove_directory":
                raise AssertionError(f"the model does not know {event.operation}")

    def _parent(self, path: Path) -> _Directory:
        return self._directory(path.parent)

    def _directory(self, path: Path) -> _Directory:
        place = self._top
        for part in path.relative_to(self._root).parts:
            found = place.now[part]
            assert isinstance(found, _Directory)
            place = found
        return place

    def _file(self, path: Path) -> _File:
        found = self._parent(path).now[path.name]
        assert isinstance(found, _File)
        return found


def _write(directory: _Directory, target: Path, choose: Choice) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, what in directory.survivor(choose).items():
        if isinstance(what, _File):
            (target / name).write_bytes(what.survivor(choose))
        else:
            _write(what, target / name, choose)
