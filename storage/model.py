"""What the catalog knows, as values: sites, cameras, policies, segments, gaps, tombstones, events.

Times are microseconds UTC and ranges are half-open. A row is a fact at the moment it was read; changing one is the
catalog's business (`storage/catalog.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import UUID, uuid5

from media.identity import object_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from media.errors import GapReason
    from media.identity import SegmentIdentity
    from media.sample_table import SampleSums
    from media.url import CameraUrl

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
MAX_SEGMENT_US = 600 * SECOND_US  # no segment is longer, so every range query knows how far back it must look

NEWEST_PERCENT = 70
"""Of a look at what waits for its upload: the newest; the rest are the oldest."""

Origin = Literal["file", "api"]
Way = Literal["tcp", "udp"]
SourceName = Literal["rtsp", "libav"]


def main_stream(camera: UUID) -> UUID:
    """The id of a camera's main stream, derived: a camera id kept in the configuration keeps its footage, too."""
    return uuid5(camera, "main")


def newest_of(limit: int) -> int:
    """How many of `limit` segments that wait are the newest ones."""
    return max(1, limit * NEWEST_PERCENT // 100)


class SegmentState(StrEnum):
    """Where a closed segment is (I2: exactly one of these)."""

    SPOOLED = "spooled"  # in the spool, known to the catalog
    UPLOADING = "uploading"  # a put was intended; whether it arrived is unknown
    STORED = "stored"  # the object store has it, verified
    MISSING = "missing"  # the object store should have it and has not
    MARKED = "marked"  # to be deleted, still there
    PURGING = "purging"  # its object is being deleted
    GONE = "gone"  # a tombstone


VISIBLE = frozenset({SegmentState.SPOOLED, SegmentState.UPLOADING, SegmentState.STORED, SegmentState.MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long footage is kept, counted from a segment's end, and why."""

    name: str
    keep_max_us: int
    keep_min_us: int | None = None
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredCamera:
    """A camera as the configuration wants it. Without `id` it is known by its name, and an id is minted for it."""

    name: str
    url: CameraUrl
    id: UUID | None = None
    policy: str = "default"
    enabled: bool = True
    bitrate_bps: int | None = None
    transport: Way = "tcp"
    tls_ca: str = ""
    tls_pin: str = ""
    audio: bool = False
    source: SourceName = "rtsp"
    klass: str = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSite:
    """A site and its cameras as the configuration wants them."""

    name: str
    networks: tuple[str, ...] = ()
    uplink_bps: int | None = None
    cameras: tuple[DesiredCamera, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place with cameras and one uplink."""

    id: UUID
    name: str
    networks: tuple[str, ...]
    uplink_bps: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera. `url` holds its credentials; printing it shows none.

    `enabled_since_us` is when it was last enabled (added, if it never was); `expected_since_us` when it was first:
    from then on every instant is declared (I4), the disabled ones as a gap `camera_disabled`.
    """

    id: UUID
    name: str
    site: str
    stream: UUID
    epoch: int
    url: CameraUrl
    policy: str
    enabled: bool
    origin: Origin
    enabled_since_us: int
    expected_since_us: int | None = None
    bitrate_bps: int | None = None
    transport: Way = "tcp"
    tls_ca: str = ""
    tls_pin: str = ""
    audio: bool = False
    source: SourceName = "rtsp"
    klass: str = "normal"


class FieldChange(NamedTuple):
    """One field before and after, as text that may be shown to anybody."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing `apply` did, or would do."""

    noun: Literal["site", "camera", "policy"]
    verb: Literal["added", "changed", "enabled", "disabled"]
    name: str
    id: UUID | None = None
    fields: tuple[FieldChange, ...] = ()

    def __str__(self) -> str:
        """A line of the diff: `camera gate-1 changed: name "gate" -> "gate-1"`."""
        line = f"{self.noun} {self.name} {self.verb}"
        if self.verb == "added" and self.id is not None:
            line += f" (id: {self.id})"
        details = ", ".join(f'{field} "{before}" -> "{after}"' for field, before, after in self.fields)
        return f"{line}: {details}" if details else line


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One self-contained file or object of one span. All but `state` and `sha256` is immutable once it is sealed."""

    identity: SegmentIdentity
    span: int
    state: SegmentState
    start_us: int
    end_us: int
    media_ticks: int
    duration_ticks: int
    timescale: int
    samples: int
    sync_samples: int
    lost_packets: int
    codec: str
    width: int
    height: int
    init_bytes: int
    size_bytes: int
    sha256: bytes | None  # of the whole file; known once it was shipped
    fragments: bytes  # media/fragment_index.py
    chain: bytes  # head of the hash chain after its last fragment
    sums: SampleSums | None = None  # of its sample table; None while it grows, and in rows of earlier versions

    @property
    def id(self) -> UUID:
        """The segment's id, the same in spool, catalog and URL."""
        return self.identity.segment_id

    @property
    def key(self) -> str:
        """Its key in the object store."""
        return object_key(self.identity, self.start_us)


class Stretch(NamedTuple):
    """What a timeline needs of a segment: when and whose, and nothing of what is inside."""

    identity: SegmentIdentity
    span: int
    state: SegmentState
    start_us: int
    end_us: int
    size_bytes: int
    lost_packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An interval that should have been recorded and was not. `end_us` is None while it lasts."""

    stream: UUID
    start_us: int
    end_us: int | None
    reason: GapReason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiring:
    """A segment as retention sees it; the last three fields are set while it is marked."""

    segment: Segment
    marked_us: int | None = None
    policy: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What remains of a deleted segment, as proof."""

    identity: SegmentIdentity
    start_us: int
    end_us: int
    size_bytes: int
    sha256: bytes | None
    deleted_us: int
    policy: str
    reason: str

    @property
    def id(self) -> UUID:
        """The id the segment had."""
        return self.identity.segment_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something `record` observed that is neither footage nor gap: a span start, a step of the clock."""

    run: int
    stream: UUID | None  # None: it concerns every stream of the run
    at_us: int
    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Changes that wait to be told in the catalog journal, as far as one object takes them.

    `composed`: an object is composed and not yet known to be written.
    """

    changes: int
    nouns: frozenset[str]
    composed: bool
