"""The contract of `storage.catalog.Expiry`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from storage.model import Segment, SegmentState, Tombstone
from tests.builders_catalog import STREAM, T0, at, digest, segment

if TYPE_CHECKING:
    from storage.catalog import Catalog

MARK = {"policy": "default", "reason": "policy default keeps at most 62d"}


@pytest.fixture
async def rows(catalog: Catalog) -> list[Segment]:
    """Three minutes of footage: stored, stored, still in the spool."""
    made = [segment(start, start + 60, start // 60) for start in (0, 60, 120)]
    await catalog.footage.register([(row, b"table") for row in made])
    await catalog.footage.begin_upload([row.id for row in made[:2]])
    await catalog.footage.stored({row.id: digest(row) for row in made[:2]})
    return made


async def sequences(catalog: Catalog, **bounds: int) -> list[int]:
    """The candidates that are not marked."""
    found = await catalog.expiry.candidates(STREAM, marked=False, limit=10, **bounds)
    return [each.segment.identity.sequence for each in found]


async def test_candidates_are_chosen_by_their_end(catalog: Catalog, rows: list[Segment]) -> None:
    """A segment is due when its last instant is."""
    assert rows
    assert await sequences(catalog, ended_by_us=at(120)) == [0, 1]
    assert await sequences(catalog, ended_by_us=at(119.9)) == [0]
    assert await sequences(catalog, ended_after_us=at(60)) == [1, 2]
    assert await sequences(catalog) == [0, 1, 2]
    assert len(await catalog.expiry.candidates(STREAM, marked=False, limit=2)) == 2


async def test_a_mark_has_a_date_and_a_reason(catalog: Catalog, rows: list[Segment]) -> None:
    """Both are there to be shown; marking again does not move the date."""
    assert await catalog.expiry.mark([row.id for row in rows[:2]], now_us=at(500), **MARK) == 2
    assert await catalog.expiry.mark([row.id for row in rows[:2]], now_us=at(600), **MARK) == 0
    marked = await catalog.expiry.candidates(STREAM, marked=True, limit=10)
    assert [(each.segment.id, each.marked_us, each.policy, each.reason) for each in marked] == [
        (row.id, at(500), MARK["policy"], MARK["reason"]) for row in rows[:2]
    ]
    assert await sequences(catalog) == [2]


async def test_a_mark_can_be_taken_back(catalog: Catalog, rows: list[Segment]) -> None:
    """What was stored is stored again; what never was waits for its upload again."""
    ids = [row.id for row in rows]
    await catalog.expiry.mark(ids, now_us=at(500), **MARK)
    assert await catalog.expiry.unmark(ids) == 3
    assert await catalog.expiry.unmark(ids) == 0
    states = await catalog.footage.states(ids)
    assert [states[each] for each in ids] == [SegmentState.STORED, SegmentState.STORED, SegmentState.SPOOLED]


async def test_what_was_missing_is_missing_again(catalog: Catalog, rows: list[Segment]) -> None:
    """A mark that is taken back makes no object appear, also a second time; one that is put then counts as ever."""
    ids = [row.id for row in rows]
    await catalog.footage.mark_missing([ids[0], ids[2]])
    for _ in range(2):
        await catalog.expiry.mark(ids, now_us=at(500), **MARK)
        await catalog.expiry.unmark(ids)
        states = await catalog.footage.states(ids)
        assert [states[each] for each in ids] == [SegmentState.MISSING, SegmentState.STORED, SegmentState.MISSING]
    await catalog.footage.stored({each: digest(row) for each, row in zip(ids, rows, strict=True)})
    await catalog.expiry.mark(ids, now_us=at(500), **MARK)
    await catalog.expiry.unmark(ids)
    assert set((await catalog.footage.states(ids)).values()) == {SegmentState.STORED}


async def test_only_what_is_marked_can_be_purged(catalog: Catalog, rows: list[Segment]) -> None:
    """The state is checked where it is changed: a mark taken back in between protects."""
    ids = [row.id for row in rows]
    await catalog.expiry.mark(ids[:2], now_us=at(500), **MARK)
    await catalog.expiry.unmark(ids[:1])
    purged = await catalog.expiry.purge(ids)
    assert [row.id for row in purged] == [ids[1]]
    assert [row.id for row in await catalog.expiry.purge(ids)] == [ids[1]]
    assert await catalog.expiry.unmark(ids) == 0


async def test_a_deletion_that_was_begun_is_found_again(catalog: Catalog, rows: list[Segment]) -> None:
    """A killed process leaves `purging` rows to the next one."""
    ids = [row.id for row in rows[:2]]
    await catalog.expiry.mark(ids, now_us=at(500), **MARK)
    await catalog.expiry.purge(ids)
    assert [row.id for row in await catalog.expiry.purging(10)] == ids
    assert len(await catalog.expiry.purging(1)) == 1
    assert await catalog.expiry.candidates(STREAM, marked=True, limit=10) == []


async def test_a_tombstone_remains(catalog: Catalog, rows: list[Segment]) -> None:
    """Row and sample table are gone, the proof stays; again changes nothing."""
    first = rows[0]
    await catalog.expiry.mark([first.id], now_us=at(500), **MARK)
    assert await catalog.expiry.tombstone([first.id], now_us=at(600)) == 0
    await catalog.expiry.purge([first.id])
    assert await catalog.expiry.tombstone([first.id], now_us=at(700)) == 1
    assert await catalog.expiry.tombstone([first.id], now_us=at(800)) == 0
    assert await catalog.expiry.tombstones(STREAM, T0, at(60)) == [
        Tombstone(
            identity=first.identity,
            start_us=first.start_us,
            end_us=first.end_us,
            size_bytes=first.size_bytes,
            sha256=digest(first),
            deleted_us=at(700),
            **MARK,
        )
    ]
    assert await catalog.expiry.tombstones(STREAM, at(60), at(600)) == []
    assert await catalog.footage.states([first.id]) == {first.id: SegmentState.GONE}
    assert await catalog.footage.sample_tables([first.id]) == {}
    assert await catalog.expiry.purging(10) == []


async def test_an_upload_that_ends_after_the_mark_does_not_take_it_back(catalog: Catalog, rows: list[Segment]) -> None:
    """Retention wins: the object goes with the others."""
    last = rows[2]
    await catalog.footage.begin_upload([last.id])
    await catalog.expiry.mark([last.id], now_us=at(500), **MARK)
    await catalog.footage.stored({last.id: digest(last)})
    assert await catalog.footage.states([last.id]) == {last.id: SegmentState.MARKED}
    assert last.id not in [row.id for row in await catalog.footage.waiting(10)]


async def test_missing_footage_expires_as_well(catalog: Catalog, rows: list[Segment]) -> None:
    """Its row must not outlive the policy."""
    await catalog.footage.mark_missing([rows[0].id])
    assert await sequences(catalog, ended_by_us=at(60)) == [0]
    assert await catalog.expiry.mark([rows[0].id], now_us=at(500), **MARK) == 1
    assert (await catalog.footage.segment(rows[0].id)) == replace(
        rows[0], state=SegmentState.MARKED, sha256=digest(rows[0])
    )
