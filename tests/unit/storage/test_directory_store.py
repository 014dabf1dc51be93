"""What the directory store promises beyond the contract: links, copies across disks, durable names."""

from __future__ import annotations

import asyncio
import errno
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from media.errors import ObjectConflict, ObjectMissing, ObjectStoreError
from storage.directory_store import DirectoryStore
from tests.builders_spool import FileSeam

if TYPE_CHECKING:
    from pathlib import Path

KEY = "v1/camera/stream/2027/01/15/08/one.mp4"


async def put(store: DirectoryStore, path: Path, content: bytes = b"footage") -> None:
    """Store these bytes from a file."""
    await asyncio.to_thread(path.write_bytes, content)
    await store.put_file(KEY, path, sha256=sha256(content).digest(), size_bytes=len(content))


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """A store in a directory that is not there yet."""
    return DirectoryStore(tmp_path / "objects")


def across_disks(times: int = 1) -> FileSeam:
    """File operations under which the spool is on another disk."""
    seam = FileSeam()
    seam.fail("link", "/file", errno.EXDEV, times=times)
    return seam


async def test_on_one_disk_nothing_is_written_twice(store: DirectoryStore, tmp_path: Path) -> None:
    """The object is a second name of the spool's file."""
    await put(store, tmp_path / "file")
    assert (tmp_path / "file").samefile(tmp_path / "objects" / KEY)


async def test_every_name_on_the_way_is_durable_before_the_promise(store: DirectoryStore, tmp_path: Path) -> None:
    """Each new directory is synced into its parent before anything is put into it, the object's name last."""
    seam = FileSeam()
    with seam.installed():
        await put(store, tmp_path / "file")
    operations = [(event.operation, event.path.name) for event in seam.events if "sync" in event.operation]
    parents = ["objects", *KEY.split("/")[:-1]]
    assert operations == [("sync_directory", name) for name in [tmp_path.name, *parents]]
    assert seam.operations()[-2:] == ["close", "sync_directory"]
    link = next(index for index, event in enumerate(seam.events) if event.operation == "link")
    assert [event.path.name for event in seam.events[link:] if event.operation == "sync_directory"] == ["08"]


async def test_a_directory_of_another_process_is_made_durable_as_well(store: DirectoryStore, tmp_path: Path) -> None:
    """It may have died between making and syncing it."""
    (tmp_path / "objects" / KEY).parent.mkdir(parents=True)
    seam = FileSeam()
    with seam.installed():
        await put(store, tmp_path / "file")
    synced = [event.path.name for event in seam.events if event.operation == "sync_directory"]
    assert synced == [tmp_path.name, "objects", *KEY.split("/")[:-1]]


async def test_across_disks_the_file_is_copied_and_compared(store: DirectoryStore, tmp_path: Path) -> None:
    """Under a draft's name that no listing shows, durable before it is linked, and gone afterwards."""
    seam = across_disks()
    with seam.installed():
        await put(store, tmp_path / "file", b"x" * 3_000_000)
    assert await store.read(KEY, 0, 1 << 22) == b"x" * 3_000_000
    assert not (tmp_path / "file").samefile(tmp_path / "objects" / KEY)
    assert [path.name for path in (tmp_path / "objects" / KEY).parent.iterdir()] == ["one.mp4"]
    order = [event.operation for event in seam.events if event.operation in {"datasync", "link"}]
    assert order == ["datasync", "link"]


async def test_a_copy_that_differs_from_its_hash_is_not_stored(store: DirectoryStore, tmp_path: Path) -> None:
    """A disk that reads other bytes than were hashed must not get away with it."""
    (tmp_path / "file").write_bytes(b"footage")
    with across_disks().installed(), pytest.raises(ObjectStoreError, match="does not have the bytes"):
        await store.put_file(KEY, tmp_path / "file", sha256=bytes(32), size_bytes=7)
    assert [path.name for path in (tmp_path / "objects" / KEY).parent.iterdir()] == []


async def test_a_full_disk_stores_nothing_and_leaves_nothing(store: DirectoryStore, tmp_path: Path) -> None:
    """The draft is removed, the error named, and the next attempt succeeds."""
    seam = across_disks(2)
    seam.fail("append", "draft", errno.ENOSPC)
    with seam.installed():
        with pytest.raises(ObjectStoreError, match="No space left"):
            await put(store, tmp_path / "file")
        with pytest.raises(ObjectMissing):
            await store.stat(KEY)
        await put(store, tmp_path / "file")
    assert [path.name for path in (tmp_path / "objects" / KEY).parent.iterdir()] == ["one.mp4"]


async def test_a_copy_never_replaces_an_object(store: DirectoryStore, tmp_path: Path) -> None:
    """Linking refuses a name that exists."""
    await put(store, tmp_path / "first", b"FOOTAGE")
    with across_disks().installed(), pytest.raises(ObjectConflict):
        await put(store, tmp_path / "file", b"footage")
    assert await store.read(KEY, 0, 7) == b"FOOTAGE"


async def test_deleting_the_last_object_removes_its_directories(store: DirectoryStore, tmp_path: Path) -> None:
    """62 days of hours of 220 cameras would otherwise be there for ever; a neighbour keeps what it needs."""
    await put(store, tmp_path / "file")
    neighbour = "v1/camera/stream/2027/01/16/08/two.mp4"
    await store.put_file(neighbour, tmp_path / "file", sha256=sha256(b"footage").digest(), size_bytes=7)
    await store.delete(KEY)
    assert not (tmp_path / "objects/v1/camera/stream/2027/01/15").exists()
    assert await store.read(neighbour, 0, 7) == b"footage"
    await store.delete(neighbour)
    assert list((tmp_path / "objects").iterdir()) == []
    await put(store, tmp_path / "file")


async def test_a_failing_disk_is_an_error_of_the_store(store: DirectoryStore, tmp_path: Path) -> None:
    """Never an object that is missing: nobody may conclude that footage is gone."""
    await put(store, tmp_path / "file")
    seam = FileSeam()
    seam.fail("open_read", "one.mp4", errno.EIO, times=2)
    with seam.installed():
        for answer in (store.stat(KEY), store.read(KEY, 0, 1)):
            with pytest.raises(ObjectStoreError, match="Input/output error") as caught:
                await answer
            assert not isinstance(caught.value, ObjectMissing)
