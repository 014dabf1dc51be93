"""The contract of `storage.catalog.Gaps`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from media.errors import GapReason
from storage.journal import JournalRecord, stream_start
from tests.builders_catalog import CAMERA, POLICY, RUN, SECOND, STREAM, T0, Journal, at, desired, segment, site

if TYPE_CHECKING:
    from uuid import UUID

    from storage.catalog import Catalog

LATER_RUN = 0x5678


async def shown(catalog: Catalog, stream: UUID = STREAM) -> list[tuple[float, float | None, str]]:
    """All gaps in seconds after T0."""
    rows = await catalog.gaps.gaps(stream, T0 - 1000 * SECOND, at(1_000_000))
    return [
        ((row.start_us - T0) / SECOND, None if row.end_us is None else (row.end_us - T0) / SECOND, row.reason.value)
        for row in rows
    ]


async def bring(catalog: Catalog, journal: Journal) -> None:
    """Import all of a journal."""
    await catalog.gaps.import_journal(journal.run, journal.records)


async def test_a_journal_becomes_gaps(catalog: Catalog) -> None:
    """What the recorder saw, in its order."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(2)
    journal.gap_open(60, GapReason.STALLED, detail="no packet for 5 s")
    journal.gap_open(65, GapReason.UNREACHABLE)
    await bring(catalog, journal)
    assert await shown(catalog) == [(0, 2, "no_sync"), (60, 65, "stalled"), (65, None, "unreachable")]
    stalled = (await catalog.gaps.gaps(STREAM, at(60), at(61)))[0]
    assert stalled.detail == "no packet for 5 s"


async def test_importing_again_changes_nothing(catalog: Catalog) -> None:
    """The offset says what was imported, record by record."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(2)
    await bring(catalog, journal)
    assert await catalog.gaps.journal_offset(RUN) == journal.records[-1].end_offset
    journal.gap_open(60, GapReason.STALLED)
    journal.gap_close(70)
    journal.gap_open(80, GapReason.STALLED)
    for _ in range(3):
        await bring(catalog, journal)
    assert await shown(catalog) == [(0, 2, "no_sync"), (60, 70, "stalled"), (80, None, "stalled")]
    assert await catalog.gaps.journal_offset(LATER_RUN) == 0


async def test_gaps_of_a_range_are_unclipped(catalog: Catalog) -> None:
    """A gap that reaches over the range, however long, is in the answer."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(1)
    journal.gap_open(10, GapReason.UNREACHABLE)
    journal.gap_close(500_000)
    journal.gap_open(500_100, GapReason.AUTH)
    await bring(catalog, journal)
    inside = await catalog.gaps.gaps(STREAM, at(400_000), at(400_001))
    assert [(gap.start_us, gap.end_us) for gap in inside] == [(at(10), at(500_000))]
    assert await catalog.gaps.gaps(STREAM, at(1), at(10)) == []
    assert await catalog.gaps.gaps(STREAM, at(500_000), at(500_100)) == []
    assert [gap.end_us for gap in await catalog.gaps.gaps(STREAM, at(600_000), at(600_001))] == [None]


async def test_a_killed_run_leaves_a_gap_that_lasts(catalog: Catalog) -> None:
    """From its last footage on, until another run takes over and ends it."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(0)
    await bring(catalog, journal)
    await catalog.footage.register([(segment(0, 60, 0), b"")])
    await catalog.gaps.settle(RUN)
    assert await shown(catalog) == [(60, None, "crash")]
    later = Journal(LATER_RUN, start=64)
    later.stream_start(65)
    later.gap_close(66)
    await bring(catalog, later)
    assert await shown(catalog) == [(60, 65, "crash"), (65, 66, "no_sync")]


async def test_a_run_takes_over_though_the_clock_went_back(catalog: Catalog) -> None:
    """Order is told by the journal, not by the time: a stream that is being recorded has no gap that lasts."""
    dead = Journal(start=1000)
    dead.stream_start(1000)
    dead.gap_close(1000)
    await bring(catalog, dead)
    await catalog.footage.register([(segment(1000, 1060, 0), b"")])
    later = Journal(LATER_RUN, start=500, after=1000)
    later.stream_start(500)
    later.gap_close(502)
    await bring(catalog, later)
    await catalog.footage.register([(segment(502, 562, 0, run=LATER_RUN), b"")])
    await catalog.gaps.settle(RUN)
    assert await shown(catalog) == []


async def test_the_last_run_is_not_the_one_with_the_latest_clock(catalog: Catalog) -> None:
    """Whether the stream was left in order is asked of the run before, whatever its clock said."""
    crashed, stopped, last = Journal(start=1000), Journal(2, start=500, after=1000), Journal(3, start=600, after=1001)
    for journal in (crashed, stopped, last):
        journal.stream_start({RUN: 1000, 2: 500, 3: 600}[journal.run])
    stopped.gap_close(501)
    stopped.run_end(550)
    await bring(catalog, crashed)
    await bring(catalog, stopped)
    await catalog.footage.register([(segment(501, 550, 0, run=2), b"")])
    await bring(catalog, last)
    assert (550, 600, "shutdown") in await shown(catalog)


async def test_settling_declares_holes_and_nothing_twice(catalog: Catalog) -> None:
    """Footage that a dead run lost in between is a gap; again changes nothing."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(0)
    await bring(catalog, journal)
    await catalog.footage.register([(segment(0, 60, 0), b""), (segment(80, 140, 2), b"")])
    for _ in range(3):
        await catalog.gaps.settle(RUN)
        assert await shown(catalog) == [(60, 80, "crash"), (140, None, "crash")]


async def test_a_late_segment_of_a_settled_run_takes_its_time_back(catalog: Catalog) -> None:
    """A disk that answered again gives its footage, and the gap shrinks to what is really missing."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(0)
    await bring(catalog, journal)
    await catalog.footage.register([(segment(0, 60, 0), b"")])
    await catalog.gaps.settle(RUN)
    await catalog.footage.register([(segment(60, 110, 1), b"")])
    await catalog.gaps.settle(RUN)
    assert await shown(catalog) == [(110, None, "crash")]


async def test_footage_in_another_order_than_it_was_recorded_leaves_no_hole(catalog: Catalog) -> None:
    """What came first is not the stream's beginning: gaps before it were told before its predecessors were known."""
    rows = [segment(60 * number + 1, 60 * number + 51, number) for number in range(5)]
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(1)
    for number in range(4):
        journal.gap_open(60 * number + 51, GapReason.STALLED)
        journal.gap_close(60 * number + 61)
    await catalog.footage.register([(rows[2], b"")])
    await catalog.footage.register([(rows[3], b""), (rows[4], b"")])
    await bring(catalog, journal)
    for number in (0, 1):
        await catalog.footage.register([(rows[number], b"")])
    await catalog.gaps.settle(RUN)
    declared = [(start, end) for start, end, _ in await shown(catalog) if end is not None and start > 0]
    assert declared == [(51, 61), (111, 121), (171, 181), (231, 241)]


async def test_a_run_that_knows_why_the_one_before_it_ended_says_so(catalog: Catalog) -> None:
    """Its disk failed, and its journal with it: a crash was supposed, and is one gap with what follows."""
    first = Journal()
    first.stream_start(0)
    first.gap_close(0)
    await bring(catalog, first)
    await catalog.footage.register([(segment(0, 60), b"")])
    await catalog.gaps.settle(RUN)
    assert await shown(catalog) == [(60, None, "crash")]
    second = Journal(run=LATER_RUN, start=65, after=0)
    start = stream_start(stream=STREAM, camera=CAMERA, epoch=1, at_us=at(65), reason=GapReason.DISK_ERROR)
    second.add(start)
    second.gap_open(65, GapReason.DISK_ERROR)
    second.gap_close(67)
    await bring(catalog, second)
    assert await shown(catalog) == [(60, 67, "disk_error")]


async def test_a_clean_stop_is_a_shutdown(catalog: Catalog) -> None:
    """The time without a recorder has another reason than after a crash."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(0)
    journal.run_end(61)
    await bring(catalog, journal)
    await catalog.footage.register([(segment(0, 60, 0), b"")])
    await catalog.gaps.settle(RUN)
    later = Journal(LATER_RUN, start=90)
    later.stream_start(90)
    await bring(catalog, later)
    assert await shown(catalog) == [(60, 90, "shutdown"), (90, None, "no_sync")]


async def test_an_outage_goes_on_over_a_restart_of_the_recorder(catalog: Catalog) -> None:
    """The camera was unreachable before and after; the start of a run is where one row ends."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_open(0, GapReason.UNREACHABLE)
    await bring(catalog, journal)
    await catalog.gaps.settle(RUN)
    later = Journal(LATER_RUN, start=30)
    later.stream_start(30)
    later.gap_open(30, GapReason.UNREACHABLE)
    await bring(catalog, later)
    assert await shown(catalog) == [(0, None, "unreachable")]


async def test_a_run_without_a_single_footage_declares_since_the_camera_was_enabled(catalog: Catalog) -> None:
    """Between the configuration and the recorder nobody recorded."""
    await catalog.inventory.apply([site(desired("gate", id=CAMERA))], [POLICY])
    journal = Journal(start=3)
    journal.stream_start(4)
    await bring(catalog, journal)
    assert await shown(catalog) == [(0, 4, "shutdown"), (4, None, "no_sync")]


async def test_a_dead_run_that_was_taken_over_opens_nothing(catalog: Catalog) -> None:
    """The stream is another run's by now."""
    first, later = Journal(), Journal(LATER_RUN, start=100)
    first.stream_start(0)
    first.gap_close(0)
    later.stream_start(100)
    later.gap_close(101)
    await bring(catalog, first)
    await catalog.footage.register([(segment(0, 60, 0), b"")])
    await bring(catalog, later)
    await catalog.footage.register([(segment(101, 160, 0, run=LATER_RUN), b"")])
    await catalog.gaps.settle(RUN)
    assert await shown(catalog) == [(60, 100, "crash"), (100, 101, "no_sync")]


async def test_a_step_of_the_clock_explains_its_hole(catalog: Catalog) -> None:
    """Wall time that never was is not a crash."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(0)
    journal.add({"kind": "clock_step", "at_us": at(3600), "step_us": 3540 * SECOND})
    await bring(catalog, journal)
    await catalog.footage.register([(segment(0, 60, 0), b""), (segment(3600, 3660, 1, span=1), b"")])
    assert await shown(catalog) == [(60, 3600, "clock_step")]


async def test_a_clock_that_steps_back_overlaps_and_declares_nothing(catalog: Catalog) -> None:
    """Both segments are kept; order is by sequence, not by time."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_close(0)
    await bring(catalog, journal)
    await catalog.footage.register([(segment(0, 60, 0), b""), (segment(30, 90, 1, span=1), b"")])
    await catalog.gaps.settle(RUN)
    assert await shown(catalog) == [(90, None, "crash")]


async def test_stitching_declares_what_is_missing(catalog: Catalog) -> None:
    """From where the stream is expected, or from where it is told to begin; again there is nothing to declare."""
    await catalog.footage.register([(segment(0, 60, 0), b""), (segment(100, 160, 5), b""), (segment(200, 260, 9), b"")])
    made = await catalog.gaps.stitch(STREAM, from_us=at(150), until_us=at(220), reason=GapReason.HOST_LOST)
    assert [(gap.start_us, gap.end_us) for gap in made] == [(at(160), at(200))]
    made = await catalog.gaps.stitch(STREAM, until_us=None, reason=GapReason.HOST_LOST, detail="rec-2")
    assert [(gap.start_us, gap.end_us, gap.detail) for gap in made] == [
        (at(60), at(100), "rec-2"),
        (at(260), None, "rec-2"),
    ]
    assert await catalog.gaps.stitch(STREAM, until_us=None, reason=GapReason.HOST_LOST) == []
    assert await catalog.gaps.stitch(uuid4(), until_us=None, reason=GapReason.HOST_LOST) == []


async def test_expired_footage_is_not_a_hole(catalog: Catalog) -> None:
    """A tombstone covers its time."""
    rows = [segment(0, 60, 0), segment(60, 120, 1), segment(120, 180, 2)]
    await catalog.footage.register([(row, b"") for row in rows])
    await catalog.expiry.mark([rows[1].id], now_us=at(500), policy="default", reason="old")
    await catalog.expiry.purge([rows[1].id])
    await catalog.expiry.tombstone([rows[1].id], now_us=at(600))
    assert await catalog.gaps.stitch(STREAM, until_us=at(180), reason=GapReason.CRASH) == []


async def test_what_else_the_recorder_saw_is_an_event(catalog: Catalog) -> None:
    """Span starts belong to a stream, a clock step to all streams of its run."""
    journal = Journal()
    journal.stream_start(0)
    journal.add(
        {
            "kind": "span_start",
            "stream": str(STREAM),
            "span": 0,
            "at_us": at(1),
            "codec": "avc1.64001f",
            "width": 1920,
            "height": 1080,
        }
    )
    journal.add({"kind": "clock_step", "at_us": at(5), "step_us": 2 * SECOND})
    await bring(catalog, journal)
    span, step = await catalog.gaps.events(STREAM, T0, at(10))
    assert (span.kind, span.stream, span.at_us, span.fields["width"]) == ("span_start", STREAM, at(1), 1920)
    assert (step.kind, step.stream, step.at_us, step.fields) == ("clock_step", None, at(5), {"step_us": 2 * SECOND})
    assert await catalog.gaps.events(STREAM, at(6), at(10)) == []
    assert await catalog.gaps.events(uuid4(), T0, at(10)) == []


async def test_records_of_a_later_version_do_not_stop_the_import(catalog: Catalog) -> None:
    """An unknown kind is an event, an unknown reason is kept in words, a record without its fields is told."""
    journal = Journal()
    journal.stream_start(0)
    for fields in (
        {"kind": "moonrise", "stream": str(STREAM), "at_us": at(1)},
        {"kind": "gap_open", "stream": str(STREAM), "at_us": at(2), "reason": "bored", "detail": "yawn"},
        {"kind": "gap_close", "stream": str(STREAM)},
        {"kind": "gap_open", "stream": str(uuid4()), "at_us": at(3), "reason": "stalled", "detail": ""},
        {"kind": "gap_close", "stream": "x", "at_us": at(3)},
    ):
        end = journal.records[-1].end_offset + 50
        journal.records.append(JournalRecord(kind=str(fields["kind"]), fields=fields, end_offset=end))
    await bring(catalog, journal)
    assert await shown(catalog) == [(0, 2, "no_sync"), (2, None, "protocol")]
    assert (await catalog.gaps.gaps(STREAM, at(3), at(4)))[0].detail == "bored: yawn"
    kinds = [event.kind for event in await catalog.gaps.events(STREAM, 0, at(10))]
    assert sorted(kinds) == ["moonrise", "unreadable_record", "unreadable_record", "unreadable_record"]


async def test_the_steps_with_gaps(catalog: Catalog) -> None:
    """Each step that a gap overlaps: one inside, one over many, one that only touches, one that has not ended."""
    journal = Journal()
    journal.stream_start(100)
    journal.gap_close(200)
    journal.gap_open(3600, GapReason.STALLED)
    journal.gap_close(7200)
    journal.gap_open(14_000, GapReason.UNREACHABLE)
    journal.gap_close(21_601)
    await bring(catalog, journal)
    gaps, hour = catalog.gaps, 3600 * SECOND
    hours = [T0, at(3600), at(10_800), at(14_400), at(18_000), at(21_600)]
    assert await gaps.lacking(STREAM, T0, at(36_000), hour) == hours
    assert await gaps.lacking(STREAM, at(14_401), at(18_000), hour) == [at(14_401)]
    assert await gaps.lacking(STREAM, T0, at(100), hour) == []
    assert await gaps.lacking(uuid4(), T0, at(36_000), hour) == []
    assert await gaps.lacking(STREAM, at(36_000), T0, hour) == []
    journal.gap_open(30_000, GapReason.DNS)
    await bring(catalog, journal)
    assert await gaps.lacking(STREAM, T0, at(39_600), hour) == [*hours, at(28_800), at(32_400), at(36_000)]
