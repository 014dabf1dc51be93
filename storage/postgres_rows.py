"""Rows of the PostgreSQL catalog to values, and back: `storage.rows` with UUIDs as the client gives them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from storage import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from storage.model import Segment


def _as_it_is(value: Any) -> UUID:
    found: UUID = value
    return found


segment_of = partial(rows.segment_of, uuid=_as_it_is)
stretch_of = partial(rows.stretch_of, uuid=_as_it_is)
expiring_of = partial(rows.expiring_of, uuid=_as_it_is)
tombstone_of = partial(rows.tombstone_of, uuid=_as_it_is)
gap_of = partial(rows.gap_of, uuid=_as_it_is)
event_of = partial(rows.event_of, uuid=_as_it_is)

Places = tuple[list["UUID"], list[int], int, int]


def places_of(found: Sequence[Any]) -> Places | None:
    """The values $1 to $4 of a statement about segments by id; None if none of them is known."""
    if not found:
        return None
    ids, starts_us = [row["id"] for row in found], [row["start_us"] for row in found]
    return ids, starts_us, min(starts_us), max(starts_us)


def segment_records(segments: Iterable[Segment]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of columns, and rows, for COPY."""
    columns = [rows.segment_columns(segment) for segment in segments]
    return list(columns[0]), [tuple(each.values()) for each in columns]


def text(value: str) -> str:
    """As PostgreSQL can hold it: what devices say may have NULs and halves of characters in it."""
    return value.replace("\0", "�").encode("utf-8", "replace").decode()
