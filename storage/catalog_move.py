"""Moving a grown host's embedded catalog into PostgreSQL, while nobody uses either.

Table by table and in the order of the keys, a batch a transaction: written, read back, and committed only if the hash
over what came back is that of what was read. How far it came is in the target, so a move that was killed goes on there.
At the end the counts of all tables are compared, and the catalog journal goes on in its chain. Until then the target
says that it is not whole, and no role opens it.

The source is known by the id of its catalog journal. A target that holds anything else is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.errors import CatalogError, Conflict
from storage.postgres_rows import text
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from sqlite3 import Connection

    from storage.postgres_database import PostgresDatabase
    from storage.postgres_days import Days
    from storage.sqlite_database import Database

    Row = tuple[Any, ...]
    Key = Sequence[Any]

_FROM = statements("move")
_INTO = statements("postgres/move")

BATCH = 500
_NO_ID = UUID(int=0)
_NEVER_US = -(1 << 63)
_UUIDS = frozenset({"id", "stream", "camera", "site", "catalog"})
_FLAGS = frozenset({"enabled", "audio", "was_missing"})
_TEXTS = frozenset({"detail", "host", "boot_id", "kind", "purpose", "mark_reason", "reason"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A table: its columns in the order of both statements, the key among them, and what is before every key."""

    noun: str
    key: tuple[str, ...]
    before: tuple[Any, ...]


TABLES = (
    Moved(noun="policies", key=("name",), before=("",)),
    Moved(noun="sites", key=("id",), before=(_NO_ID,)),
    Moved(noun="streams", key=("id",), before=(_NO_ID,)),
    Moved(noun="cameras", key=("id",), before=(_NO_ID,)),
    Moved(noun="runs", key=("run",), before=(-1,)),
    Moved(noun="run_streams", key=("run", "stream"), before=(-1, _NO_ID)),
    Moved(noun="gaps", key=("stream", "start_us"), before=(_NO_ID, _NEVER_US)),
    Moved(noun="events", key=("number",), before=(_NEVER_US,)),
    Moved(noun="tombstones", key=("stream", "start_us", "id"), before=(_NO_ID, _NEVER_US, _NO_ID)),
    Moved(noun="segments", key=("stream", "start_us", "id"), before=(_NO_ID, _NEVER_US, _NO_ID)),
    Moved(noun="journal_objects", key=("sequence",), before=(0,)),
)


@dataclass(slots=True)
class CatalogMove:
    """One move. `told` hears of each batch: the table, and how many of its rows are there by now."""

    source: Database
    target: PostgresDatabase
    days: Days
    told: Callable[[str, int], None]
    moved_rows: dict[str, int] = field(default_factory=dict)

    async def run(self) -> dict[str, int]:
        """Move all that is not there yet; the rows of each table. Conflict for a target that has others' rows."""
        origin = str((await self._read("origin", {}))[0]["catalog"])
        if await self.target.write(lambda connection: _begin(connection, origin)):
            return await self._there()  # moved before, and in use since
        progress = {row["noun"]: row for row in await self.target.fetch(_INTO["progress"])}
        for table in TABLES:
            row = progress.get(table.noun)
            self.moved_rows[table.noun] = 0 if row is None else row["rows"]
            await self._move(table, table.before if row is None else _decoded(table, row["last_key"]))
        counts = await self._counts()
        await self._finish()
        return counts

    async def _move(self, table: Moved, last: Key) -> None:
        while rows := await self._read(table.noun, {**_named(last), "limit": BATCH}):
            if table.noun == "segments":
                await self.days.make(row["start_us"] for row in rows)
            after, last = last, [rows[-1][name] for name in table.key]
            await self.target.write(
                lambda connection, after=after, rows=rows, last=last: _put(  # type: ignore[misc]
                    connection, table, rows, after, last
                )
            )
            self.moved_rows[table.noun] += len(rows)
            self.told(table.noun, self.moved_rows[table.noun])

    async def _read(self, statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of the source, as PostgreSQL has them."""
        asked = {name: value.bytes if isinstance(value, UUID) else value for name, value in values.items()}

        def read(connection: Connection) -> list[dict[str, Any]]:
            return [_translated(dict(row)) for row in connection.execute(_FROM[statement], asked)]

        return await self.source.read(read)

    async def _counts(self) -> dict[str, int]:
        """The rows of each table, the same on both sides. CatalogError if they are not."""
        (here,) = await self._read("counts", {})
        there = await self._there()
        for noun, count in here.items():
            if there[noun] != count:
                raise CatalogError(f"{noun}: {count} rows were read and {there[noun]} are in {self.target.address}")
        return there

    async def _there(self) -> dict[str, int]:
        return dict((await self.target.fetch(_INTO["counts"]))[0])

    async def _finish(self) -> None:
        (head,) = await self._read("head", {})
        marks = [tuple(mark.values()) for mark in await self._read("outbox", {})]

        async def work(connection: Any) -> None:
            for statement in ("forget_marks", "number_on", "finish"):
                await connection.execute(_INTO[statement])
            await connection.execute(_INTO["take_head"], *head.values())
            columns = ["noun", "id", "name", "start_us", "run", "event"]
            await connection.copy_records_to_table("outbox", schema_name="hulta", columns=columns, records=marks)

        await self.target.write(work)


async def _begin(connection: Any, origin: str) -> bool:
    """Make the target this source's; whether all of it is there already."""
    state = await connection.fetchrow(_INTO["state"])
    if state["taken_from"] == origin:
        return bool(state["is_whole"])
    if state["taken_from"] is not None or await connection.fetchval(_INTO["is_used"]):
        raise Conflict(
            "the target holds another catalog already, and two are not mixed",
            hint="give this one an empty database of its own",
        )
    await connection.execute(_INTO["forget_policies"])
    await connection.execute(_INTO["begin"], origin)
    return False


async def _put(connection: Any, table: Moved, rows: list[dict[str, Any]], after: Key, last: Key) -> None:
    """Write a batch, read it back, note it. CatalogError if anything else came back."""
    if table.noun in {"segments", "tombstones"}:
        await _copy(connection, "segment_ids", ["id", "start_us"], rows)
    if table.noun == "segments":
        tables = [{"segment": row["id"], "start_us": row["start_us"], "samples": row["sample_table"]} for row in rows]
        there = [each for each in tables if each["samples"] is not None]
        await _copy(connection, "segment_samples", ["segment", "start_us", "samples"], there)
    await _copy(connection, table.noun, [name for name in rows[0] if name != "sample_table"], rows)
    found = [dict(row) for row in await connection.fetch(_INTO[table.noun], *after, len(rows))]
    if _digest(found) != _digest(rows):
        raise CatalogError(f"{table.noun}: what was written after {after} is not what came back")
    await connection.execute(_INTO["advance"], table.noun, json.dumps(last, default=str), len(rows))


async def _copy(connection: Any, table: str, columns: list[str], rows: Sequence[Mapping[str, Any]]) -> None:
    records = [tuple(row[name] for name in columns) for row in rows]
    await connection.copy_records_to_table(table, schema_name="hulta", columns=columns, records=records)


def _digest(rows: Sequence[Mapping[str, Any]]) -> bytes:
    digest = sha256()
    for row in rows:
        digest.update(repr([str(value) if isinstance(value, UUID) else value for value in row.values()]).encode())
    return digest.digest()


def _translated(row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        if value is None:
            continue
        if name in _UUIDS:
            row[name] = UUID(bytes=value)
        elif name in _FLAGS:
            row[name] = bool(value)
        elif name in _TEXTS:
            row[name] = text(value)
    return row


def _named(key: Key) -> dict[str, Any]:
    return {f"k{place}": value for place, value in enumerate(key)}


def _decoded(table: Moved, last_key: str) -> Key:
    return [
        UUID(value) if isinstance(before, UUID) else value
        for before, value in zip(table.before, json.loads(last_key), strict=True)
    ]
