"""The catalog port, outbox: what changes is told, once, in an unbroken chain (I6)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from media.errors import ConfigError, GapReason
from storage import journal
from storage.catalog_journal import MOST_MARKS, NOTHING_BEFORE, Told, read_object
from storage.catalog_journal_rows import event_of, gap_of, policy_of, site_of, tombstone_of, values_of
from storage.model import Policy
from tests.builders_catalog import CAMERA, POLICY, RUN, STREAM, T0, Journal, at, desired, digest, segment, site

if TYPE_CHECKING:
    from storage.catalog import Catalog

WRITER = 0xABC


async def told(catalog: Catalog) -> list[dict[str, Any]]:
    """Everything that waits, as records, in as many objects as it takes."""
    records: list[dict[str, Any]] = []
    while composed := await catalog.outbox.compose(writer=WRITER, now_us=at(0)):
        records += read_object(composed.key, composed.content).records
        await catalog.outbox.written(composed.sequence)
    return records


def of(noun: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of a noun."""
    return [record for record in records if record["noun"] == noun]


async def cameras(catalog: Catalog) -> None:
    """One camera."""
    await catalog.inventory.apply([site(desired("gate", id=CAMERA), networks=("10.17.0.0/24",))], [POLICY])


async def test_an_empty_catalog_has_nothing_to_tell(catalog: Catalog) -> None:
    """And knows whose journal it would be."""
    assert await catalog.outbox.compose(writer=WRITER, now_us=at(0)) is None
    backlog, head = await catalog.outbox.backlog(), await catalog.outbox.head()
    assert (backlog.changes, backlog.nouns, backlog.composed) == (0, frozenset(), False)
    assert (head.sequence, head.sha256, head.composed_us) == (0, NOTHING_BEFORE, 0)


async def test_what_a_person_wants_is_told(catalog: Catalog) -> None:
    """Sites, policies, cameras and their streams, each field as the catalog has it; credentials sealed."""
    await cameras(catalog)
    assert (await catalog.outbox.backlog()).nouns == {"site", "policy", "stream", "camera", "gap"}
    records = await told(catalog)
    (camera,) = await catalog.inventory.cameras()
    assert [site_of(record) for record in of("site", records)] == await catalog.inventory.sites()
    assert [policy_of(record) for record in of("policy", records)] == [POLICY]
    (stream,) = map(values_of, of("stream", records))
    assert stream == {"id": STREAM, "camera": CAMERA, "epoch": 1, "expected_since_us": camera.expected_since_us}
    (row,) = map(values_of, of("camera", records))
    assert (row["name"], row["enabled"], row["transport"], row["policy"]) == ("gate", True, "tcp", "default")
    assert b"hunter2" not in row["sealed_url"]


async def test_a_change_is_told_anew_and_what_does_not_change_is_not(catalog: Catalog) -> None:
    """A dry run, a refused change and an apply that finds nothing to do leave no trace."""
    await cameras(catalog)
    await told(catalog)
    await cameras(catalog)
    await catalog.inventory.apply([site(desired("door", id=CAMERA))], [POLICY], dry_run=True)
    with pytest.raises(ConfigError):
        await catalog.inventory.apply([site(desired("gate"), desired("gate"))], [Policy(name="new", keep_max_us=1)])
    assert await told(catalog) == []
    await catalog.inventory.remove("gate")
    records = await told(catalog)
    assert [record["enabled"] for record in of("camera", records)] == [False]
    assert [record["reason"] for record in of("gap", records) if "removed" not in record] == ["camera_disabled"]


async def test_gaps_are_told_as_they_are_at_last(catalog: Catalog) -> None:
    """Those that moved, ended or gave way to footage in between are told once; those that went, as removed."""
    book = Journal()
    book.stream_start(0)
    book.gap_close(1)
    book.gap_open(5, GapReason.STALLED, detail="nothing for 8 s")
    await catalog.gaps.import_journal(RUN, book.records)
    first = [gap_of(record) for record in of("gap", await told(catalog)) if "removed" not in record]
    assert first == await catalog.gaps.gaps(STREAM, T0 - 1, at(1000))
    await catalog.footage.register([(segment(0, 5), b"samples")])
    removed = [record for record in of("gap", await told(catalog)) if record.get("removed")]
    assert removed == [{"noun": "gap", "stream": str(STREAM), "start_us": at(0), "removed": True}]


async def test_runs_and_events_are_told_but_not_every_span(catalog: Catalog) -> None:
    """How far a run was imported too, so that what is left of it can be imported by another catalog."""
    book = Journal()
    book.stream_start(0)
    book.add(journal.span_start(stream=STREAM, span=0, at_us=at(1), codec="avc1", width=1, height=1))
    book.add(journal.clock_step(at_us=at(2), step_us=700_000))
    await catalog.gaps.import_journal(RUN, book.records)
    records = await told(catalog)
    (run,) = map(values_of, of("run", records))
    assert (run["run"], run["host"], run["journal_offset"]) == (RUN, "rec-1", book.records[-1].end_offset)
    assert [values_of(record) for record in of("run_stream", records)] == [
        {"run": RUN, "stream": STREAM, "started_us": at(0)}
    ]
    events = [event for event in await catalog.gaps.events(STREAM, T0, at(10)) if event.kind != "span_start"]
    assert [event_of(record) for record in of("event", records)] == events
    assert [event.kind for event in events] == ["clock_step"]


async def test_tombstones_and_lost_objects_are_told(catalog: Catalog) -> None:
    """What cannot be learnt from the objects, because there is none. One that is found again is missing no longer."""
    kept, lost = segment(0, 60, 0), segment(60, 120, 1)
    await catalog.footage.register([(kept, b""), (lost, b"")])
    await catalog.footage.begin_upload([kept.id, lost.id])
    await catalog.footage.stored({kept.id: digest(kept), lost.id: digest(lost)})
    await told(catalog)
    await catalog.footage.mark_missing([lost.id])
    (missing,) = map(values_of, of("missing", await told(catalog)))
    assert (missing["id"], missing["start_us"], missing["sha256"]) == (lost.id, lost.start_us, digest(lost))
    await catalog.footage.stored({lost.id: digest(lost)})
    await catalog.expiry.mark([kept.id], now_us=at(200), policy="default", reason="old")
    await catalog.expiry.purge([kept.id])
    await catalog.expiry.tombstone([kept.id], now_us=at(300))
    records = await told(catalog)
    assert of("missing", records) == [{"noun": "missing", "id": str(lost.id), "removed": True}]
    assert [tombstone_of(record) for record in of("tombstone", records)] == await catalog.expiry.tombstones(
        STREAM, T0, at(1000)
    )


async def test_footage_that_is_stored_is_not_told(catalog: Catalog) -> None:
    """Its objects tell it: the journal grows with what happens, not with what is recorded."""
    rows = [segment(start, start + 60, start // 60) for start in range(0, 600, 60)]
    await catalog.footage.register([(rows[0], b"")])
    await told(catalog)
    await catalog.footage.register([(row, b"") for row in rows])
    await catalog.footage.begin_upload([row.id for row in rows])
    await catalog.footage.stored({row.id: digest(row) for row in rows})
    assert await told(catalog) == []


async def test_an_object_stays_the_same_until_it_is_written(catalog: Catalog) -> None:
    """Whoever tries again, and whatever changed meanwhile: the same bytes under the same key. Then comes the next."""
    await cameras(catalog)
    first = await catalog.outbox.compose(writer=WRITER, now_us=at(0))
    await catalog.inventory.remove("gate")
    again = await catalog.outbox.compose(writer=WRITER + 1, now_us=at(9))
    assert first is not None
    assert again == first
    assert (await catalog.outbox.backlog()).composed
    await catalog.outbox.written(first.sequence)
    await catalog.outbox.written(first.sequence)
    assert not (await catalog.outbox.backlog()).composed
    following = await catalog.outbox.compose(writer=WRITER + 1, now_us=at(9))
    assert following is not None
    assert (following.sequence, following.key > first.key) == (2, True)


async def test_all_who_compose_at_once_get_the_same_object(catalog: Catalog) -> None:
    """Several hosts ship into one catalog: one chain, and whoever puts first puts what the others would."""
    await cameras(catalog)
    composed = await asyncio.gather(*(catalog.outbox.compose(writer=writer, now_us=at(writer)) for writer in range(8)))
    assert len(set(composed)) == 1
    assert (await catalog.outbox.head()).sequence == 1
    assert (await catalog.outbox.backlog()).changes == 0


async def test_the_objects_are_a_chain(catalog: Catalog) -> None:
    """Each names the one before by its hash, and all the same catalog; the head is the last one."""
    objects: list[Told] = []
    for number in range(3):
        await catalog.inventory.apply([], [Policy(name="p", keep_max_us=1 + number)])
        composed = await catalog.outbox.compose(writer=WRITER, now_us=at(number))
        assert composed is not None
        objects.append(read_object(composed.key, composed.content))
        await catalog.outbox.written(composed.sequence)
    head = await catalog.outbox.head()
    assert [each.previous for each in objects] == [NOTHING_BEFORE, *(each.sha256 for each in objects[:2])]
    assert [each.sequence for each in objects] == [1, 2, 3]
    assert {each.catalog for each in objects} == {head.catalog}
    assert isinstance(head.catalog, UUID)
    assert (head.sequence, head.sha256, head.composed_us) == (3, objects[-1].sha256, at(2))


async def test_an_object_is_bounded(catalog: Catalog) -> None:
    """So many changes and no more; the rest comes in the next, the oldest first, nothing twice and nothing left out."""
    names = [f"p{number:04}" for number in range(2 * MOST_MARKS + 7)]
    for first in range(0, len(names), 500):
        some = names[first : first + 500]
        await catalog.inventory.apply([], [Policy(name=name, keep_max_us=1) for name in some])
    sizes, seen = [], []
    while composed := await catalog.outbox.compose(writer=WRITER, now_us=at(0)):
        records = read_object(composed.key, composed.content).records
        sizes.append(len(records))
        seen += [record["name"] for record in records]
        await catalog.outbox.written(composed.sequence)
    assert sizes == [MOST_MARKS, MOST_MARKS, 7]
    assert sorted(seen) == names
