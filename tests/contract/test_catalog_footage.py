"""The contract of `storage.catalog.Footage`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from media.errors import CatalogError, GapReason, NotFound
from storage.model import MAX_SEGMENT_US, SegmentState, Stretch
from tests.builders_catalog import STREAM, T0, Journal, at, digest, segment

if TYPE_CHECKING:
    from storage.catalog import Catalog

DAY = 86_400


async def test_a_registered_segment_comes_back_as_it_was(catalog: Catalog) -> None:
    """Every fact of the row, the sample table beside it."""
    row = segment(0, 60, 7, span=3, lost_packets=2, fragments=b"\x01index", chain=bytes(range(32)))
    await catalog.footage.register([(row, b"table")])
    assert await catalog.footage.segment(row.id) == row
    assert await catalog.footage.segments(STREAM, T0, at(60)) == [row]
    assert await catalog.footage.sample_tables([row.id, uuid4()]) == {row.id: b"table"}
    with pytest.raises(NotFound, match="no segment"):
        await catalog.footage.segment(uuid4())


async def test_registering_again_changes_nothing(catalog: Catalog) -> None:
    """A state that was reached is never taken back."""
    row = segment(0, 60)
    await catalog.footage.register([(row, b"table")])
    await catalog.footage.register([(row, b"table")])
    await catalog.footage.begin_upload([row.id])
    await catalog.footage.register([(row, b"other")])
    await catalog.footage.stored({row.id: digest(row)})
    await catalog.footage.register([(replace(row, end_us=at(59)), b"other")])
    assert await catalog.footage.segment(row.id) == replace(row, state=SegmentState.STORED, sha256=digest(row))
    assert await catalog.footage.sample_tables([row.id]) == {row.id: b"table"}


async def test_a_tombstone_is_not_woken(catalog: Catalog) -> None:
    """A spool copy that turns up after its deletion stays deleted."""
    row = segment(0, 60)
    await catalog.footage.register([(row, b"")])
    await catalog.expiry.mark([row.id], now_us=at(100), policy="default", reason="old")
    await catalog.expiry.purge([row.id])
    await catalog.expiry.tombstone([row.id], now_us=at(110))
    await catalog.footage.register([(row, b"")])
    assert await catalog.footage.states([row.id]) == {row.id: SegmentState.GONE}
    assert await catalog.footage.segments(STREAM, T0, at(60)) == []
    assert await catalog.footage.sample_tables([row.id]) == {}


async def test_the_way_to_stored(catalog: Catalog) -> None:
    """Spooled -> uploading -> stored, each step once."""
    row = segment(0, 60)
    await catalog.footage.register([(row, b"")])
    for step, state in (
        (catalog.footage.begin_upload([row.id]), SegmentState.UPLOADING),
        (catalog.footage.stored({row.id: digest(row)}), SegmentState.STORED),
        (catalog.footage.begin_upload([row.id]), SegmentState.STORED),
        (catalog.footage.stored({row.id: bytes(32)}), SegmentState.STORED),
        (catalog.footage.mark_missing([row.id]), SegmentState.MISSING),
        (catalog.footage.begin_upload([row.id]), SegmentState.MISSING),
        (catalog.footage.stored({row.id: digest(row)}), SegmentState.STORED),
    ):
        await step
        assert await catalog.footage.states([row.id]) == {row.id: state}
    assert (await catalog.footage.segment(row.id)).sha256 == digest(row)


async def test_stored_needs_an_intent(catalog: Catalog) -> None:
    """Without one the object could have been taken for an orphan meanwhile."""
    row = segment(0, 60)
    await catalog.footage.register([(row, b"")])
    await catalog.footage.stored({row.id: digest(row)})
    assert await catalog.footage.states([row.id, uuid4()]) == {row.id: SegmentState.SPOOLED}


async def test_segments_of_a_range_are_those_that_overlap_it(catalog: Catalog) -> None:
    """Half-open at both ends, in order, of one stream."""
    rows = [segment(start, start + 60, number) for number, start in enumerate(range(0, 300, 60))]
    other = segment(0, 60, stream=uuid4())
    await catalog.footage.register([(row, b"") for row in [*reversed(rows), other]])
    footage = catalog.footage
    assert await footage.segments(STREAM, at(60), at(180)) == rows[1:3]
    assert await footage.segments(STREAM, at(59.9), at(180.1)) == rows[0:4]
    assert await footage.segments(STREAM, at(300), at(400)) == []
    assert await footage.segments(STREAM, at(70), at(70)) == []


async def test_the_longest_segment_is_found_from_its_last_instant(catalog: Catalog) -> None:
    """Ten minutes bound every search, and nothing longer is taken."""
    longest = segment(0, 600)
    await catalog.footage.register([(longest, b"")])
    assert await catalog.footage.segments(STREAM, longest.end_us - 1, longest.end_us) == [longest]
    longer = segment(1000, 1600, 1, end_us=at(1000) + MAX_SEGMENT_US + 1)
    with pytest.raises(CatalogError):
        await catalog.footage.register([(longer, b"")])


async def test_one_refused_segment_refuses_the_batch(catalog: Catalog) -> None:
    """A call happens as a whole or not at all."""
    good, bad = segment(0, 60), segment(60, 50, 1)
    with pytest.raises(CatalogError):
        await catalog.footage.register([(good, b""), (bad, b"")])
    assert await catalog.footage.states([good.id, bad.id]) == {}


async def test_marked_segments_are_seen_only_when_asked_for(catalog: Catalog) -> None:
    """What is about to be deleted is visible to those who may stop it."""
    rows = [segment(0, 60, 0), segment(60, 120, 1)]
    await catalog.footage.register([(row, b"") for row in rows])
    await catalog.expiry.mark([rows[0].id], now_us=at(200), policy="default", reason="old")
    assert [row.id for row in await catalog.footage.segments(STREAM, T0, at(120))] == [rows[1].id]
    assert [row.id for row in await catalog.footage.segments(STREAM, T0, at(120), marked=True)] == [
        row.id for row in rows
    ]


async def test_what_waits_is_mostly_new_and_partly_old(catalog: Catalog) -> None:
    """After an outage the newest minutes are safe first, and the oldest are not forgotten: 70 to 30."""
    rows = [segment(start, start + 1, start) for start in range(40)]
    await catalog.footage.register([(row, b"") for row in rows])
    await catalog.footage.begin_upload([rows[3].id])
    await catalog.footage.begin_upload([rows[39].id])
    await catalog.footage.stored({rows[39].id: digest(rows[39])})
    waiting = await catalog.footage.waiting(10)
    assert sorted(row.identity.sequence for row in waiting) == [0, 1, 2, 32, 33, 34, 35, 36, 37, 38]
    assert len(await catalog.footage.waiting(1000)) == 39
    assert [row.identity.sequence for row in await catalog.footage.waiting(1)] == [38]


async def test_a_long_drain_keeps_up_with_the_present_and_forgets_nobody(catalog: Catalog) -> None:
    """Ten hours of backlog while recording goes on at two thirds of the rate.

    What is new never waits for a second turn, the oldest goes at one pace throughout, and in the end nothing is left.
    """
    batch, arriving, backlog = 30, 20, 600
    rows = [segment(start * 60, start * 60 + 60, start) for start in range(backlog + arriving * 70)]
    await catalog.footage.register([(row, b"") for row in rows[:backlog]])
    left, known, turns = set(range(backlog)), backlog, 0
    while waiting := await catalog.footage.waiting(batch):
        shipped = {row.identity.sequence for row in waiting}
        assert len(shipped) == len(waiting) == min(batch, len(left))
        assert set(range(max(backlog, known - arriving), known)) & left <= shipped, "of what arrived last"
        assert set(sorted(left)[: batch * 3 // 10]) <= shipped, "of what waits longest"
        await catalog.footage.begin_upload([row.id for row in waiting])
        await catalog.footage.stored({row.id: digest(row) for row in waiting})
        left -= shipped
        turns += 1
        if turns <= backlog // (batch - arriving):
            await catalog.footage.register([(row, b"") for row in rows[known : known + arriving]])
            left |= set(range(known, known + arriving))
            known += arriving
    assert left == set()
    states = await catalog.footage.states([row.id for row in rows[:known]])
    assert set(states.values()) == {SegmentState.STORED}


async def test_a_gap_gives_way_to_footage(catalog: Catalog) -> None:
    """In the transaction that registers it: no reader ever sees both."""
    journal = Journal()
    journal.stream_start(0)
    journal.gap_open(0, GapReason.UNREACHABLE)
    await catalog.gaps.import_journal(journal.run, journal.records)
    await catalog.footage.register([(segment(5, 65, 0), b"")])
    (gap,) = await catalog.gaps.gaps(STREAM, T0, at(100))
    assert (gap.start_us, gap.end_us, gap.reason) == (at(0), at(5), GapReason.UNREACHABLE)


async def test_a_hole_between_segments_of_a_run_is_declared(catalog: Catalog) -> None:
    """When all that came before is known, nobody else will explain it."""
    await catalog.footage.register([(segment(0, 60, 0), b""), (segment(75, 135, 1), b"")])
    (gap,) = await catalog.gaps.gaps(STREAM, T0, at(200))
    assert (gap.start_us, gap.end_us, gap.reason) == (at(60), at(75), GapReason.CRASH)


async def test_a_hole_before_a_segment_that_is_still_to_come_is_left_open(catalog: Catalog) -> None:
    """A segment that was not sealed is found by recovery, when its run is over."""
    await catalog.footage.register([(segment(0, 60, 0), b""), (segment(120, 180, 2), b"")])
    assert await catalog.gaps.gaps(STREAM, T0, at(200)) == []
    await catalog.footage.register([(segment(60, 119, 1), b"")])
    await catalog.footage.register([(segment(180, 240, 3), b"")])
    (gap,) = await catalog.gaps.gaps(STREAM, T0, at(300))
    assert (gap.start_us, gap.end_us) == (at(119), at(120))


async def test_a_day_is_one_question(catalog: Catalog) -> None:
    """1440 segments come back in order."""
    rows = [segment(start, start + 60, start // 60) for start in range(0, DAY, 60)]
    for first in range(0, len(rows), 100):
        await catalog.footage.register([(row, b"") for row in rows[first : first + 100]])
    assert await catalog.footage.segments(STREAM, T0, at(DAY)) == rows


async def test_stretches_are_segments_from_outside(catalog: Catalog) -> None:
    """The same ones in the same order, marked ones too, with the same facts."""
    rows = [segment(start, start + 60, number, lost_packets=number) for number, start in enumerate(range(0, 300, 60))]
    other = segment(0, 60, stream=uuid4())
    await catalog.footage.register([(row, b"") for row in [*reversed(rows), other]])
    await catalog.expiry.mark([rows[1].id], now_us=at(400), policy="default", reason="old")
    for from_us, to_us in ((T0, at(300)), (at(59.9), at(120)), (at(300), at(400)), (at(70), at(70))):
        whole = await catalog.footage.segments(STREAM, from_us, to_us, marked=True)
        expected = [tuple(getattr(row, name) for name in Stretch._fields) for row in whole]
        assert [tuple(stretch) for stretch in await catalog.footage.stretches(STREAM, from_us, to_us)] == expected


async def test_the_steps_with_footage(catalog: Catalog) -> None:
    """Each step that a segment overlaps, be it by its last instant; marked and missing ones cannot be shown."""
    long = segment(3000.5, 3600.000001, 0)
    rows = [long, segment(7200, 7260, 1), segment(14_000, 14_060, 2), segment(18_000, 18_060, 3)]
    await catalog.footage.register([(row, b"") for row in rows])
    await catalog.footage.register([(segment(10_800, 10_860, stream=uuid4()), b"")])
    footage, hour = catalog.footage, 3600 * 1_000_000
    assert await footage.recorded(STREAM, T0, at(21_600), hour) == [T0, at(3600), at(7200), at(10_800), at(18_000)]
    await catalog.expiry.mark([rows[2].id], now_us=at(20_000), policy="default", reason="old")
    await catalog.footage.mark_missing([rows[3].id])
    assert await footage.recorded(STREAM, T0, at(21_600), hour) == [T0, at(3600), at(7200)]
    assert await footage.recorded(STREAM, at(3600), at(7201), hour) == [at(3600), at(7200)]
    assert await footage.recorded(STREAM, at(3700), at(7200), hour) == []
    assert await footage.recorded(STREAM, T0, T0, hour) == []


async def test_three_months_of_steps(catalog: Catalog) -> None:
    """None is forgotten and none made up."""
    hour = 3600 * 1_000_000
    rows = [segment(3600 * number + 1800, 3600 * number + 1860, number) for number in range(0, 93 * 24, 2)]
    for first in range(0, len(rows), 100):
        await catalog.footage.register([(row, b"") for row in rows[first : first + 100]])
    found = await catalog.footage.recorded(STREAM, T0, T0 + 93 * 24 * hour, hour)
    assert found == [T0 + number * hour for number in range(0, 93 * 24, 2)]
