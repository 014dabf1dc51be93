"""The contract of `storage.catalog.Footage.give_up`: footage that was lost before it was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from media.errors import GapReason, NotFound
from storage.model import SegmentState
from tests.builders_catalog import STREAM, at, digest, segment

if TYPE_CHECKING:
    from storage.catalog import Catalog
    from storage.model import Segment

FULL = GapReason.SPOOL_FULL


async def _gaps(catalog: Catalog, stream: UUID = STREAM) -> list[tuple[float, float | None, str]]:
    rows = await catalog.gaps.gaps(stream, at(-1000), at(1000))
    return [
        ((row.start_us - at(0)) / 1e6, None if row.end_us is None else (row.end_us - at(0)) / 1e6, row.reason.value)
        for row in rows
    ]


async def _registered(catalog: Catalog, *rows: Segment) -> None:
    await catalog.footage.register([(row, b"table") for row in rows])


@pytest.mark.parametrize("uploading", [False, True])
async def test_what_is_given_up_is_a_gap_to_the_microsecond(catalog: Catalog, uploading: bool) -> None:
    """Row and sample table go; the gap has the reason and the words; the neighbours stay as they are."""
    rows = [segment(0, 60, 0), segment(60, 120.5, 1), segment(120.5, 180, 2)]
    await _registered(catalog, *rows)
    lost = rows[1]
    if uploading:
        await catalog.footage.begin_upload([lost.id])
    assert await catalog.footage.give_up([lost.id], reason=FULL, detail="full") == [lost.id]
    assert await _gaps(catalog) == [(60, 120.5, "spool_full")]
    assert [gap.detail for gap in await catalog.gaps.gaps(STREAM, at(0), at(200))] == ["full"]
    assert await catalog.footage.segments(STREAM, at(0), at(200)) == [rows[0], rows[2]]
    assert await catalog.footage.states([lost.id]) == {}
    assert await catalog.footage.sample_tables([lost.id]) == {}
    with pytest.raises(NotFound):
        await catalog.footage.segment(lost.id)
    assert await catalog.footage.give_up([lost.id], reason=FULL) == []
    assert await _gaps(catalog) == [(60, 120.5, "spool_full")]


async def test_what_is_given_up_one_after_the_other_is_one_gap(catalog: Catalog) -> None:
    """In one call or in several: one missing interval is one row."""
    rows = [segment(60 * number, 60 * number + 60, number) for number in range(5)]
    await _registered(catalog, *rows)
    assert set(await catalog.footage.give_up([rows[1].id, rows[2].id], reason=FULL)) == {rows[1].id, rows[2].id}
    await catalog.footage.give_up([rows[3].id], reason=FULL)
    assert await _gaps(catalog) == [(60, 240, "spool_full")]


@pytest.mark.parametrize("state", [SegmentState.STORED, SegmentState.MISSING, SegmentState.MARKED, SegmentState.GONE])
async def test_only_what_was_not_stored_is_given_up(catalog: Catalog, state: SegmentState) -> None:
    """Whoever asks may be late: what the store has, or retention, is left alone."""
    row = segment(0, 60)
    await _registered(catalog, row)
    await catalog.footage.begin_upload([row.id])
    if state is SegmentState.MISSING:
        await catalog.footage.mark_missing([row.id])
    else:
        await catalog.footage.stored({row.id: digest(row)})
    if state in {SegmentState.MARKED, SegmentState.GONE}:
        await catalog.expiry.mark([row.id], now_us=at(99), policy="default", reason="old")
    if state is SegmentState.GONE:
        await catalog.expiry.purge([row.id])
        await catalog.expiry.tombstone([row.id], now_us=at(100))
    assert await catalog.footage.give_up([row.id], reason=FULL) == []
    assert await catalog.footage.states([row.id]) == {row.id: state}
    assert await _gaps(catalog) == []


async def test_other_footage_of_the_same_time_keeps_it(catalog: Catalog) -> None:
    """Two runs that overlapped: what the one still has is no gap."""
    lost, kept = segment(0, 60), segment(20, 50, run=0x5678)
    await _registered(catalog, lost, kept)
    await catalog.footage.give_up([lost.id], reason=FULL)
    assert await _gaps(catalog) == [(0, 20, "spool_full"), (50, 60, "spool_full")]


async def test_what_is_registered_again_is_footage_again(catalog: Catalog) -> None:
    """Killed before the file went: nothing is lost, and no gap claims it."""
    row = segment(0, 60)
    await _registered(catalog, row)
    await catalog.footage.give_up([row.id], reason=FULL)
    await _registered(catalog, row)
    assert await catalog.footage.states([row.id]) == {row.id: SegmentState.SPOOLED}
    assert await _gaps(catalog) == []


async def test_each_stream_has_its_own_gap(catalog: Catalog) -> None:
    """One call may concern several."""
    other = UUID(int=7)
    rows = [segment(0, 60), segment(30, 90, stream=other)]
    await _registered(catalog, *rows)
    assert len(await catalog.footage.give_up([row.id for row in rows], reason=FULL)) == 2
    assert (await _gaps(catalog), await _gaps(catalog, other)) == ([(0, 60, "spool_full")], [(30, 90, "spool_full")])
