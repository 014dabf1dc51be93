"""The contract of `storage.objects.ObjectStore`."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from media.errors import ObjectConflict, ObjectMissing, ObjectStoreError
from media.identity import object_key
from storage.objects import ObjectStat
from tests.builders_catalog import at, identity

if TYPE_CHECKING:
    from pathlib import Path

    from storage.objects import ObjectStore

KEY = object_key(identity(), at(0))


async def put(store: ObjectStore, path: Path, content: bytes, key: str = KEY) -> None:
    """Store these bytes from a file."""
    await asyncio.to_thread(path.write_bytes, content)
    await store.put_file(key, path, sha256=sha256(content).digest(), size_bytes=len(content))


async def listed(store: ObjectStore, prefix: str) -> list[str]:
    """The keys below a prefix."""
    return [each.key async for each in store.list(prefix)]


async def test_what_was_put_can_be_read(store: ObjectStore, tmp_path: Path) -> None:
    """As a whole, in ranges, and past its end."""
    await put(store, tmp_path / "file", b"0123456789")
    assert await store.stat(KEY) == ObjectStat(key=KEY, size_bytes=10)
    assert await store.read(KEY, 0, 10) == b"0123456789"
    assert await store.read(KEY, 3, 4) == b"3456"
    assert await store.read(KEY, 8, 100) == b"89"
    assert await store.read(KEY, 10, 1) == b""


async def test_the_source_may_go_after_a_put(store: ObjectStore, tmp_path: Path) -> None:
    """The object does not depend on the spool."""
    await put(store, tmp_path / "file", b"footage")
    (tmp_path / "file").unlink()
    assert await store.read(KEY, 0, 100) == b"footage"


async def test_putting_again_is_success(store: ObjectStore, tmp_path: Path) -> None:
    """An answer that was lost is asked for again, also by a file that is a copy of the first."""
    await put(store, tmp_path / "file", b"footage")
    await store.put_file(KEY, tmp_path / "file", sha256=sha256(b"footage").digest(), size_bytes=7)
    await put(store, tmp_path / "copy", b"footage")
    assert await listed(store, "v1/") == [KEY]


async def test_other_bytes_under_the_same_key_are_refused(store: ObjectStore, tmp_path: Path) -> None:
    """Whatever was there stays as it is, also if the size is the same."""
    await put(store, tmp_path / "file", b"footage")
    for other in (b"FOOTAGE", b"footage and more"):
        with pytest.raises(ObjectConflict):
            await put(store, tmp_path / "other", other)
    assert await store.read(KEY, 0, 100) == b"footage"


async def test_bytes_are_put_as_files_are(store: ObjectStore, tmp_path: Path) -> None:
    """Once; the same again is success, by either way; other bytes are refused, and nothing else is left there."""
    for _ in range(2):
        await store.put_bytes(KEY, b"journal")
    await put(store, tmp_path / "file", b"journal")
    for other in (b"JOURNAL", b"journal and more", b""):
        with pytest.raises(ObjectConflict):
            await store.put_bytes(KEY, other)
    assert await store.read(KEY, 0, 100) == b"journal"
    assert await listed(store, "") == [KEY]


async def test_what_is_not_there_is_missing(store: ObjectStore, tmp_path: Path) -> None:
    """Also a prefix of a key, and a key below an object."""
    await put(store, tmp_path / "file", b"footage")
    for key in (object_key(identity(1), at(0)), KEY.rpartition("/")[0], f"{KEY}/below"):
        with pytest.raises(ObjectMissing):
            await store.stat(key)
        with pytest.raises(ObjectMissing):
            await store.read(key, 0, 1)


async def test_deleting_is_idempotent(store: ObjectStore, tmp_path: Path) -> None:
    """What is not there counts as deleted; neighbours stay."""
    neighbour = object_key(identity(1), at(60))
    await put(store, tmp_path / "file", b"footage")
    await put(store, tmp_path / "next", b"more", neighbour)
    for _ in range(2):
        await store.delete(KEY)
    with pytest.raises(ObjectMissing):
        await store.stat(KEY)
    assert await listed(store, "") == [neighbour]
    await put(store, tmp_path / "file", b"footage")
    assert await store.read(KEY, 0, 7) == b"footage"


async def test_a_listing_is_complete_and_in_order(store: ObjectStore, tmp_path: Path) -> None:
    """Byte order of the keys, at any prefix, whether it ends at a slash or not."""
    keys = ["v1/a-b/1.mp4", "v1/a/1.mp4", "v1/a/12.mp4", "v1/a/2.mp4", "v1/b/x/y/z.mp4", "v2/a.mp4", "v1/a.mp4"]
    for number, key in enumerate(keys):
        await put(store, tmp_path / f"file{number}", key.encode(), key)
    assert await listed(store, "") == sorted(keys)
    assert await listed(store, "v1/a/") == ["v1/a/1.mp4", "v1/a/12.mp4", "v1/a/2.mp4"]
    assert await listed(store, "v1/a/1") == ["v1/a/1.mp4", "v1/a/12.mp4"]
    assert await listed(store, "v1/a") == sorted(key for key in keys if key.startswith("v1/a"))
    assert await listed(store, "v1/b/x/y/z.mp4") == ["v1/b/x/y/z.mp4"]
    assert await listed(store, "v3/") == []
    assert {each.key: each.size_bytes async for each in store.list("v2/")} == {"v2/a.mp4": 8}


async def test_an_empty_store_lists_nothing(store: ObjectStore) -> None:
    """Before the first object there may not even be a place for them."""
    assert await listed(store, "v1/") == []
    await store.delete(KEY)


async def test_many_puts_at_once(store: ObjectStore, tmp_path: Path) -> None:
    """Also of the same key: one object comes of it."""
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(put(store, tmp_path / f"file{number}", b"same"))
            group.create_task(put(store, tmp_path / f"own{number}", b"%d" % number, f"v1/own/{number}.mp4"))
    assert await store.read(KEY, 0, 10) == b"same"
    assert len(await listed(store, "v1/")) == 21


async def test_keys_lead_nowhere_else(store: ObjectStore, tmp_path: Path) -> None:
    """No key is a way out of the store."""
    (tmp_path / "secret").write_bytes(b"secret")
    for key in ("../secret", "v1/../../secret", "/etc/passwd", "v1//a", "", ".", "v1/.hidden", "v1/a\0b", "v1/a/"):
        with pytest.raises(ObjectStoreError):
            await store.read(key, 0, 10)
        with pytest.raises(ObjectStoreError):
            await put(store, tmp_path / "file", b"x", key)
        with pytest.raises(ObjectStoreError):
            await store.delete(key)


async def test_a_source_that_is_gone_is_an_error(store: ObjectStore, tmp_path: Path) -> None:
    """And not an object that is missing."""
    with pytest.raises(ObjectStoreError) as caught:
        await store.put_file(KEY, tmp_path / "none", sha256=bytes(32), size_bytes=1)
    assert not isinstance(caught.value, ObjectMissing)
    assert await listed(store, "") == []


async def test_a_source_of_another_size_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    """What the caller says and what is there must agree before anything is promised."""
    (tmp_path / "file").write_bytes(b"footage")
    with pytest.raises(ObjectStoreError):
        await store.put_file(KEY, tmp_path / "file", sha256=sha256(b"footage").digest(), size_bytes=8)
