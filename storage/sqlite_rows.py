"""Rows of the SQLite catalog to values, and back."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.errors import GapReason
from media.identity import SegmentIdentity
from media.sample_table import SampleSums
from storage.model import Event, Expiring, Gap, Segment, SegmentState, Stretch, Tombstone

if TYPE_CHECKING:
    from sqlite3 import Row

_NO_SUMS = dict.fromkeys(SampleSums._fields)
_STATES = {state.value: state for state in SegmentState}


@lru_cache(4096)
def _uuid(raw: bytes) -> UUID:
    """Cameras and streams: few, and in every row."""
    return UUID(bytes=raw)


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
    """A row of `segments`, by position: a day is 1440 of them, and columns by name take twice as long (26 ms)."""
    _, stream, camera, epoch, run, sequence, span, state, start_us, end_us, media_ticks, duration_ticks = row[:12]
    timescale, samples, sync_samples, lost_packets, codec, width, height, init_bytes, size_bytes = row[12:21]
    sha256, chain, fragments = row[21:24]
    sums = row[27:32]
    return Segment(
        identity=SegmentIdentity(camera=_uuid(camera), stream=_uuid(stream), epoch=epoch, run=run, sequence=sequence),
        span=span,
        state=_STATES[state],
        start_us=start_us,
        end_us=end_us,
        media_ticks=media_ticks,
        duration_ticks=duration_ticks,
        timescale=timescale,
        samples=samples,
        sync_samples=sync_samples,
        lost_packets=lost_packets,
        codec=codec,
        width=width,
        height=height,
        init_bytes=init_bytes,
        size_bytes=size_bytes,
        sha256=sha256,
        fragments=fragments,
        chain=chain,
        sums=None if sums[0] is None else SampleSums(*sums),
    )


def stretch_of(row: Row) -> Stretch:
    """A row of `stretches`, by position as above."""
    camera, stream, epoch, run, sequence, span, state, start_us, end_us, size_bytes, lost_packets = row
    identity = SegmentIdentity(camera=_uuid(camera), stream=_uuid(stream), epoch=epoch, run=run, sequence=sequence)
    return Stretch(identity, span, _STATES[state], start_us, end_us, size_bytes, lost_packets)


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
        **(_NO_SUMS if segment.sums is None else segment.sums._asdict()),
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
