"""What the catalog journal tells of a row: which fields, in which spelling, and what makes it the same row. Pure.

One table for every catalog: SQLite's and Postgres' rows differ in their types (blob or uuid, 0 or false, text or
jsonb), and what is told of them must not. A test holds it against the schema, so that no later column is forgotten.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import UUID

from media.errors import CatalogError, GapReason
from media.identity import SegmentIdentity
from media.url import CameraUrl
from storage.camera_row import place_of_url
from storage.model import Camera, Event, Gap, Policy, Site, Tombstone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from storage.secrets import SecretBox

    Kind = Literal["uuid", "run", "bytes", "flag", "json", "text", "number"]
    Record = dict[str, Any]

_IDENTITY: dict[str, Kind] = {
    "stream": "uuid",
    "epoch": "number",
    "run": "run",
    "sequence": "number",
    "camera": "uuid",
    "start_us": "number",
    "end_us": "number",
    "size_bytes": "number",
    "sha256": "bytes",
}

FIELDS: dict[str, dict[str, Kind]] = {
    "site": {"id": "uuid", "name": "text", "networks": "json", "uplink_bps": "number"},
    "policy": {"name": "text", "keep_max_us": "number", "keep_min_us": "number", "purpose": "text"},
    "stream": {"id": "uuid", "camera": "uuid", "epoch": "number", "expected_since_us": "number"},
    "camera": {
        "id": "uuid",
        "name": "text",
        "site": "uuid",
        "stream": "uuid",
        "policy": "text",
        "class": "text",
        "origin": "text",
        "enabled": "flag",
        "enabled_since_us": "number",
        "sealed_url": "bytes",
        "bitrate_bps": "number",
        "transport": "text",
        "tls_ca": "text",
        "tls_pin": "text",
        "source": "text",
        "audio": "flag",
    },
    "gap": {"stream": "uuid", "start_us": "number", "end_us": "number", "reason": "text", "detail": "text"},
    "tombstone": {**_IDENTITY, "deleted_us": "number", "policy": "text", "reason": "text"},
    "missing": {"id": "uuid", **_IDENTITY},
    "run": {
        "run": "run",
        "host": "text",
        "boot_id": "text",
        "started_us": "number",
        "ended_us": "number",
        "order_us": "number",
        "journal_offset": "number",
    },
    "run_stream": {"run": "run", "stream": "uuid", "started_us": "number"},
    "event": {
        "number": "number",
        "run": "run",
        "stream": "uuid",
        "at_us": "number",
        "kind": "text",
        "fields": "json",
    },
}
"""Of each noun the columns that are told; in the order in which they are written."""

KEYS: dict[str, tuple[str, ...]] = {
    "gap": ("stream", "start_us"),
    "tombstone": ("stream", "epoch", "run", "sequence"),
    "policy": ("name",),
    "run": ("run",),
    "run_stream": ("run", "stream"),
    "event": ("number",),
}
"""What makes two records speak of one row, where that is not its `id`."""

URGENT = frozenset({"site", "policy", "camera", "hold"})
"""What a person decided is told at once; what happened waits for a minute of others."""


class Mark(NamedTuple):
    """A change that waits to be told: the noun and the key of the row, not what is in it. That is read when it is told.

    `id` is its own or its stream's, `name` a policy's, `start_us` a gap's, `run` a run's, `event` the number of one.
    """

    number: int
    noun: str
    id: UUID | None = None
    name: str | None = None
    start_us: int | None = None
    run: int | None = None
    event: int | None = None

    @property
    def row(self) -> tuple[object, ...]:
        """The same for marks of one row."""
        return self[1:]


def record_of(mark: Mark, row: Mapping[str, Any] | None) -> Record | None:
    """What to tell of a row as it is now; that it was removed, if there is none. None: there is nothing to tell."""
    if row is not None:
        return {"noun": mark.noun, **{name: _told(kind, row[name]) for name, kind in FIELDS[mark.noun].items()}}
    match mark.noun:
        case "tombstone" | "event":
            return None  # they are never taken back
        case "gap":
            key: Record = {"stream": str(mark.id), "start_us": mark.start_us}
        case "policy":
            key = {"name": mark.name}
        case "run":
            key = {"run": _told("run", mark.run)}
        case "run_stream":
            key = {"run": _told("run", mark.run), "stream": str(mark.id)}
        case _:
            key = {"id": str(mark.id)}
    return {"noun": mark.noun, **key, "removed": True}


def key_of(record: Record) -> tuple[object, ...]:
    """What makes records speak of one row. KeyError, TypeError: it is no record."""
    return tuple(record[name] for name in KEYS.get(record["noun"], ("id",)))


def values_of(record: Record) -> dict[str, Any]:
    """The columns of a record as Python has them: ids, hashes, truth; lists and objects as they are.

    CatalogError if a field is missing or is not what it should be. A field that only a later version knows is left.
    """
    try:
        return {name: _read(kind, record[name]) for name, kind in FIELDS[record["noun"]].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogError(f"not a record of the catalog journal: {type(error).__name__}: {error}") from None


def site_of(record: Record) -> Site:
    """A record of a site as a value."""
    values = values_of(record)
    return Site(**{**values, "networks": tuple(values["networks"])})


def policy_of(record: Record) -> Policy:
    """A record of a policy as a value."""
    return Policy(**values_of(record))


def camera_of(record: Record, *, site: Record, stream: Record, box: SecretBox) -> Camera:
    """A record of a camera as a value, with those of its site and stream. StorageError if its URL does not open."""
    values = values_of(record)
    sealed, klass = values.pop("sealed_url"), values.pop("class")
    facts = values_of(stream)
    return Camera(
        **{**values, "site": site["name"], "klass": klass},
        epoch=facts["epoch"],
        expected_since_us=facts["expected_since_us"],
        url=CameraUrl.parse(box.open(sealed, place_of_url(values["id"]))),
    )


def gap_of(record: Record) -> Gap:
    """A record of a gap as a value."""
    values = values_of(record)
    return Gap(**{**values, "reason": GapReason(values["reason"])})


def tombstone_of(record: Record) -> Tombstone:
    """A record of a tombstone as a value."""
    values = values_of(record)
    names = ("camera", "stream", "epoch", "run", "sequence")
    return Tombstone(identity=SegmentIdentity(**{name: values.pop(name) for name in names}), **values)


def event_of(record: Record) -> Event:
    """A record of an event as a value."""
    values = values_of(record)
    del values["number"]
    return Event(**values)


def _uuid_text(value: bytes | UUID) -> str:
    return str(value if isinstance(value, UUID) else UUID(bytes=value))


_TELL: dict[Kind, Callable[[Any], Any]] = {
    "uuid": _uuid_text,
    "run": lambda value: f"{value:016x}",
    "bytes": lambda value: value.hex(),
    "flag": bool,
    "json": lambda value: json.loads(value) if isinstance(value, str) else value,
}
_READ: dict[Kind, Callable[[Any], Any]] = {
    "uuid": UUID,
    "run": lambda text: int(text, 16),
    "bytes": bytes.fromhex,
    "json": lambda value: value,
}
_TYPES: dict[Kind, type] = {"flag": bool, "text": str, "number": int}


def _told(kind: Kind, value: Any) -> Any:
    """A column as it stands in a record."""
    return None if value is None else _TELL.get(kind, _as_it_is)(value)


def _read(kind: Kind, value: Any) -> Any:
    """And back."""
    if value is None:
        return None
    if kind in _READ:
        return _READ[kind](value)
    if type(value) is not _TYPES[kind]:
        raise TypeError(f"{type(value).__name__} where {_TYPES[kind].__name__} should be")
    return value


def _as_it_is(value: Any) -> Any:
    return value
