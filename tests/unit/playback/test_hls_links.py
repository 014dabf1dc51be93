"""Playlists whose entries are links into the bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import urllib3

from media.errors import UsageError
from playback.library import Library
from storage.clock import FakeClock, HostClock
from storage.s3_store import HOUR_US, S3Store
from tests.builders_playback import NOON_US, Archive, film
from tests.ceph_server import SECRET_KEY, shared_ceph

PREFIX = "/api/v1/segments/"


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    """In a bucket."""
    store = S3Store(shared_ceph().address(prefix="city/"), HostClock())
    made = await Archive.create(tmp_path, now_us=NOON_US + HOUR_US, enabled_at_us=NOON_US - HOUR_US, store=store)
    yield made
    await made.close()


def linking(archive: Archive) -> Library:
    """A library that offers links."""
    assert isinstance(archive.store, S3Store)
    return Library(archive.catalog, archive.store, archive.spool, archive.clock, archive.store.link)


def asked(uri: str, first: int, length: int) -> tuple[int, bytes]:
    """What the store says to somebody without any key."""
    with urllib3.PoolManager() as nobody:
        answer = nobody.request("GET", uri, headers={"Range": f"bytes={first}-{first + length - 1}"}, retries=False)
        return answer.status, answer.data


async def test_what_is_stored_is_played_from_the_bucket(archive: Archive) -> None:
    """Its ranges are the segment's bytes; what waits in the spool comes from the server, in the same playlist."""
    stored, waiting = archive.record(film(40))[:2]
    await archive.ship(stored)
    archive.spool_sealed(waiting)
    playlist = await linking(archive).playlist(archive.camera, NOON_US, waiting.end_us, PREFIX, direct=True)
    lines = playlist.splitlines()
    entries = [
        (lines[at + 1], *map(int, line.partition(":")[2].split("@")))
        for at, line in enumerate(lines)
        if line.startswith("#EXT-X-BYTERANGE:")
    ]
    assert [uri.startswith("http") for uri, _, _ in entries] == [True] * (len(entries) - 1) + [False]
    for uri, length, offset in entries[:-1]:
        assert asked(uri, offset, length) == (206, stored.sealed[offset : offset + length])
        assert SECRET_KEY not in uri
        assert asked(uri.replace("city/", "city/x"), offset, length)[0] == 403
        assert asked(uri.partition("?")[0], offset, length)[0] == 403
    assert 'EXT-X-MAP:URI="http' in playlist


async def test_a_link_is_the_same_for_an_hour_and_ends_after_a_day(archive: Archive) -> None:
    """A playlist that grows keeps its entries; a link that was passed on is worth nothing tomorrow."""
    (segment,) = archive.record(film(20))
    key = (await archive.ship(segment)).key
    store, now_us = archive.store, HostClock().wall_us()
    assert isinstance(store, S3Store)

    def at(back_us: int) -> str:
        other = S3Store(store._requests.address, FakeClock(wall_us=now_us - back_us))
        try:
            return other.link(key)
        finally:
            other.close()

    hour_us = now_us % HOUR_US
    assert at(hour_us) == at(hour_us - HOUR_US + 1) != at(hour_us + 1)
    assert asked(at(22 * HOUR_US), 0, 4)[0] == 206
    assert asked(at(25 * HOUR_US), 0, 4)[0] == 403


async def test_links_are_given_where_they_are_offered(archive: Archive) -> None:
    """And only to those who ask."""
    (segment,) = archive.record(film(20))
    await archive.ship(segment)
    with pytest.raises(UsageError, match="not offered"):
        await archive.library.playlist(archive.camera, NOON_US, segment.end_us, PREFIX, direct=True)
    assert "http" not in await linking(archive).playlist(archive.camera, NOON_US, segment.end_us, PREFIX)
