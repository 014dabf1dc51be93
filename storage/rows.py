"""Rows of a catalog to values, and back: what the embedded catalog and PostgreSQL have in common.

They differ in how a UUID lies in a row: every function that meets one takes `uuid`, which reads it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from media.errors import GapReason
from media.identity import SegmentIdentity
from media.sample_table import SampleSums
from storage.model import Event, Expiring, Gap, Segment, SegmentState, Stretch, Tombstone

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    ReadUuid = Callable[[Any], UUID]

_NO_SUMS = dict.fromkeys(SampleSums._fields)
_STATES = {state.value: state for state in SegmentState}


def segment_of(row: Any, *, uuid: ReadUuid) -> Segment:
    """A row of `segments`, by position: a day is 1440 of them, and columns by name take twice as long (26 ms)."""
    _, stream, camera, epoch, run, sequence, span, state, start_us, end_us, media_ticks, duration_ticks = row[:12]
    timescale, samples, sync_samples, lost_packets, codec, width, height, init_bytes, size_bytes = row[12:21]
    sha256, chain, fragments = row[21:24]
    sums = row[27:32]
    return Segment(
        identity=SegmentIdentity(camera=uuid(camera), stream=uuid(stream), epoch=epoch, run=run, sequence=sequence),
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


def stretch_of(row: Any, *, uuid: ReadUuid) -> Stretch:
    """A row of `stretches`, by position as above."""
    camera, stream, epoch, run, sequence, span, state, start_us, end_us, size_bytes, lost_packets = row
    identity = SegmentIdentity(camera=uuid(camera), stream=uuid(stream), epoch=epoch, run=run, sequence=sequence)
    return Stretch(identity, span, _STATES[state], start_us, end_us, size_bytes, lost_packets)


def segment_columns(segment: Segment) -> dict[str, Any]:
    """The immutable facts of a segment: all but its state and hash, which it earns later."""
    identity = segment.identity
    return {
        "id": segment.id,
        "stream": identity.stream,
        "camera": identity.camera,
        "epoch": identity.epoch,
        "run": identity.run,
        "sequence": identity.sequence,
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


def expiring_of(row: Any, *, uuid: ReadUuid) -> Expiring:
    """A row of `segments` with its mark."""
    return Expiring(
        segment=segment_of(row, uuid=uuid),
        marked_us=row["marked_us"],
        policy=row["mark_policy"] or "",
        reason=row["mark_reason"] or "",
    )


def tombstone_of(row: Any, *, uuid: ReadUuid) -> Tombstone:
    """A row of `tombstones`."""
    return Tombstone(
        identity=SegmentIdentity(
            camera=uuid(row["camera"]),
            stream=uuid(row["stream"]),
            epoch=row["epoch"],
            run=row["run"],
            sequence=row["sequence"],
        ),
        start_us=row["start_us"],
        end_us=row["end_us"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        deleted_us=row["deleted_us"],
        policy=row["policy"],
        reason=row["reason"],
    )


def gap_of(row: Any, *, uuid: ReadUuid) -> Gap:
    """A row of `gaps`."""
    return Gap(
        stream=uuid(row["stream"]),
        start_us=row["start_us"],
        end_us=row["end_us"],
        reason=GapReason(row["reason"]),
        detail=row["detail"],
    )


def event_of(row: Any, *, uuid: ReadUuid) -> Event:
    """A row of `events`."""
    return Event(
        run=row["run"],
        stream=None if row["stream"] is None else uuid(row["stream"]),
        at_us=row["at_us"],
        kind=row["kind"],
        fields=json.loads(row["fields"]),
    )
