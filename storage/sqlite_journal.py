"""A run's book in the SQLite catalog (rules: `storage.journal_import`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from storage.sqlite_ledger import adopt_stream, load_ledger, write_gaps
from storage.statements import statements

if TYPE_CHECKING:
    from sqlite3 import Connection, Row

    from storage.gap_ledger import GapLedger
    from storage.model import Gap

_SQL = statements("gaps")


class SqliteRunBook:
    """The `RunBook` of a run inside a transaction, row by row. `close` writes the ledgers."""

    def __init__(self, connection: Connection, run: int, from_us: int) -> None:
        self._connection = connection
        self._run = run
        self._from_us = from_us
        self._ledgers: dict[UUID, tuple[GapLedger, list[Gap]]] = {}

    def meet(self, *, host: str, boot_id: str, started_us: int | None, order_us: int | None) -> None:
        """See `RunBook.meet`."""
        who = {"run": self._run, "host": host, "boot_id": boot_id}
        self._connection.execute(_SQL["meet_run"], {**who, "started_us": started_us, "order_us": order_us})

    def end(self, at_us: int) -> None:
        """See `RunBook.end`."""
        self._connection.execute(_SQL["end_run"], {"run": self._run, "ended_us": at_us})

    def adopt(self, stream: UUID, camera: UUID, epoch: int) -> None:
        """See `RunBook.adopt`."""
        adopt_stream(self._connection, stream, camera, epoch)

    def is_known(self, stream: UUID) -> bool:
        """See `RunBook.is_known`."""
        return self._one("stream", id=stream.bytes) is not None

    def expected_since_us(self, stream: UUID) -> int | None:
        """See `RunBook.expected_since_us`."""
        row = self._one("stream", id=stream.bytes)
        return None if row is None else row["expected_since_us"]

    def was_left_open(self, stream: UUID) -> bool:
        """See `RunBook.was_left_open`."""
        last_run = self._one("last_run", run=self._run, stream=stream.bytes)
        return last_run is not None and last_run["ended_us"] is None

    def join(self, stream: UUID, started_us: int) -> None:
        """See `RunBook.join`."""
        place = {"run": self._run, "stream": stream.bytes}
        self._connection.execute(_SQL["join_run"], {**place, "started_us": started_us})

    def streams(self) -> list[UUID]:
        """See `RunBook.streams`."""
        rows = self._connection.execute(_SQL["streams_of_run"], {"run": self._run})
        return [UUID(bytes=row["stream"]) for row in rows]

    def is_taken_over(self, stream: UUID) -> bool:
        """See `RunBook.is_taken_over`."""
        row = self._one("stream_of_run", run=self._run, stream=stream.bytes)
        return row is not None and row["taken_over_us"] is not None

    def note(self, *, stream: UUID | None, at_us: int, kind: str, fields: str) -> None:
        """See `RunBook.note`."""
        whose = {"run": self._run, "stream": None if stream is None else stream.bytes}
        self._connection.execute(_SQL["insert_event"], {**whose, "at_us": at_us, "kind": kind, "fields": fields})

    def ledger(self, stream: UUID) -> GapLedger:
        """See `RunBook.ledger`."""
        if stream not in self._ledgers:
            ledger = load_ledger(self._connection, stream, self._from_us)
            self._ledgers[stream] = (ledger, list(ledger.gaps))
        return self._ledgers[stream][0]

    def close(self, offset: int) -> None:
        """Write the ledgers, and note how far the journal was imported."""
        for ledger, before in self._ledgers.values():
            write_gaps(self._connection, before, ledger.gaps)
        self._connection.execute(_SQL["move_journal_offset"], {"run": self._run, "offset": offset})

    def _one(self, statement: str, **values: Any) -> Row | None:
        row: Row | None = self._connection.execute(_SQL[statement], values).fetchone()
        return row
