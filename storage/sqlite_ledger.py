"""The gap ledgers of a transaction: loaded from the rows, changed by the rules, written back as a difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.coverage import Interval
from storage.declaration import CLOCK_STEP_SLACK_US
from storage.gap_ledger import GapLedger
from storage.sqlite_rows import gap_columns, gap_of
from storage.statements import statements

if TYPE_CHECKING:
    from sqlite3 import Connection
    from uuid import UUID

    from storage.model import Gap

_SQL = statements("gaps")


def load_ledger(connection: Connection, stream: UUID, from_us: int) -> GapLedger:
    """A stream's gaps and footage from some instant on, and the last of each before it."""
    window = {"stream": stream.bytes, "from_us": from_us}
    gaps = [gap_of(row) for row in connection.execute(_SQL["window_gaps"], window)]
    footage = [Interval(*row) for row in connection.execute(_SQL["window_footage"], window)]
    return GapLedger(stream, gaps, footage)


def write_gaps(connection: Connection, before: list[Gap], after: list[Gap]) -> None:
    """Make the rows of one stream's window agree with the ledger."""
    for gap in set(before) - set(after):
        connection.execute(_SQL["delete_gap"], {"stream": gap.stream.bytes, "start_us": gap.start_us})
    for gap in sorted(set(after) - set(before), key=lambda gap: gap.start_us):
        connection.execute(_SQL["insert_gap"], gap_columns(gap))


def declare_until(connection: Connection, stream: UUID, until_us: int) -> None:
    """Every hole of the stream before `until_us` has been declared."""
    connection.execute(_SQL["declared_until"], {"id": stream.bytes, "until_us": until_us})


def declared_until(connection: Connection, stream: UUID) -> int | None:
    """Up to where every hole was declared; since when the stream is expected, before that; None if never."""
    row = connection.execute(_SQL["stream"], {"id": stream.bytes}).fetchone()
    if row is None:
        return None
    until_us: int | None = row["declared_until_us"]
    return row["expected_since_us"] if until_us is None else until_us


def adopt_stream(connection: Connection, stream: UUID, camera: UUID, epoch: int) -> None:
    """Make sure there is a row for the stream."""
    connection.execute(_SQL["adopt_stream"], {"id": stream.bytes, "camera": camera.bytes, "epoch": epoch})


def clock_stepped(connection: Connection, run: int, hole: Interval) -> bool:
    """Whether the clock of a run stepped around a hole."""
    bounds = {
        "run": run,
        "from_us": hole.start_us - CLOCK_STEP_SLACK_US,
        "to_us": hole.end_us + CLOCK_STEP_SLACK_US,
    }
    return connection.execute(_SQL["clock_stepped"], bounds).fetchone() is not None
