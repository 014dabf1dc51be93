"""The gap ledgers of a transaction: loaded for many streams at once, written back as a difference.

Streams are locked first, in one order for everybody, so that what was loaded is still true when it is written.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from storage.coverage import Interval
from storage.gap_ledger import GapLedger
from storage.model import MAX_SEGMENT_US
from storage.postgres_rows import gap_of, text
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from storage.model import Gap

_SQL = statements("postgres/gaps")


class Ledgers:
    """The ledgers of some streams, by stream, and what they were when they were loaded."""

    def __init__(self, ledgers: Mapping[UUID, GapLedger]) -> None:
        self.by_stream = ledgers
        self._before = {stream: set(ledger.gaps) for stream, ledger in ledgers.items()}

    async def write(self, connection: Any) -> None:
        """Make the rows agree with the ledgers."""
        old: list[Gap] = []
        new: list[Gap] = []
        for stream, ledger in self.by_stream.items():
            before, after = self._before[stream], set(ledger.gaps)
            old += sorted(before - after, key=lambda gap: gap.start_us)
            new += sorted(after - before, key=lambda gap: gap.start_us)
        if old:
            await connection.execute(_SQL["delete_gaps"], [gap.stream for gap in old], [gap.start_us for gap in old])
        if new:
            columns = [(gap.stream, gap.start_us, gap.end_us, gap.reason.value, text(gap.detail)) for gap in new]
            await connection.execute(_SQL["insert_gaps"], *map(list, zip(*columns, strict=True)))


async def lock_streams(connection: Any, streams: Iterable[UUID]) -> None:
    """Until the transaction ends nobody else changes the gaps of these streams. Two with one key share a lock."""
    keys = {int.from_bytes(stream.bytes[:8], "big", signed=True) for stream in streams}
    await connection.execute(_SQL["lock_streams"], sorted(keys))


async def load_ledgers(connection: Any, windows: Mapping[UUID, int]) -> Ledgers:
    """Each stream's gaps and footage from some instant on, and the last of each before it."""
    streams, from_us = list(windows), list(windows.values())
    gaps: dict[UUID, list[Gap]] = defaultdict(list)
    for row in await connection.fetch(_SQL["window_gaps"], streams, from_us):
        gaps[row["stream"]].append(gap_of(row))
    footage = await _footage(connection, windows)
    for row in await connection.fetch(_SQL["window_tombstones"], streams, from_us):
        footage[row["stream"]].append(Interval(row["start_us"], row["end_us"]))
    return Ledgers({stream: GapLedger(stream, gaps[stream], footage[stream]) for stream in windows})


async def _footage(connection: Any, windows: Mapping[UUID, int]) -> dict[UUID, list[Interval]]:
    """Segments of the windows, from 600 s before the last one that begins at or before each.

    That one is looked for within 600 s first, which is where it is while a camera records: in two days' partitions.
    Only for streams that have none there all days are looked at.
    """
    found = await _since(connection, {stream: from_us - 2 * MAX_SEGMENT_US for stream, from_us in windows.items()})
    last: dict[UUID, int] = {}
    for stream, from_us in windows.items():
        starts = (interval.start_us for interval in found[stream] if interval.start_us <= from_us)
        last[stream] = max(starts, default=from_us - MAX_SEGMENT_US - 1)
    lacking = {stream: from_us for stream, from_us in windows.items() if last[stream] < from_us - MAX_SEGMENT_US}
    if lacking:
        edges = [list(lacking), list(lacking.values()), max(lacking.values())]
        earlier = {row["stream"]: row["start_us"] for row in await connection.fetch(_SQL["last_before"], *edges)}
        for stream, from_us in lacking.items():
            last[stream] = earlier.get(stream, from_us)
        if earlier:
            found |= await _since(connection, {stream: at_us - MAX_SEGMENT_US for stream, at_us in earlier.items()})
    return defaultdict(
        list,
        {
            stream: [interval for interval in found[stream] if interval.start_us > last[stream] - MAX_SEGMENT_US]
            for stream in windows
        },
    )


async def _since(connection: Any, after_us: Mapping[UUID, int]) -> dict[UUID, list[Interval]]:
    """Segments that begin after some instants."""
    found: dict[UUID, list[Interval]] = defaultdict(list)
    edges = [list(after_us), list(after_us.values()), min(after_us.values())]
    for row in await connection.fetch(_SQL["window_segments"], *edges):
        found[row["stream"]].append(Interval(row["start_us"], row["end_us"]))
    return found


async def declare_until(connection: Any, until_us: Mapping[UUID, int]) -> None:
    """Every hole of these streams before these instants has been declared."""
    if until_us:
        await connection.execute(_SQL["declared_until"], list(until_us), list(until_us.values()))


async def declared_until(connection: Any, streams: Iterable[UUID]) -> dict[UUID, int | None]:
    """Up to where every hole was declared; since when the stream is expected, before that; None if never."""
    rows = await connection.fetch(_SQL["streams"], list(streams))
    return {
        row["id"]: row["expected_since_us"] if row["declared_until_us"] is None else row["declared_until_us"]
        for row in rows
    }
