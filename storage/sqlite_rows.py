"""Rows of the SQLite catalog to values, and back: `storage.rows` with UUIDs as blobs of 16 bytes."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from storage import rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.model import Gap, Segment


@lru_cache(4096)
def _uuid(raw: bytes) -> UUID:
    """Cameras and streams: few, and in every row."""
    return UUID(bytes=raw)


segment_of = partial(rows.segment_of, uuid=_uuid)
stretch_of = partial(rows.stretch_of, uuid=_uuid)
expiring_of = partial(rows.expiring_of, uuid=_uuid)
tombstone_of = partial(rows.tombstone_of, uuid=_uuid)
gap_of = partial(rows.gap_of, uuid=_uuid)
event_of = partial(rows.event_of, uuid=_uuid)


def blobs(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The same columns with UUIDs as SQLite has them."""
    return {name: value.bytes if isinstance(value, UUID) else value for name, value in columns.items()}


def segment_columns(segment: Segment) -> dict[str, Any]:
    """See `rows.segment_columns`."""
    return blobs(rows.segment_columns(segment))


def gap_columns(gap: Gap) -> dict[str, Any]:
    """A gap's row."""
    return {
        "stream": gap.stream.bytes,
        "start_us": gap.start_us,
        "end_us": gap.end_us,
        "reason": gap.reason.value,
        "detail": gap.detail,
    }
