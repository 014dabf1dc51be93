"""Rows of the SQLite catalog to values, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.errors import GapReason
from media.identity import SegmentIdentity
from storage.model import Event, Expiring, Gap, Segment, SegmentState, Tombstone

if TYPE_CHECKING:
    from sqlite3 import Row


def identity_of(row: Row) -> SegmentIdentity:
    """The identity columns, which segments and tombstones share."""
    return SegmentIdentity(
        camera=UUID(bytes=row["camera"]),
        stream=UUID(bytes=row["stream"]),
        epoch=row["epoch"],
        run=row["run"],
        sequence=row["sequence"],
    )


def identity_columns(identity: SegmentIdentity) -> dict[str, Any]:
    """And back, with the id."""
    return {
        "id": identity.segment_id.bytes,
        "stream": identity.stream.bytes,
        "camera": identity.camera.bytes,
        "epoch": identity.epoch,
        "run": identity.run,
        "sequence": identity.sequence,
    }


def segment_of(row: Row) -> Segment:
    """A row of `segments`."""
    return Segment(
        identity=identity_of(row),
        span=row["span"],
        state=SegmentState(row["state"]),
        start_us=row["start_us"],
        end_us=row["end_us"],
        media_ticks=row["media_ticks"],
        duration_ticks=row["duration_ticks"],
        timescale=row["timescale"],
        samples=row["samples"],
        sync_samples=row["sync_samples"],
        lost_packets=row["lost_packets"],
        codec=row["codec"],
        width=row["width"],
        height=row["height"],
        init_bytes=row["init_bytes"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        fragments=row["fragments"],
        chain=row["chain"],
    )


def segment_columns(segment: Segment) -> dict[str, Any]:
    """The immutable facts of a segment: all but its state and hash, which it earns later."""
    return {
        **identity_columns(segment.identity),
        "span": segment.span,
        "start_us": segment.start_us,
        "end_us": segment.end_us,
        "media_ticks": segment.media_ticks,
        "duration_ticks": segment.duration_ticks,
        "timescale": segment.timescale,
        "samples": segment.samples,
        "sync_samples": segment.sync_samples,
        "lost_packets": segment.lost_packets,
        "codec": segment.codec,
        "width": segment.width,
        "height": segment.height,
        "init_bytes": segment.init_bytes,
        "size_bytes": segment.size_bytes,
        "fragments": segment.fragments,
        "chain": segment.chain,
    }


def expiring_of(row: Row) -> Expiring:
    """A row of `segments` with its mark."""
    return Expiring(
        segment=segment_of(row),
        marked_us=row["marked_us"],
        policy=row["mark_policy"] or "",
        reason=row["mark_reason"] or "",
    )


def tombstone_of(row: Row) -> Tombstone:
    """A row of `tombstones`."""
    return Tombstone(
        identity=identity_of(row),
        start_us=row["start_us"],
        end_us=row["end_us"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        deleted_us=row["deleted_us"],
        policy=row["policy"],
        reason=row["reason"],
    )


def gap_of(row: Row) -> Gap:
    """A row of `gaps`."""
    return Gap(
        stream=UUID(bytes=row["stream"]),
        start_us=row["start_us"],
        end_us=row["end_us"],
        reason=GapReason(row["reason"]),
        detail=row["detail"],
    )


def gap_columns(gap: Gap) -> dict[str, Any]:
    """And back."""
    return {
        "stream": gap.stream.bytes,
        "start_us": gap.start_us,
        "end_us": gap.end_us,
        "reason": gap.reason.value,
        "detail": gap.detail,
    }


def event_of(row: Row) -> Event:
    """A row of `events`."""
    return Event(
        run=row["run"],
        stream=None if row["stream"] is None else UUID(bytes=row["stream"]),
        at_us=row["at_us"],
        kind=row["kind"],
        fields=json.loads(row["fields"]),
    )
