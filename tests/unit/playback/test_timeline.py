"""What is there and what is not, from the rows of catalog and spool."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason
from playback.timeline import SETTLING_US
from storage.spool_reader import DurableMark
from tests.builders_playback import NOON_US, RUN, Archive, Recorded, film

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playback.timeline import Timeline

MINUTE_US = 60_000_000


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    """An archive enabled just before noon; its clock stands a minute later."""
    made = await Archive.create(tmp_path, now_us=NOON_US + MINUTE_US, enabled_at_us=NOON_US - 10_000_000)
    yield made
    await made.close()


def recorded(archive: Archive, seconds: int = 8, **how: int) -> list[Recorded]:
    """So many seconds from `start_us`, two to a segment."""
    return archive.record(film(25 * seconds, gop=25, jitter_ticks=0), gops_per_segment=2, **how)


async def ask(archive: Archive, from_us: int = NOON_US, to_us: int = NOON_US + MINUTE_US) -> Timeline:
    """The timeline of the first minute."""
    return await archive.library.timeline(archive.camera, from_us, to_us)


def intervals(parts: object) -> list[tuple[float, float]]:
    """From and to of some parts, in seconds since noon."""
    return [((part.from_us - NOON_US) / 1e6, (part.to_us - NOON_US) / 1e6) for part in parts]  # type: ignore[attr-defined]


async def test_consecutive_segments_are_one_span(archive: Archive) -> None:
    """Wherever they are: stored, registered, sealed or open in the spool."""
    first, second, third, fourth = recorded(archive)
    stored = await archive.ship(first)
    archive.spool_sealed(second)
    await archive.register(second)
    archive.spool_sealed(third)
    archive.spool_open(fourth, 2)
    (span,) = (await ask(archive)).spans
    assert intervals([span]) == [(0, 8)]
    assert (span.segments, span.damaged) == (4, 0)
    assert span.size_bytes == stored.size_bytes + len(second.sealed + third.sealed + fourth.opened(2))


async def test_what_the_disk_took_from_the_end_of_a_segment_is_no_span(archive: Archive) -> None:
    """The segment after it is of the same span, and does not hide the loss."""
    first, second = recorded(archive, 4)
    archive.spool_open(first, 1)
    await archive.ship(second)
    timeline = await ask(archive)
    assert intervals(timeline.spans) == [(0, 1), (2, 4)]
    assert (1.0, 2.0) in intervals(timeline.gaps) + intervals(timeline.missing)


async def test_of_a_living_run_nothing_counts_past_the_durable_mark(archive: Archive) -> None:
    """The rest up to now is pending."""
    archive.spool_open(recorded(archive, 2)[0], 2)
    archive.hold_run()
    archive.marks[archive.camera.stream] = DurableMark(run=RUN, epoch=1, sequence=0, fragment=0)
    timeline = await ask(archive)
    assert intervals(timeline.spans) == [(0, 1)]
    assert intervals(timeline.pending) == [(1, 60)]


async def test_parts_are_clipped_to_the_range(archive: Archive) -> None:
    """A span says how many of its segments the range touches."""
    for segment in recorded(archive):
        await archive.ship(segment)
    timeline = await ask(archive, NOON_US + 1_500_000, NOON_US + 4_500_000)
    assert intervals(timeline.spans) == [(1.5, 4.5)]
    assert timeline.spans[0].segments == 3


async def test_a_gap_that_is_still_open_lasts_until_now(archive: Archive) -> None:
    """Or to the end of the range, or to footage that the catalog does not know of yet."""
    for segment in recorded(archive, 4):
        await archive.ship(segment)
    await archive.catalog.gaps.stitch(archive.camera.stream, until_us=None, reason=GapReason.UNREACHABLE, detail="down")
    timeline = await ask(archive, to_us=NOON_US + 2 * MINUTE_US)
    assert intervals(timeline.gaps) == [(4, 60)]
    assert (timeline.gaps[0].reason, timeline.gaps[0].detail) == (GapReason.UNREACHABLE, "down")
    assert intervals((await ask(archive, to_us=NOON_US + 10_000_000)).gaps) == [(4, 10)]
    (resumed,) = recorded(archive, 2, start_us=NOON_US + 50_000_000, span=1, first_sequence=2)
    archive.spool_sealed(resumed)
    timeline = await ask(archive)
    assert intervals(timeline.gaps) == [(4, 50)]
    assert intervals(timeline.spans) == [(0, 4), (50, 52)]
    assert intervals(timeline.pending) == [(52, 60)]


async def test_a_hole_that_nobody_declared_is_missing(archive: Archive) -> None:
    """Not at once: for a while its declaration may be on its way. But it is never silent."""
    for start, sequence in ((0, 0), (20, 5)):
        for segment in recorded(
            archive, 4, start_us=NOON_US + start * 1_000_000, first_sequence=sequence, span=sequence
        ):
            archive.spool_sealed(segment)
    timeline = await ask(archive)
    assert intervals(timeline.missing) == [(4, 20)]
    assert intervals(timeline.pending) == [(24, 60)]
    archive.clock.step(NOON_US + 20_000_000 + SETTLING_US - 1 - archive.clock.wall_us())
    timeline = await ask(archive)
    assert intervals(timeline.missing) == []
    assert intervals(timeline.pending)[0] == (4, 20)


async def test_a_lost_object_is_missing(archive: Archive) -> None:
    """And splits its span."""
    segments = [await archive.ship(segment) for segment in recorded(archive, 6)]
    await archive.catalog.footage.mark_missing([segments[1].id])
    timeline = await ask(archive, to_us=NOON_US + 6_000_000)
    assert intervals(timeline.spans) == [(0, 2), (4, 6)]
    assert intervals(timeline.missing) == [(2, 4)]
    assert timeline.missing[0].detail == "the object store does not have it"


async def test_what_is_about_to_be_deleted_looks_deleted(archive: Archive) -> None:
    """Marked, purging and gone: neighbours are one part, and a spool copy brings nothing back."""
    files = recorded(archive, 8)
    segments = [await archive.ship(segment) for segment in files]
    expiry = archive.catalog.expiry
    ids = [segment.id for segment in segments[:3]]
    await expiry.mark(ids, now_us=NOON_US, policy="default", reason="older than 62 d")
    assert intervals((await ask(archive, to_us=NOON_US + 8_000_000)).expired) == [(0, 6)]
    await expiry.purge(ids[:2])
    assert intervals((await ask(archive, to_us=NOON_US + 8_000_000)).expired) == [(0, 6)]
    await expiry.tombstone(ids[:1], now_us=NOON_US)
    archive.spool_sealed(files[0])
    archive.spool_sealed(files[1])
    timeline = await ask(archive, to_us=NOON_US + 8_000_000)
    assert intervals(timeline.expired) == [(0, 6)]
    assert intervals(timeline.spans) == [(6, 8)]


async def test_before_a_camera_was_enabled_nothing_is_expected(archive: Archive) -> None:
    """No part covers the hour before."""
    timeline = await ask(archive, NOON_US - 60 * MINUTE_US, NOON_US + MINUTE_US)
    assert intervals(timeline.gaps) == [(-10, 60)]
    assert not timeline.missing
    assert not timeline.pending


async def test_a_disabled_camera_owes_nothing(archive: Archive) -> None:
    """What follows its last footage is a gap with that reason, declared or not."""
    for segment in recorded(archive, 2):
        await archive.ship(segment)
    archive.camera = replace(archive.camera, enabled=False)
    timeline = await ask(archive)
    assert [gap.reason for gap in timeline.gaps] == [GapReason.CAMERA_DISABLED]
    assert intervals(timeline.gaps) == [(2, 60)]


async def test_the_end_of_a_past_range_is_missing_only_if_more_is_known_after_it(archive: Archive) -> None:
    """Otherwise the host that recorded it may be away, and it is pending."""
    archive.clock.step(30 * 24 * 60 * MINUTE_US)
    for segment in recorded(archive, 4):
        await archive.ship(segment)
    assert intervals((await ask(archive)).pending) == [(4, 60)]
    (later,) = recorded(archive, 2, start_us=NOON_US + 9 * 24 * 60 * MINUTE_US, run=RUN + 1)
    archive.spool_sealed(later)
    timeline = await ask(archive)
    assert intervals(timeline.missing) == [(4, 60)]
    assert not timeline.pending


async def test_damage_is_counted_by_segment(archive: Archive) -> None:
    """Lost packets are no gap."""
    for segment in recorded(archive, 4, lost_packets=3):
        archive.spool_sealed(segment)
    assert (await ask(archive)).spans[0].damaged == 2


async def test_the_json_is_the_public_contract(archive: Archive) -> None:
    """Names, order and the spelling of instants."""
    for segment in recorded(archive, 2):
        await archive.ship(segment)
    await archive.catalog.gaps.stitch(archive.camera.stream, until_us=None, reason=GapReason.STALLED)
    document = (await ask(archive, NOON_US, NOON_US + 3_000_000)).to_json()
    assert list(document) == ["camera", "from", "to", "spans", "gaps", "expired", "missing", "pending", "events"]
    assert document["camera"] == str(archive.camera.id)
    assert (document["from"], document["to"]) == ("2026-11-18T12:00:00.000000Z", "2026-11-18T12:00:03.000000Z")
    assert document["gaps"] == [
        {
            "from": "2026-11-18T12:00:02.000000Z",
            "to": "2026-11-18T12:00:03.000000Z",
            "reason": "stalled",
            "detail": "",
        }
    ]
    (span,) = document["spans"]
    assert span == {
        "from": "2026-11-18T12:00:00.000000Z",
        "to": "2026-11-18T12:00:02.000000Z",
        "segments": 1,
        "bytes": span["bytes"],
        "damaged": 0,
    }
