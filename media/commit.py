"""What Hulta writes into a file besides media: the commit box after each fragment, and the seal at the end.

A fragment counts when its commit box is whole. The box names the fragment's place, hash, time and owner, and the
chain: `chain` is the SHA-256 of all bytes of the box before it, which hold the chain of the fragment before
(`previous`), the hash of this one and the hash of the init section. So a changed byte, a missing fragment and two
swapped ones are found from the file alone, and the chain goes on from segment to segment of a stream and run.

Layouts byte by byte: docs/formats/segment.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.boxes import COMMIT_USERTYPE, SEAL_USERTYPE, require_intact, with_checksum
from media.errors import Mp4Error
from media.identity import LIMIT, SegmentIdentity
from media.moof import TRACK_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.track import Track

ZERO_CHAIN = bytes(32)
"""The chain before the first fragment of a run that knows of no earlier one."""

VERSION = 2
"""Of commit, samples and seal boxes alike: they change together. The newest that is known."""

PICTURES_ALONE, WITH_SOUND = 1, 2
"""Versions: all boxes of a segment with sound are of the second, so that a reader that does not know a second track
refuses it instead of taking its sound for damage. A segment of pictures alone is what it always was."""

_OWNER = "I 16s16sQQQ"  # track, camera, stream, epoch, run, sequence: as _owner_fields gives and _owner takes them
_COMMIT = struct.Struct(f">I4s16s BBBx {_OWNER} QIIQQ qqQQ IIIi 32s32s32s")
_COMMIT_FIELDS = (
    *("span", "fragment", "header_bytes", "offset", "length"),
    *("wall_us", "end_wall_us", "media_ticks", "duration_ticks"),
    *("samples", "sync_samples", "lost_packets", "camera_clock_ms"),
    *("init_sha256", "sha256", "previous"),
)
_SEAL = struct.Struct(f">I4s16s B3x {_OWNER} QIIQQ qqQQ IIIIII 64s32s32s")
_SEAL_FIELDS = (
    *("span", "fragments", "init_bytes", "samples_offset", "samples_length"),
    *("start_us", "end_us", "media_ticks", "duration_ticks"),
    *("samples", "sync_samples", "lost_packets", "timescale", "width", "height"),
)
_of_commit = attrgetter(*_COMMIT_FIELDS)
_of_seal = attrgetter(*_SEAL_FIELDS)
_STARTS_WITH_SYNC = 0x01
_MOST_LOST = 0xFFFF_FFFF
_MOST_CLOCK_MS = 0x7FFF_FFFF

CAMERA_CLOCK_KNOWN = 8
"""A bit of the clock quality."""

COMMIT_BOX_BYTES = _COMMIT.size + 32 + 4
SEAL_BOX_BYTES = _SEAL.size + 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One durable fragment: whose it is, where, when, and its hash."""

    identity: SegmentIdentity
    span: int
    """Number of the span within run and stream, from 0."""
    fragment: int
    """Number of the fragment within the segment, from 0."""
    track: int
    offset: int
    """First byte of the moof in the file."""
    length: int
    """Of moof and mdat together; the commit box follows."""
    header_bytes: int
    """Of the moof and the header of the mdat: the payload begins at offset + header_bytes."""
    init_sha256: bytes
    """Of the init section, all bytes of the file before the first moof."""
    sha256: bytes
    """Of moof and mdat."""
    previous: bytes
    """The chain of the fragment before this one, in this segment or the one before it."""
    chain: bytes
    wall_us: int
    """Wall time of the first instant presented."""
    end_wall_us: int
    """Wall time where the fragment ends."""
    media_ticks: int
    """Presentation time of the first instant since the start of the span; tfdt says the same."""
    duration_ticks: int
    samples: int
    sync_samples: int
    starts_with_sync: bool
    lost_packets: int
    clock_quality: int
    """Bits: 1 = the host's clock was synchronised; 2 and 4: RATE_CORRECTED, PLACED_BY_ARRIVAL of `media.timeline`;
    8: CAMERA_CLOCK_KNOWN."""
    camera_clock_ms: int = 0
    """The camera's own clock minus the host's when the fragment was closed, if CAMERA_CLOCK_KNOWN."""
    version: int = PICTURES_ALONE
    """Of all boxes of its segment."""

    @property
    def camera_clock_offset_us(self) -> int | None:
        """The camera's own clock minus the host's, to a millisecond; None where no sender report told it."""
        return self.camera_clock_ms * 1000 if self.clock_quality & CAMERA_CLOCK_KNOWN else None

    @property
    def box_offset(self) -> int:
        """Where the commit box is in the file."""
        return self.offset + self.length

    def head(self) -> bytes:
        """All bytes of the box before the chain: what the chain is the SHA-256 of."""
        marks = (COMMIT_BOX_BYTES, b"uuid", COMMIT_USERTYPE, self.version)
        flags = _STARTS_WITH_SYNC if self.starts_with_sync else 0
        owner = _owner_fields(self.track, self.identity)
        try:
            return _COMMIT.pack(*marks, flags, self.clock_quality, *owner, *_of_commit(self))
        except struct.error as error:
            raise Mp4Error(f"fragment {self.fragment} of {self.identity}: a number is out of range: {error}") from error

    def to_box(self) -> bytes:
        """The commit box, COMMIT_BOX_BYTES long."""
        return with_checksum(self.head() + self.chain)

    @classmethod
    def from_box(cls, candidate: bytes) -> Commit:
        """The commit in these bytes; Mp4Error unless magic, size, CRC and version fit."""
        require_intact(candidate, COMMIT_USERTYPE, VERSION)
        if len(candidate) != COMMIT_BOX_BYTES:
            raise Mp4Error(f"a commit box of {len(candidate)} bytes; they have {COMMIT_BOX_BYTES}")
        _, _, _, version, flags, clock_quality, track, *row = _COMMIT.unpack_from(candidate)
        rest: dict[str, Any] = dict(zip(_COMMIT_FIELDS, row[5:], strict=True))
        return cls(
            identity=_identity(*row[:5]),
            track=track,
            chain=candidate[_COMMIT.size : _COMMIT.size + 32],
            starts_with_sync=bool(flags & _STARTS_WITH_SYNC),
            clock_quality=clock_quality,
            version=version,
            **rest,
        )


def link(commit: Commit) -> bytes:
    """The chain this commit must have: SHA-256 of its box up to the chain, which holds the chain before."""
    return sha256(commit.head()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The end of a segment: what it holds as a whole, and where its samples box is."""

    identity: SegmentIdentity
    span: int
    track: int
    fragments: int
    init_bytes: int
    samples_offset: int
    samples_length: int
    start_us: int
    end_us: int
    media_ticks: int
    duration_ticks: int
    samples: int
    sync_samples: int
    lost_packets: int
    timescale: int
    width: int
    height: int
    codec: str
    init_sha256: bytes
    chain: bytes
    """The chain of the last fragment: what the next segment of the run goes on from."""
    version: int = PICTURES_ALONE

    @classmethod
    def over(
        cls,
        commits: Sequence[Commit],
        track: Track,
        *,
        init_bytes: int,
        samples_offset: int,
        samples_length: int,
        end_us: int,
    ) -> Seal:
        """The seal over these fragments. At least one is of pictures; these tell its times and count its samples."""
        shown = of_pictures(commits)
        first, last = shown[0], shown[-1]
        return cls(
            identity=first.identity,
            span=first.span,
            track=first.track,
            fragments=len(commits),
            init_bytes=init_bytes,
            samples_offset=samples_offset,
            samples_length=samples_length,
            start_us=first.wall_us,
            end_us=end_us,
            media_ticks=first.media_ticks,
            duration_ticks=last.media_ticks + last.duration_ticks - first.media_ticks,
            samples=sum(commit.samples for commit in shown),
            sync_samples=sum(commit.sync_samples for commit in shown),
            lost_packets=losses(commits),
            timescale=track.timescale,
            width=track.width,
            height=track.height,
            codec=track.codec,
            init_sha256=first.init_sha256,
            chain=commits[-1].chain,
            version=first.version,
        )

    def to_box(self) -> bytes:
        """The seal box, SEAL_BOX_BYTES long: the last box of the file, so that it is found from the end."""
        marks = (SEAL_BOX_BYTES, b"uuid", SEAL_USERTYPE, self.version)
        owner = _owner_fields(self.track, self.identity)
        ends = (self.codec.encode("ascii"), self.init_sha256, self.chain)
        try:
            return with_checksum(_SEAL.pack(*marks, *owner, *_of_seal(self), *ends))
        except struct.error as error:
            raise Mp4Error(f"the seal of {self.identity}: a number is out of range: {error}") from error

    @classmethod
    def from_box(cls, candidate: bytes) -> Seal:
        """The seal in these bytes; Mp4Error unless magic, size, CRC and version fit."""
        require_intact(candidate, SEAL_USERTYPE, VERSION)
        if len(candidate) != SEAL_BOX_BYTES:
            raise Mp4Error(f"a seal box of {len(candidate)} bytes; they have {SEAL_BOX_BYTES}")
        _, _, _, version, track, *row, codec, init_sha256, chain = _SEAL.unpack_from(candidate)
        rest: dict[str, Any] = dict(zip(_SEAL_FIELDS, row[5:], strict=True))
        return cls(
            identity=_identity(*row[:5]),
            track=track,
            codec=codec.rstrip(b"\0").decode("ascii", "replace"),
            init_sha256=init_sha256,
            chain=chain,
            version=version,
            **rest,
        )


def of_pictures(commits: Sequence[Commit]) -> list[Commit]:
    """Those of the track of pictures."""
    return [commit for commit in commits if commit.track == TRACK_ID]


def losses(commits: Sequence[Commit]) -> int:
    """The packets a segment lacks, as far as is known: each fragment missing between others counts as one, at least.

    A fragment goes missing only after it was written, with its disk's page: that is damage, and must show as such.
    """
    missing = commits[-1].fragment - commits[0].fragment + 1 - len(commits)
    return bounded_loss(missing + sum(commit.lost_packets for commit in commits))


def bounded_loss(packets: int) -> int:
    """A loss count that fits its field: what a lying camera claims must not keep its footage from being written."""
    return min(packets, _MOST_LOST)


def camera_clock(offset_us: int | None) -> tuple[int, int]:
    """An offset as `camera_clock_ms` and its bit of the clock quality. More than 24 days is as good as 24 days."""
    if offset_us is None:
        return 0, 0
    return max(-_MOST_CLOCK_MS, min(_MOST_CLOCK_MS, offset_us // 1000)), CAMERA_CLOCK_KNOWN


def _owner_fields(track: int, identity: SegmentIdentity) -> tuple[int | bytes, ...]:
    return (
        track,
        identity.camera.bytes,
        identity.stream.bytes,
        identity.epoch,
        identity.run,
        identity.sequence,
    )


def _identity(camera: bytes, stream: bytes, epoch: int, run: int, sequence: int) -> SegmentIdentity:
    if max(epoch, run, sequence) >= LIMIT:
        raise Mp4Error("epoch, run or sequence of a box is out of range")
    return SegmentIdentity(
        camera=UUID(bytes=camera), stream=UUID(bytes=stream), epoch=epoch, run=run, sequence=sequence
    )
