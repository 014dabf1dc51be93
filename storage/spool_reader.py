"""Footage that is still in the spool, for playback: the newest minute, and all that waits for the object store.

Reads beside the process that writes. A segment may grow, be sealed (renamed), be recovered or be removed between any
two system calls; a reader that has it open keeps its descriptor and with it every byte it was promised. Of an open
segment only whole fragments count, and of a living run nothing past the fragment that `record` last announced durable:
what the page cache shows could be gone after a power loss.

Rows come from `segment_from_scan`, as those that `ship` registers, and bytes of fragments never change, so an answer
from the spool and one from the catalog are the same. Everything here blocks; call it from a thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import structlog

from media.errors import Mp4Error
from media.fmp4_read import fragment_samples, read_sealed
from media.fragment_index import decode, decode_sound
from media.moof import SOUND_TRACK_ID, TRACK_ID
from media.sample_table import SampleTableBuilder, join_tables
from storage import files, layout
from storage.growing_segment import GrowingSegment
from storage.segment_row import segment_from_scan
from storage.spool_runs import is_alive, run_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self
    from uuid import UUID

    from media.fragment_index import FragmentEntry
    from media.identity import SegmentIdentity
    from media.segment_scanner import SegmentScan
    from storage.model import Segment

_MOST_SEALED = 20_000  # rows of some 2 KB: two weeks of one camera, or an hour and a half of 220
_MOST_GROWING = 500  # some 100 KB each; usually one a camera
_LISTINGS = 10
_MDAT_HEADER_BYTES = 8
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableMark:
    """The last fragment of a stream that was announced durable."""

    run: int
    epoch: int
    sequence: int
    fragment: int


class SpoolFile:
    """One segment's file, open for reading. Keeps its bytes though they be renamed or removed meanwhile."""

    def __init__(self, identity: SegmentIdentity, fd: int, *, sealed: bool) -> None:
        self.identity = identity
        self.sealed = sealed
        self._fd = fd

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`. What a Segment promised never changes; beyond that, anything goes."""
        return files.read_at(self._fd, offset, length)

    @property
    def size_bytes(self) -> int:
        """The size of the file, which grows while the segment is open."""
        return files.size_bytes(self._fd)

    def close(self) -> None:
        """Let go of the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            files.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SpoolReader:
    """Reads the runs of all spools. `durable` tells how far a stream is durable, None if nobody knows."""

    def __init__(self, spools: Sequence[Path], durable: Callable[[UUID], DurableMark | None]) -> None:
        self.spools = tuple(spools)
        self._durable = durable
        self._lock = threading.Lock()
        self._sealed: OrderedDict[SegmentIdentity, Segment | None] = OrderedDict()
        self._growing: OrderedDict[tuple[SegmentIdentity, bool], GrowingSegment] = OrderedDict()

    def segments(self, stream: UUID) -> list[Segment]:
        """The stream's segments with at least one fragment, by time."""
        mark = self._durable(stream)
        with self._lock:
            found = [
                segment
                for run_directory in run_directories(*self.spools)
                for segment in self._segments_of_run(run_directory, stream, mark)
            ]
        return sorted(found, key=lambda segment: (segment.start_us, segment.identity.sequence))

    def open(self, identity: SegmentIdentity) -> SpoolFile:
        """Open a segment, sealed or not. FileNotFoundError when the spool has it no longer: ask the object store."""
        for directory in self._directories(identity):
            growing = layout.open_beside(directory, identity)
            sealed = layout.sealed_beside(growing, identity)
            # Renames lead from `open` to `sealed`, or over a third name that tells more, never back.
            for path in chain((sealed, growing), _failed(directory, identity), (sealed,)):
                with contextlib.suppress(FileNotFoundError):
                    return SpoolFile(identity, files.open_read(path), sealed=path == sealed)
        raise FileNotFoundError(f"segment {identity} is not in the spool")

    def samples(self, segment: Segment) -> bytes:
        """The sample tables of a segment that `segments` gave, of exactly those, also when the file has grown since.

        FileNotFoundError when the spool has it no longer.
        """
        with self.open(segment.identity) as file:
            if file.sealed and segment.size_bytes == file.size_bytes:
                return read_sealed(file.read_at, segment.size_bytes).samples
            pictures, sound = decode(segment.fragments), decode_sound(segment.fragments)
            table = _samples_of(pictures, file, TRACK_ID)
            return table if sound is None else join_tables(table, _samples_of(sound.fragments, file, SOUND_TRACK_ID))

    def _directories(self, identity: SegmentIdentity) -> list[Path]:
        runs = (layout.run_directory(spool, identity.run) for spool in self.spools)
        return [place for run in runs for place in layout.stream_directories(run, identity.stream)]

    def _segments_of_run(self, run_directory: Path, stream: UUID, mark: DurableMark | None) -> Iterator[Segment]:
        places = layout.stream_directories(run_directory, stream)
        paths = [directory / name for directory in places for name in _listing(directory)]
        found = [(path, name) for path in paths if (name := layout.parse_segment_path(path))]
        # The run's lock is tried only if it matters: a recovery that finds it taken comes back half a minute later.
        alive = any(not name.sealed for _, name in found) and is_alive(run_directory)
        for path, name in found:  # recovery reports the others
            if name.sealed:
                segment = self._sealed_row(name.identity)
            else:
                segment = self._row(path, name.identity, _last_fragment(name, mark, alive=alive), alive=alive)
            if segment is not None:
                yield segment

    def _row(self, path: Path, identity: SegmentIdentity, last_fragment: int | None, *, alive: bool) -> Segment | None:
        """The row of a segment that was open a moment ago."""
        try:
            fd = files.open_read(path)
        except FileNotFoundError:
            return self._sealed_row(identity)
        except OSError:
            return None  # a directory, a link: recovery reports it
        try:
            growing = _recent(self._growing, (identity, alive), _MOST_GROWING, partial(_growing, identity, alive=alive))
            found = growing.scan(fd, last_fragment)
        except Mp4Error:
            return None  # just begun, or foreign, which recovery will say
        finally:
            files.close(fd)
        return None if found is None else segment_from_scan(found, found.valid_bytes)

    def _sealed_row(self, identity: SegmentIdentity) -> Segment | None:
        try:
            return _recent(self._sealed, identity, _MOST_SEALED, partial(self._read_sealed, identity))
        except OSError:
            return None  # removed meanwhile: the catalog has it; or unreadable, which recovery reports

    def _open_sealed(self, identity: SegmentIdentity) -> tuple[int, Path]:
        """A descriptor and where it leads; FileNotFoundError."""
        first, *others = (layout.sealed_beside(place / "x", identity) for place in self._directories(identity))
        for path in others:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                return files.open_read(path), path
        return files.open_read(first), first

    def _read_sealed(self, identity: SegmentIdentity) -> Segment | None:
        """The row of a sealed segment; None, remembered and said once, for what is none."""
        self._growing.pop((identity, True), None)
        fd, path = self._open_sealed(identity)
        try:
            size_bytes = files.size_bytes(fd)
            found = read_sealed(partial(files.read_at, fd), size_bytes)
            _require_identity(found, identity)
            return segment_from_scan(found, size_bytes)
        except Mp4Error as error:
            log.warning("spool_file_unreadable", path=str(path), why=str(error))
            return None
        finally:
            files.close(fd)


def _failed(directory: Path, identity: SegmentIdentity) -> Iterator[Path]:
    """The file of a segment that was given up."""
    for path in (directory / name for name in _listing(directory)):
        name = layout.parse_segment_path(path)
        if name is not None and name.identity == identity and name.announced is not None:
            yield path


def _samples_of(entries: list[FragmentEntry], file: SpoolFile, track: int) -> bytes:
    """The samples of these fragments, from their moofs."""
    table = SampleTableBuilder()
    for entry in entries:
        moof = file.read_at(entry.offset, entry.data_offset - entry.offset - _MDAT_HEADER_BYTES)
        table.add(*fragment_samples(moof, track))
    return table.table().encode()


def _growing(identity: SegmentIdentity, *, alive: bool) -> GrowingSegment:
    """A dead run's segment is believed as recovery will: by its hashes. A living one hides behind its mark instead."""
    return GrowingSegment(identity, verify=not alive)


def _last_fragment(name: layout.SegmentName, mark: DurableMark | None, *, alive: bool) -> int | None:
    """The last fragment of a segment without seal that counts: -1 for none, None for every whole one.

    A living run seals a segment before it announces anything of the next one. What is behind the mark and open has
    failed and could not even be renamed: only recovery can tell what is in it.
    """
    identity = name.identity
    if name.announced is not None:
        return name.announced - 1
    if mark is None or mark.run != identity.run or not alive:
        return None
    return mark.fragment if (identity.epoch, identity.sequence) == (mark.epoch, mark.sequence) else -1


def _require_identity(found: SegmentScan, identity: SegmentIdentity) -> None:
    if found.identity != identity:
        raise Mp4Error(f"it holds segment {found.identity}")


def _listing(directory: Path) -> list[str]:
    """The names in a directory, the same twice in a row: one reading may miss a name that is being changed."""
    try:
        before = files.names(directory)
        for _ in range(_LISTINGS):
            after = files.names(directory)
            if after == before:
                break
            before = after
    except (FileNotFoundError, NotADirectoryError):
        return []
    return before


def _recent(kept: OrderedDict[_Key, _Value], key: _Key, most: int, make: Callable[[], _Value]) -> _Value:
    """The value of `key`, made if need be; the least recently used one goes when there are too many."""
    if key not in kept:
        kept[key] = make()
        if len(kept) > most:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]
