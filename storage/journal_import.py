"""Importing a run's journal: what each record changes in the run's book, in a gap ledger or in the events.

The rules are here; where the book is kept is the catalog's business, which gives a `RunBook` inside a transaction.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from media.errors import GapReason
from media.identity import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storage.gap_ledger import GapLedger
    from storage.journal import JournalRecord

UNREADABLE = "unreadable_record"


class RunBook(Protocol):
    """What the catalog knows of one run and of its streams. What is told to it is seen by what is asked later."""

    def meet(self, *, host: str, boot_id: str, started_us: int | None, order_us: int | None) -> None:
        """There is this run. What is known is filled in, never taken back: '' and None say nothing."""
        ...

    def end(self, at_us: int) -> None:
        """The run stopped cleanly."""
        ...

    def adopt(self, stream: UUID, camera: UUID, epoch: int) -> None:
        """There is this stream; one that is known stays as it is."""
        ...

    def is_known(self, stream: UUID) -> bool:
        """Whether there is."""
        ...

    def expected_since_us(self, stream: UUID) -> int | None:
        """Since when a known stream is declared; None if it was never enabled."""
        ...

    def was_left_open(self, stream: UUID) -> bool:
        """Whether another run had the stream last, and did not stop cleanly."""
        ...

    def join(self, stream: UUID, started_us: int) -> None:
        """The run has a known stream since then; the first time counts."""
        ...

    def streams(self) -> Iterable[UUID]:
        """Those that it has."""
        ...

    def is_taken_over(self, stream: UUID) -> bool:
        """Whether a later run has a stream of this one."""
        ...

    def note(self, *, stream: UUID | None, at_us: int, kind: str, fields: str) -> None:
        """An event: of a known stream, or of all of the run's; `fields` is JSON."""
        ...

    def ledger(self, stream: UUID) -> GapLedger:
        """The gaps of a known stream from the first of the records on; the same object each time."""
        ...


def first_us(records: Iterable[JournalRecord]) -> int:
    """From where on the ledgers of some records must be loaded."""
    times = (record.fields.get("at_us") for record in records)
    return min((at_us for at_us in times if isinstance(at_us, int) and abs(at_us) < LIMIT), default=0)


def take(book: RunBook, records: Sequence[JournalRecord]) -> None:
    """Apply records in order. A kind that only a later version knows, or a record it fills otherwise, is an event."""
    book.meet(host="", boot_id="", started_us=None, order_us=None)
    for record in records:
        try:
            _take(book, record)
        except (KeyError, TypeError, ValueError):
            _note(book, UNREADABLE, record.fields)


def _take(book: RunBook, record: JournalRecord) -> None:
    fields = record.fields
    match record.kind:
        case "run_start":
            at_us = _instant(fields["at_us"])
            order_us = _instant(fields.get("order_us", at_us))  # an earlier version wrote none
            book.meet(host=fields["host"], boot_id=fields["boot_id"], started_us=at_us, order_us=order_us)
        case "stream_start":
            _start(book, fields)
        case "gap_open":
            _ledger(book, fields).open(_instant(fields["at_us"]), *_reason(fields))
        case "gap_close":
            _ledger(book, fields).close(_instant(fields["at_us"]))
        case "run_end":
            _end(book, _instant(fields["at_us"]))
        case _:
            _note(book, record.kind, fields)


def _start(book: RunBook, fields: dict[str, Any]) -> None:
    stream, camera = UUID(str(fields["stream"])), UUID(str(fields["camera"]))
    at_us, told = _instant(fields["at_us"]), str(fields.get("reason"))
    book.adopt(stream, camera, _instant(fields["epoch"]))
    reason = GapReason.CRASH if book.was_left_open(stream) else GapReason.SHUTDOWN
    is_told = told in set(GapReason)
    if is_told:
        reason = GapReason(told)
    book.ledger(stream).start(at_us, since_us=book.expected_since_us(stream), reason=reason, told=is_told)
    book.join(stream, at_us)


def _end(book: RunBook, at_us: int) -> None:
    """A clean end. The recorder has closed its streams before; one it did not reach is closed here."""
    book.end(at_us)
    for stream in book.streams():
        ledger = book.ledger(stream)
        if not book.is_taken_over(stream) and ledger.open_gap is None:
            ledger.open(at_us, GapReason.SHUTDOWN)


def _ledger(book: RunBook, fields: dict[str, Any]) -> GapLedger:
    """The ledger of a record's stream. ValueError if no start of it was ever imported: no such stream is known."""
    stream = stream_of(fields)
    if stream is None or not book.is_known(stream):
        raise ValueError(fields["stream"])
    return book.ledger(stream)


def _note(book: RunBook, kind: str, fields: dict[str, Any]) -> None:
    stream, at_us = stream_of(fields), fields.get("at_us")
    rest = {key: value for key, value in fields.items() if key not in {"kind", "stream", "at_us"}}
    book.note(
        stream=stream if stream is not None and book.is_known(stream) else None,
        at_us=at_us if isinstance(at_us, int) and abs(at_us) < LIMIT else 0,
        kind=kind,
        fields=json.dumps(rest, sort_keys=True),
    )


def stream_of(fields: dict[str, Any]) -> UUID | None:
    """The stream that a record names, if it names one."""
    try:
        return UUID(str(fields.get("stream")))
    except ValueError:
        return None


def _instant(value: Any) -> int:
    """An integer. OverflowError, which ends the import, for one that no catalog can hold."""
    number = int(value)
    if abs(number) >= LIMIT:
        raise OverflowError(f"{number} is too large for a catalog")
    return number


def _reason(fields: dict[str, Any]) -> tuple[GapReason, str]:
    """Reason and detail of a gap. One that a later version added to the list is kept in the detail."""
    reason, detail = str(fields["reason"]), str(fields["detail"])
    if reason in set(GapReason):
        return GapReason(reason), detail
    return GapReason.PROTOCOL, f"{reason}: {detail}"
