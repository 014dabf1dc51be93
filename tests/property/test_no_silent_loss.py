"""I4 over random lives of a stream: every instant since it was enabled is footage or one gap, and nothing is both.

A life is a sequence of runs. Each records segments, loses the camera for a while, reads its clock a little wrong at the
edges of its gaps, and stops cleanly or is killed, losing what was not sealed. The catalog is told in the shipper's
order, in as many portions as the machine likes, some of them twice.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.errors import GapReason
from storage.clock import FakeClock
from storage.coverage import Interval, holes, union
from storage.model import main_stream
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import POLICY, SECOND, T0, Journal, desired, segment, site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from storage.model import Gap, Segment

REASONS = [GapReason.UNREACHABLE, GapReason.STALLED, GapReason.AUTH]
JITTER = st.sampled_from([0, 0, 0.3, -0.3, 0.7])


@dataclass(frozen=True)
class Outage:
    """The camera is away for `length` seconds; the recorder says so `early` and `late` at its edges."""

    reason: GapReason
    length: float
    early: float
    late: float


@dataclass(frozen=True)
class Footage:
    """A span of segments of these lengths."""

    lengths: list[float]


@dataclass(frozen=True)
class Life:
    """One run: what happens, how it ends, and how often the shipper looks on the way."""

    pause: float
    phases: list[Outage | Footage]
    clean: bool
    lost: float  # recorded after the last seal and gone with the process
    looks: list[int]


@dataclass
class Told:
    """What a life left behind: segments, and which reason every instant that is not footage should have."""

    segments: list[Segment] = field(default_factory=list)
    reasons: list[tuple[float, GapReason]] = field(default_factory=list)


LENGTH = st.sampled_from([2.0, 5.0, 60.0])
LIVES = st.lists(
    st.builds(
        Life,
        pause=st.sampled_from([0.0, 0.5, 4.0, 100.0]),
        phases=st.lists(
            st.one_of(
                st.builds(Outage, reason=st.sampled_from(REASONS), length=LENGTH, early=JITTER, late=JITTER),
                st.builds(Footage, lengths=st.lists(LENGTH, min_size=1, max_size=3)),
            ),
            max_size=5,
        ),
        clean=st.booleans(),
        lost=st.sampled_from([0.0, 0.4, 3.0]),
        looks=st.lists(st.integers(0, 12), max_size=4),
    ),
    min_size=1,
    max_size=4,
)


class Teller:
    """Lives through runs, telling the catalog what the shipper would."""

    def __init__(self, catalog: SqliteCatalog, camera: UUID, first_run: int) -> None:
        self.catalog = catalog
        self.stream = main_stream(camera)
        self.first_run = first_run
        self.now = 0.0
        self.newest: int | None = None  # the order of the run before: no two runs of a spool have the same
        self.told = Told()

    async def live(self, number: int, life: Life, *, last: bool) -> None:
        """One run, to its end and, unless it still lives, its settlement."""
        self._pass(life.pause, GapReason.SHUTDOWN if number == 0 else None)
        journal = Journal(run=self.first_run + number, start=self.now, after_us=self.newest)
        self.newest = int(journal.records[0].fields["order_us"])
        journal.stream_start(self.now, stream=self.stream)
        recorded: list[tuple[int, Segment]] = []  # with the number of records there were when it was sealed
        recording, late = False, 0.0
        for phase in life.phases:
            if isinstance(phase, Outage):
                journal.gap_open(self.now + (phase.early if recording else 0), phase.reason, stream=self.stream)
                self._pass(phase.length, phase.reason)
                recording, late = False, phase.late
            else:
                if not recording:
                    journal.gap_close(self.now + late, stream=self.stream)
                self._record(phase, recorded, journal)
                recording = True
        await self._end(life, journal, recorded, recording=recording, last=last)

    def _record(self, phase: Footage, recorded: list[tuple[int, Segment]], journal: Journal) -> None:
        span = len({row.span for _, row in recorded})
        for length in phase.lengths:
            row = segment(self.now, self.now + length, len(recorded), run=journal.run, stream=self.stream, span=span)
            recorded.append((len(journal.records), row))
            self.told.segments.append(row)
            self.now += length

    async def _end(
        self, life: Life, journal: Journal, recorded: list[tuple[int, Segment]], *, recording: bool, last: bool
    ) -> None:
        if not last and life.clean:
            journal.gap_open(self.now, GapReason.SHUTDOWN, stream=self.stream)
            journal.run_end(self.now + 0.1)
        elif not last and recording:
            self._pass(life.lost, GapReason.CRASH)
        await self._tell(life, journal, recorded)
        if not last:
            await self.catalog.gaps.settle(journal.run)

    async def _tell(self, life: Life, journal: Journal, recorded: list[tuple[int, Segment]]) -> None:
        """In portions; a look sees some of the segments, and at least the records that were written before them."""
        for look in [*sorted(life.looks), len(recorded)]:
            seen = recorded[:look]
            known = max([count for count, _ in seen], default=1) if look < len(recorded) else len(journal.records)
            await self.catalog.gaps.import_journal(journal.run, journal.records[:known])
            await self.catalog.footage.register([(row, b"") for _, row in seen])

    def _pass(self, length: float, reason: GapReason | None) -> None:
        """Time without footage; what is longer than a clock reading is wrong must have this reason."""
        if length > 2.5 and reason is not None:
            self.told.reasons.append((self.now + length / 2, reason))
        self.now += length


def covered(rows: list[Segment], gaps: list[Gap], until_us: int) -> list[Interval]:
    """Footage and gaps as intervals."""
    intervals = [Interval(row.start_us, row.end_us) for row in rows]
    return intervals + [Interval(gap.start_us, until_us if gap.end_us is None else gap.end_us) for gap in gaps]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all lives."""
    with asyncio.Runner() as running:
        yield running


@pytest.fixture(scope="module")
def catalog(runner: asyncio.Runner) -> Iterator[SqliteCatalog]:
    """One catalog for all lives, in memory where that is possible: thousands of transactions, none to survive."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        opened = runner.run(SqliteCatalog.open(Path(place) / "catalog.sqlite", FakeClock(wall_us=T0)))
        yield opened
        runner.run(opened.close())


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=LIVES)
def test_every_instant_is_footage_or_exactly_one_gap(
    runner: asyncio.Runner, catalog: SqliteCatalog, lives: list[Life]
) -> None:
    """From the instant the camera was enabled to the last one anything is known of; and each gap has its reason."""
    runner.run(_live(catalog, lives))


async def _live(catalog: SqliteCatalog, lives: list[Life]) -> None:
    camera, first_run = uuid4(), uuid4().int >> 66
    await catalog.inventory.apply([site(desired(str(camera), id=camera))], [POLICY])
    teller = Teller(catalog, camera, first_run)
    for number, life in enumerate(lives):
        await teller.live(number, life, last=number == len(lives) - 1)
    far_us = T0 + 1_000_000 * SECOND
    gaps = await catalog.gaps.gaps(teller.stream, 0, far_us)
    rows = await catalog.footage.segments(teller.stream, 0, far_us)
    assert {row.id for row in rows} == {row.id for row in teller.told.segments}
    known_us = max([row.end_us for row in rows] + [gap.end_us or gap.start_us for gap in gaps])
    intervals = covered(rows, gaps, known_us)
    assert list(holes(union(intervals), T0, known_us)) == []
    assert sum(interval.end_us - interval.start_us for interval in intervals) == known_us - T0
    for instant, reason in teller.told.reasons:
        here = [gap.reason for gap in gaps if _in(gap, T0 + round(instant * SECOND))]
        assert here == [reason], f"at {instant}"


def _in(gap: Gap, at_us: int) -> bool:
    return gap.start_us <= at_us and (gap.end_us is None or at_us < gap.end_us)
