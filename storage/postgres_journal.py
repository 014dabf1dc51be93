"""A run's book in the PostgreSQL catalog (rules: `storage.journal_import`): loaded first, written at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage import journal_import
from storage.postgres_ledger import Ledgers, load_ledgers, lock_streams
from storage.postgres_rows import text
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from storage.gap_ledger import GapLedger
    from storage.journal import JournalRecord

_SQL = statements("postgres/gaps")
_OF_LEDGERS = frozenset({"stream_start", "gap_open", "gap_close"})


class PostgresRunBook:
    """The `RunBook` of a run inside a transaction that holds the locks of its row and of the streams in question."""

    def __init__(self, run: Any) -> None:
        self._run = dict(run)
        self._expected: dict[UUID, int | None] = {}
        self._begun: dict[UUID, int] = {}
        self._last: dict[UUID, Any] = {}
        self._ledgers = Ledgers({})
        self._adopted: dict[UUID, tuple[UUID, int]] = {}
        self._joined: dict[UUID, int] = {}
        self._events: list[tuple[UUID | None, int, str, str]] = []

    @classmethod
    async def load(cls, connection: Any, run: Any, records: Sequence[JournalRecord]) -> PostgresRunBook:
        """What records may ask for. `run` is the locked row."""
        book = cls(run)
        begun = await connection.fetch(_SQL["streams_of_run"], run["run"])
        book._begun = {row["stream"]: row["started_us"] for row in begun}
        named = _named(records)
        ends = any(record.kind == "run_end" for record in records)
        changed = _named(record for record in records if record.kind in _OF_LEDGERS) | (
            set(book._begun) if ends else set()
        )
        await lock_streams(connection, changed)
        known = await connection.fetch(_SQL["streams"], list(named | changed))
        book._expected = {row["id"]: row["expected_since_us"] for row in known}
        last = await connection.fetch(_SQL["last_runs"], run["run"], list(changed))
        book._last = {row["stream"]: row for row in last}
        if changed:
            book._ledgers = await load_ledgers(connection, dict.fromkeys(changed, journal_import.first_us(records)))
        return book

    def meet(self, *, host: str, boot_id: str, started_us: int | None, order_us: int | None) -> None:
        """See `RunBook.meet`."""
        told = {"host": host, "boot_id": boot_id, "started_us": started_us, "order_us": order_us}
        self._run |= {name: value for name, value in told.items() if value not in {"", None}}

    def end(self, at_us: int) -> None:
        """See `RunBook.end`."""
        self._run["ended_us"] = at_us

    def adopt(self, stream: UUID, camera: UUID, epoch: int) -> None:
        """See `RunBook.adopt`."""
        if stream not in self._expected:
            self._adopted[stream] = (camera, epoch)
            self._expected[stream] = None

    def is_known(self, stream: UUID) -> bool:
        """See `RunBook.is_known`."""
        return stream in self._expected

    def expected_since_us(self, stream: UUID) -> int | None:
        """See `RunBook.expected_since_us`."""
        return self._expected.get(stream)

    def was_left_open(self, stream: UUID) -> bool:
        """See `RunBook.was_left_open`."""
        return stream in self._last and self._last[stream]["ended_us"] is None

    def join(self, stream: UUID, started_us: int) -> None:
        """See `RunBook.join`."""
        if stream not in self._begun:
            self._begun[stream] = self._joined[stream] = started_us

    def streams(self) -> Iterable[UUID]:
        """See `RunBook.streams`."""
        return sorted(self._begun)

    def is_taken_over(self, stream: UUID) -> bool:
        """See `RunBook.is_taken_over`."""
        order_us = self._run["order_us"]
        mine_us = self._begun[stream] if order_us is None else order_us
        return stream in self._last and self._last[stream]["order_us"] >= mine_us

    def note(self, *, stream: UUID | None, at_us: int, kind: str, fields: str) -> None:
        """See `RunBook.note`."""
        self._events.append((stream, at_us, text(kind), fields))

    def ledger(self, stream: UUID) -> GapLedger:
        """See `RunBook.ledger`."""
        return self._ledgers.by_stream[stream]

    async def close(self, connection: Any, offset: int) -> None:
        """Write what was told, and how far the journal was imported."""
        run, number = self._run, self._run["run"]
        facts = text(run["host"]), text(run["boot_id"]), run["started_us"], run["order_us"], run["ended_us"]
        await connection.execute(_SQL["write_run"], number, *facts, offset)
        if self._adopted:
            cameras, epochs = zip(*self._adopted.values(), strict=True)
            await connection.execute(_SQL["adopt_streams"], list(self._adopted), list(cameras), list(epochs))
        if self._joined:
            await connection.execute(_SQL["join_run"], number, list(self._joined), list(self._joined.values()))
        if self._events:
            columns = map(list, zip(*self._events, strict=True))
            await connection.execute(_SQL["insert_events"], number, *columns)
        await self._ledgers.write(connection)


def _named(records: Iterable[JournalRecord]) -> set[UUID]:
    streams = (journal_import.stream_of(record.fields) for record in records)
    return {stream for stream in streams if stream is not None}
