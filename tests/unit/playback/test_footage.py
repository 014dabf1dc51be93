"""Segments wherever they are: merged by identity, read from whatever place has them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from media.errors import NotFound, ObjectMissing, ObjectStoreError
from playback.footage import MergedFootage
from playback.library import Library
from storage import layout
from storage.model import SegmentState
from tests.builders_playback import NOON_US, RUN, Archive, film, whole

if TYPE_CHECKING:
    pass

HOUR_US = 3_600_000_000


def merged(archive: Archive) -> MergedFootage:
    """Catalog, object store and spool of the archive."""
    return MergedFootage(archive.catalog.footage, archive.store, archive.spool)


async def test_a_segment_in_both_places_is_one_and_the_catalog_wins(archive: Archive) -> None:
    """Its state is the catalog's; what the catalog does not know yet is spooled."""
    first, second, third = archive.record(film(60))
    await archive.ship(first)
    archive.spool_sealed(first)
    archive.spool_sealed(second)
    archive.spool_open(third, 1)
    found = await merged(archive).segments(archive.camera.stream, NOON_US, NOON_US + HOUR_US)
    assert [segment.identity for segment in found] == [first.identity, second.identity, third.identity]
    assert [segment.state for segment in found] == [SegmentState.STORED, SegmentState.SPOOLED, SegmentState.SPOOLED]


async def test_runs_are_played_one_after_the_other_and_each_by_sequence(archive: Archive) -> None:
    """Even if the clock was set back in the middle of a run."""
    early = archive.record(film(40), start_us=NOON_US + 60_000_000)
    late = archive.record(film(40), start_us=NOON_US + 30_000_000, span=1, first_sequence=2)
    other = archive.record(film(20), start_us=NOON_US + 45_000_000, run=RUN + 1)
    for segment in (*early, *late, *other):
        archive.spool_sealed(segment)
    found = await merged(archive).segments(archive.camera.stream, NOON_US, NOON_US + HOUR_US)
    assert [(segment.identity.run - RUN, segment.identity.sequence) for segment in found] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 0),
    ]


async def test_bytes_of_a_timeline_are_those_of_its_range(archive: Archive) -> None:
    """A second of a minute is not told as the whole minute, in catalog and spool alike."""
    first, second, third = archive.record(film(60))
    await archive.ship(first)
    archive.spool_sealed(second)
    archive.spool_sealed(third)

    async def told(from_us: int, to_us: int) -> int:
        timeline = await archive.library.timeline(archive.camera, from_us, to_us)
        return sum(span.size_bytes for span in timeline.spans)

    for start_us, segment in ((NOON_US, first), (first.end_us, second)):
        everything = len(segment.sealed)
        assert 0 < await told(start_us, start_us + 1000) < everything * 3 // 4, "its first fragment"
        assert 0 < await told(segment.end_us - 1000, segment.end_us) < everything * 3 // 4, "its last"
    whole_bytes = sum(len(segment.sealed) for segment in (first, second, third))
    assert await told(NOON_US, third.end_us) == whole_bytes
    assert await told(NOON_US + 1, third.end_us) < whole_bytes


async def test_without_a_spool_the_catalog_is_all_there_is(archive: Archive) -> None:
    """A host that only serves."""
    first, second = archive.record(film(40))
    await archive.ship(first)
    archive.spool_sealed(second)
    library = Library(archive.catalog, archive.store, None, archive.clock)
    video = await library.video(archive.camera, NOON_US, first.end_us)
    assert video.frames == 20
    assert len(await whole(video)) == video.size_bytes


async def test_a_segment_file_is_what_was_recorded(archive: Archive) -> None:
    """From the object store, the spool, and a file that is still growing; each length has its own tag."""
    first, second, third = archive.record(film(60))
    await archive.ship(first)
    archive.spool_sealed(second)
    archive.spool_open(third, 1)
    tags = set()
    for segment, content in ((first, first.sealed), (second, second.sealed), (third, third.opened(1))):
        file = await archive.library.segment_bytes(segment.identity.segment_id)
        assert file.size_bytes == len(content)
        assert await whole(file) == content
        assert b"".join([piece async for piece in file.read(100, 205)]) == content[100:205]
        tags.add(file.etag)
    archive.spool_open(third, 2)
    tags.add((await archive.library.segment_bytes(third.identity.segment_id)).etag)
    assert len(tags) == 4


async def test_a_segment_that_nobody_has_is_not_found(archive: Archive) -> None:
    """Neither is one that was deleted, though its spool copy lingers."""
    (recorded,) = archive.record(film(20))
    with pytest.raises(NotFound, match="no segment"):
        await archive.library.segment_bytes(uuid4())
    segment = await archive.ship(recorded)
    expiry = archive.catalog.expiry
    await expiry.mark([segment.id], now_us=NOON_US, policy="default", reason="old")
    with pytest.raises(NotFound, match="deleted by policy"):
        await archive.library.segment_bytes(segment.id)
    await expiry.purge([segment.id])
    await expiry.tombstone([segment.id], now_us=NOON_US)
    archive.spool_sealed(recorded)
    with pytest.raises(NotFound):
        await archive.library.segment_bytes(segment.id)


async def test_a_lost_object_fails_the_read_and_names_the_key(archive: Archive) -> None:
    """Lost altogether, or cut short."""
    (recorded,) = archive.record(film(20))
    segment = await archive.ship(recorded)
    video = await archive.library.video(archive.camera, NOON_US, recorded.end_us)
    content = recorded.sealed
    await archive.store.delete(segment.key)
    await archive.store.put_bytes(segment.key, content[: len(content) // 2])
    with pytest.raises(ObjectStoreError, match=segment.key):
        await whole(video)
    await archive.store.delete(segment.key)
    with pytest.raises(ObjectMissing, match=segment.key):
        await whole(video)


async def test_footage_that_is_deleted_while_it_is_read_says_so(archive: Archive) -> None:
    """The table went with the row."""
    (recorded,) = archive.record(film(20))
    segment = await archive.ship(recorded)
    video = await archive.library.video(archive.camera, NOON_US, recorded.end_us)
    expiry = archive.catalog.expiry
    await expiry.mark([segment.id], now_us=NOON_US, policy="default", reason="old")
    await expiry.purge([segment.id])
    await expiry.tombstone([segment.id], now_us=NOON_US)
    with pytest.raises(NotFound, match="deleted while it was read"):
        await whole(video)


async def test_a_segment_registered_in_the_middle_of_a_look_is_not_overlooked(archive: Archive) -> None:
    """Its spool copy goes between listing and reading: the table comes from the catalog, the bytes from the store."""
    (recorded,) = archive.record(film(20))
    archive.spool_sealed(recorded)
    footage = merged(archive)
    (segment,) = await footage.segments(archive.camera.stream, NOON_US, NOON_US + HOUR_US)
    await archive.ship(recorded)
    assert not layout.sealed_path(archive.root / "spool", recorded.identity).exists()
    assert await footage.tables([segment])
    async with footage.open(segment) as stored:
        assert await stored.read_at(0, segment.size_bytes) == recorded.sealed
