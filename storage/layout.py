"""Where things are under the data directory, and how a segment's facts are told by its file name.

    <data>/run/<role>.sock, <role>.lock         one of each role per data directory
    <data>/run/live.sock                        access units as they come, out of `record`
    <data>/assignments.json                     what `record` is to do
    <data>/token, <data>/key                    bearer token; the key that seals camera credentials
    <data>/catalog.sqlite
    <data>/objects/                             the directory object store
    <data>/quarantine/                          bytes that were taken out of the spool, never destroyed
    <data>/installation                         who this installation is, and which disks it has recorded on
    <data>/spool/identity                       whose disk this is; each disk of `spool.disks` is such a spool
    <data>/spool/order                          the order of the newest run, also when its directory is gone
    <data>/spool/<run>/journal
    <data>/spool/<run>/<stream>/<camera>.<epoch>.<sequence>.mp4.open    being written
    <data>/spool/<run>/<stream>/<camera>.<epoch>.<sequence>.mp4         sealed
    <data>/spool/<run>/<stream>/<camera>.<epoch>.<sequence>.mp4.failed-<n>   given up after an error
    <data>/spool/<run>/<stream>/<camera>.<epoch>.<sequence>.mp4.cut-<n>      cut, as the disk was full
    <data>/spool/<run>/<stream>.<n>/...         the same, after the directory before it lost names

A run is printed as 16 hex digits, a stream and a camera as UUIDs, epoch and sequence in decimal without leading
zeros. A name is accepted only if it is exactly what would be written for the same facts, so one segment has one name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from media.identity import LIMIT, SegmentIdentity

if TYPE_CHECKING:
    from pathlib import Path

SEALED_SUFFIX = ".mp4"
OPEN_SUFFIX = ".mp4.open"
COPY_SUFFIX = ".mp4.copy"  # what recovery writes beside a failed file
JOURNAL = "journal"
ORDER = "order"
IDENTITY = "identity"
QUARANTINE = "quarantine"
MOST_DIRECTORIES = 4  # of a stream in a run; a disk that loses more is refused until the run ends
UNBORN_PREFIX = ".unborn-"  # a run's directory before it is locked and renamed into place

_RUN = re.compile(r"[0-7][0-9a-f]{15}")  # below media.identity.LIMIT
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_STREAM = re.compile(rf"({_UUID})(?:\.([1-9]))?")
_NUMBER = r"(0|[1-9][0-9]{0,18})"
_SEGMENT = re.compile(rf"({_UUID})\.{_NUMBER}\.{_NUMBER}\.mp4(\.open|\.(failed|cut)-{_NUMBER})?")


@dataclass(frozen=True, slots=True)
class Layout:
    """The places under `--data`, and the spools, where those are on disks of their own."""

    root: Path
    disks: tuple[Path, ...] = ()
    """The spools that are configured; none for the one below the data directory."""

    @property
    def assignments(self) -> Path:
        """What `record` is to do, written by the supervisor."""
        return self.root / "assignments.json"

    @property
    def token(self) -> Path:
        """The bearer token of the API, 0600."""
        return self.root / "token"

    @property
    def key(self) -> Path:
        """The key that seals camera credentials, 32 bytes in hex, 0600."""
        return self.root / "key"

    @property
    def catalog(self) -> Path:
        """The embedded catalog."""
        return self.root / "catalog.sqlite"

    @property
    def objects(self) -> Path:
        """The directory object store."""
        return self.root / "objects"

    @property
    def quarantine(self) -> Path:
        """What recovery took out of the spool."""
        return self.root / "quarantine"

    @property
    def installation(self) -> Path:
        """Who this installation is."""
        return self.root / "installation"

    @property
    def spool(self) -> Path:
        """The directories of the runs, where no disks are configured."""
        return self.root / "spool"

    @property
    def spools(self) -> tuple[Path, ...]:
        """Where `record` records; each holds directories of runs."""
        return self.disks or (self.spool,)

    def socket(self, role: str) -> Path:
        """Where a role answers with its state."""
        return self.root / "run" / f"{role}.sock"

    @property
    def live(self) -> Path:
        """Where `record` gives out access units as they come."""
        return self.root / "run" / "live.sock"

    def lock(self, role: str) -> Path:
        """What a role locks so that it runs once."""
        return self.root / "run" / f"{role}.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentName:
    """What a path inside the spool says about a segment."""

    identity: SegmentIdentity
    sealed: bool
    announced: int | None = None
    """Of a file that its run gave up after an error: how many of its fragments were announced durable before it."""
    doubted: bool = False
    """Given up after an error that may have cost it what the page cache still shows; not so where the disk was full."""


def run_name(run: int) -> str:
    """16 hex digits."""
    return f"{run:016x}"


def parse_run_name(name: str) -> int | None:
    """The run a directory of the spool belongs to, or None if it is no run's directory."""
    return int(name, 16) if _RUN.fullmatch(name) else None


def parse_stream_name(name: str) -> UUID | None:
    """The stream a directory of a run belongs to, or None."""
    match = _STREAM.fullmatch(name)
    return None if match is None or int(match[2] or 0) >= MOST_DIRECTORIES else UUID(match[1])


def stream_directories(run_directory: Path, stream: UUID) -> list[Path]:
    """Where a run may keep a stream, in the order in which it came to them. Only the first is usual."""
    later = (run_directory / f"{stream}.{number}" for number in range(1, MOST_DIRECTORIES))
    return [run_directory / str(stream), *later]


def directories_after(directory: Path) -> list[Path]:
    """Where a run goes on with a stream when this directory cannot keep names any more."""
    stream = parse_stream_name(directory.name)
    if stream is None:
        return []
    known = stream_directories(directory.parent, stream)
    return known[known.index(directory) + 1 :]


def run_directory(spool: Path, run: int) -> Path:
    """The directory of a run."""
    return spool / run_name(run)


def open_path(spool: Path, identity: SegmentIdentity) -> Path:
    """Where a segment is while it is written."""
    return _segment_path(spool, identity, OPEN_SUFFIX)


def sealed_path(spool: Path, identity: SegmentIdentity) -> Path:
    """Where a segment is once it is sealed."""
    return _segment_path(spool, identity, SEALED_SUFFIX)


def failed_path(path: Path, announced: int) -> Path:
    """Where the open file `path` is once its run gave it up with this many fragments announced durable."""
    return path.with_name(f"{path.name.removesuffix(OPEN_SUFFIX)}{SEALED_SUFFIX}.failed-{announced}")


def cut_path(path: Path, announced: int) -> Path:
    """Where the open file `path` is once the disk was full: it holds this many fragments, all durable, and no more."""
    return path.with_name(f"{path.name.removesuffix(OPEN_SUFFIX)}{SEALED_SUFFIX}.cut-{announced}")


def copy_path(path: Path, identity: SegmentIdentity) -> Path:
    """Where recovery copies the failed file `path` to, beside it."""
    return path.with_name(_segment_name(identity, COPY_SUFFIX))


def is_copy(path: Path) -> bool:
    """Whether this is a copy of a failed file that was not finished."""
    whose = path.with_name(path.name.removesuffix(COPY_SUFFIX) + OPEN_SUFFIX)
    return path.name.endswith(COPY_SUFFIX) and parse_segment_path(whose) is not None


def open_beside(directory: Path, identity: SegmentIdentity) -> Path:
    """The name of an open segment in a directory of its stream."""
    return directory / _segment_name(identity, OPEN_SUFFIX)


def sealed_beside(path: Path, identity: SegmentIdentity) -> Path:
    """The sealed name in the directory of another name of the segment."""
    return path.with_name(_segment_name(identity, SEALED_SUFFIX))


def _segment_name(identity: SegmentIdentity, suffix: str) -> str:
    return f"{identity.camera}.{identity.epoch}.{identity.sequence}{suffix}"


def _segment_path(spool: Path, identity: SegmentIdentity, suffix: str) -> Path:
    return run_directory(spool, identity.run) / str(identity.stream) / _segment_name(identity, suffix)


def parse_segment_path(path: Path) -> SegmentName | None:
    """Read the segment's facts from the last three parts of its path, or None if it is not one of ours."""
    run = parse_run_name(path.parent.parent.name)
    stream = parse_stream_name(path.parent.name)
    match = _SEGMENT.fullmatch(path.name)
    if run is None or stream is None or match is None:
        return None
    camera, epoch, sequence, unsealed, given_up, announced = match.groups()
    if max(int(epoch), int(sequence)) >= LIMIT:
        return None
    identity = SegmentIdentity(camera=UUID(camera), stream=stream, epoch=int(epoch), run=run, sequence=int(sequence))
    return SegmentName(
        identity=identity,
        sealed=unsealed is None,
        announced=None if announced is None else int(announced),
        doubted=given_up == "failed",
    )
