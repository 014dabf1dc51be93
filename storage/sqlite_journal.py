"""Importing a run's journal: each record changes a gap ledger, a run or the events, all in one transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.errors import GapReason
from storage.sqlite_ledger import adopt_stream, load_ledger, write_gaps
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from storage.gap_ledger import GapLedger
    from storage.journal import JournalRecord
    from storage.model import Gap

_SQL = statements("gaps")
UNREADABLE = "unreadable_record"


class JournalImport:
    """Some records of one run's journal, inside a transaction. `finish` writes what they changed."""

    def __init__(self, connection: Connection, run: int, records: Sequence[JournalRecord]) -> None:
        self._connection = connection
        self._run = run
        self._from_us = min((at for record in records if isinstance(at := record.fields.get("at_us"), int)), default=0)
        self._ledgers: dict[UUID, tuple[GapLedger, list[Gap]]] = {}
        self._meet()

    def take(self, record: JournalRecord) -> None:
        """Apply one record. A kind that only a later version knows, or a record it fills otherwise, is an event."""
        fields = record.fields
        try:
            match record.kind:
                case "run_start":
                    at_us = int(fields["at_us"])
                    order_us = int(fields.get("order_us", at_us))  # an earlier version wrote none
                    self._meet(host=fields["host"], boot_id=fields["boot_id"], started_us=at_us, order_us=order_us)
                case "stream_start":
                    self._start(
                        UUID(fields["stream"]), UUID(fields["camera"]), int(fields["epoch"]), int(fields["at_us"])
                    )
                case "gap_open":
                    self._started(fields).open(int(fields["at_us"]), *_reason(fields))
                case "gap_close":
                    self._started(fields).close(int(fields["at_us"]))
                case "run_end":
                    self._end(int(fields["at_us"]))
                case _:
                    self._event(record.kind, fields)
        except (KeyError, TypeError, ValueError):
            self._event(UNREADABLE, fields)

    def finish(self, offset: int) -> None:
        """Write the ledgers, and note how far the journal was imported."""
        for ledger, before in self._ledgers.values():
            write_gaps(self._connection, before, ledger.gaps)
        self._connection.execute(_SQL["move_journal_offset"], {"run": self._run, "offset": offset})

    def _meet(
        self, *, host: str = "", boot_id: str = "", started_us: int | None = None, order_us: int | None = None
    ) -> None:
        who = {"run": self._run, "host": host, "boot_id": boot_id}
        self._connection.execute(_SQL["meet_run"], {**who, "started_us": started_us, "order_us": order_us})

    def _start(self, stream: UUID, camera: UUID, epoch: int, at_us: int) -> None:
        adopt_stream(self._connection, stream, camera, epoch)
        place = {"run": self._run, "stream": stream.bytes}
        last_run = self._connection.execute(_SQL["last_run"], place).fetchone()
        crashed = last_run is not None and last_run["ended_us"] is None
        row = self._connection.execute(_SQL["stream"], {"id": stream.bytes}).fetchone()
        self._ledger(stream).start(
            at_us, since_us=row["expected_since_us"], reason=GapReason.CRASH if crashed else GapReason.SHUTDOWN
        )
        self._connection.execute(_SQL["join_run"], {**place, "started_us": at_us})

    def _end(self, at_us: int) -> None:
        """A clean end. The recorder has closed its streams before; one it did not reach is closed here."""
        self._connection.execute(_SQL["end_run"], {"run": self._run, "ended_us": at_us})
        for (stream,) in self._connection.execute(_SQL["streams_of_run"], {"run": self._run}).fetchall():
            place = {"run": self._run, "stream": stream}
            taken_over_us = self._connection.execute(_SQL["stream_of_run"], place).fetchone()["taken_over_us"]
            ledger = self._ledger(UUID(bytes=stream))
            if taken_over_us is None and ledger.open_gap is None:
                ledger.open(at_us, GapReason.SHUTDOWN)

    def _started(self, fields: dict[str, Any]) -> GapLedger:
        """The ledger of a record's stream. ValueError if no start of it was ever imported: no such stream is known."""
        stream = self._known_stream(fields["stream"])
        if stream is None:
            raise ValueError(fields["stream"])
        return self._ledger(UUID(bytes=stream))

    def _ledger(self, stream: UUID) -> GapLedger:
        if stream not in self._ledgers:
            ledger = load_ledger(self._connection, stream, self._from_us)
            self._ledgers[stream] = (ledger, list(ledger.gaps))
        return self._ledgers[stream][0]

    def _event(self, kind: str, fields: dict[str, Any]) -> None:
        stream, at_us = fields.get("stream"), fields.get("at_us")
        known = {key: value for key, value in fields.items() if key not in {"kind", "stream", "at_us"}}
        self._connection.execute(
            _SQL["insert_event"],
            {
                "run": self._run,
                "stream": self._known_stream(stream),
                "at_us": at_us if isinstance(at_us, int) else 0,
                "kind": kind,
                "fields": json.dumps(known, sort_keys=True),
            },
        )

    def _known_stream(self, stream: object) -> bytes | None:
        try:
            candidate = UUID(str(stream)).bytes
        except ValueError:
            return None
        row = self._connection.execute(_SQL["stream"], {"id": candidate}).fetchone()
        return None if row is None else candidate


def _reason(fields: dict[str, Any]) -> tuple[GapReason, str]:
    """Reason and detail of a gap. One that a later version added to the list is kept in the detail."""
    reason, detail = str(fields["reason"]), str(fields["detail"])
    if reason in set(GapReason):
        return GapReason(reason), detail
    return GapReason.PROTOCOL, f"{reason}: {detail}"
