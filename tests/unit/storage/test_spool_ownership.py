"""Whose disk a spool lies on: made once, remembered, and refused where it is not ours."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from media.errors import SpoolError
from storage.layout import Layout
from storage.spool_identity import read_identity, read_installation
from storage.spool_ownership import accept_disk, require_own_disk
from tests.builders_spool import FileSeam, Stopped, tree
from tests.small_disk import Ext4Disk

if TYPE_CHECKING:
    from pathlib import Path

HOST = "rec-1"
_DURABLE = {"datasync", "link", "sync_directory"}
_PID = os.getpid()


@pytest.fixture
def data(tmp_path: Path) -> Layout:
    """A new data directory."""
    return _new(tmp_path / "data")


def _new(root: Path) -> Layout:
    root.mkdir()
    return Layout(root)


def _claim(data: Layout, host: str = HOST) -> UUID:
    return require_own_disk(data, data.spool, host).disk


def _refused(data: Layout, host: str = HOST) -> SpoolError:
    before = tree(data.root)
    with pytest.raises(SpoolError) as caught:
        _claim(data, host)
    assert tree(data.root) == before, "a refusal changed something"
    return caught.value


def test_a_new_disk_is_named_once(data: Layout) -> None:
    """The second start finds what the first one wrote, and writes nothing."""
    disk = _claim(data)
    before = tree(data.root)
    assert _claim(data) == disk
    assert tree(data.root) == before
    found, known = read_identity(data.spool), read_installation(data)
    assert found is not None
    assert known is not None
    assert (found.disk, found.installation, found.generation, found.host) == (disk, known.id, 1, HOST)


@pytest.mark.parametrize("after", [False, True])
def test_a_first_use_that_is_killed_anywhere_is_taken_up_again(tmp_path: Path, after: bool) -> None:
    """Before or after any of its file operations; at most a name that was not finished is left beside the two files."""
    for call in range(100):
        data = _new(tmp_path / f"{call}")
        seam = FileSeam(sync=False)
        seam.stop_at(call, after=after)
        try:
            with seam.installed():
                _claim(data)
        except Stopped:
            seam.die()
        else:
            break
        disk = _claim(data)
        assert _claim(data) == disk
        assert [name for name in sorted(tree(data.root)) if "/." not in f"/{name}"] == [
            "installation",
            "spool/identity",
        ]
    assert call > 20


def test_everything_is_durable_before_it_is_relied_on(data: Layout) -> None:
    """Bytes are synced before their name is made, and the name before the next step."""
    with FileSeam().installed() as seam:
        _claim(data)
    steps = [(event.operation, event.path.name) for event in seam.events if event.operation in _DURABLE]
    assert steps.index(("sync_directory", "data")) < steps.index(("link", f".identity.{_PID}"))
    for name in ("installation", "identity"):
        linked = steps.index(("link", f".{name}.{_PID}"))
        assert ("datasync", f".{name}.{_PID}") in steps[:linked]
        assert "sync_directory" in [operation for operation, _ in steps[linked:]]


def test_a_disk_that_is_not_mounted_is_refused(data: Layout, tmp_path: Path) -> None:
    """The empty directory below it stays empty; mounted again, it is taken as before."""
    disk = Ext4Disk(tmp_path / "disk", 4 << 20)
    with disk.mounted(data.spool):
        known = _claim(data)
    error = _refused(data)
    assert str(known) in str(error)
    assert "mount it" in error.hint
    assert list(data.spool.iterdir()) == []
    with disk.mounted(data.spool):
        assert _claim(data) == known


def test_a_spool_directory_that_is_gone_is_refused(data: Layout) -> None:
    """As a disk that is not mounted; it is not made again."""
    _claim(data)
    (data.spool / "identity").unlink()
    data.spool.rmdir()
    assert "is not there" in str(_refused(data))
    assert not data.spool.exists()


def test_a_disk_of_another_installation_is_refused(data: Layout, tmp_path: Path) -> None:
    """Also where the data directory is a new one; both installations are named."""
    other = _new(tmp_path / "other")
    _claim(other)
    other.spool.rename(data.spool)
    theirs = read_identity(data.spool)
    assert theirs is not None
    error = _refused(data)
    assert str(theirs.installation) in str(error)
    assert "hulta spool accept" in error.hint
    third = _new(tmp_path / "third")
    _claim(third)
    (third.spool / "identity").unlink()
    (data.spool / "identity").rename(third.spool / "identity")
    assert str(theirs.installation) in str(_refused(third))


def test_a_disk_of_another_host_is_refused(data: Layout) -> None:
    """By the names that configurations give; a host whose file gives none has that of its machine, which may change."""
    _claim(data, "rec-1")
    error = _refused(data, "rec-2")
    assert "rec-1" in str(error)
    assert "rec-2" in str(error)
    assert _claim(data, "") == _claim(data, "rec-1")


def test_a_disk_without_a_host_may_be_any_hosts(data: Layout) -> None:
    """It was used without a configuration."""
    assert _claim(data, "") == _claim(data, "rec-2")


def test_an_old_copy_of_a_disk_is_refused(data: Layout) -> None:
    """A disk that was accepted since is of a later generation."""
    _claim(data)
    old = (data.spool / "identity").read_bytes()
    accept_disk(data, data.spool, HOST)
    (data.spool / "identity").write_bytes(old)
    assert "an old copy" in str(_refused(data))


def test_a_data_directory_may_be_moved_as_a_whole(data: Layout, tmp_path: Path) -> None:
    """Its spool goes with it, and is missed where it is missing."""
    disk = _claim(data)
    moved = Layout(tmp_path / "moved")
    data.root.rename(moved.root)
    assert _claim(moved) == disk
    (moved.spool / "identity").unlink()
    assert str(disk) in str(_refused(moved))


def test_a_disk_may_be_mounted_elsewhere(data: Layout, tmp_path: Path) -> None:
    """The disk is known, not the place: where it was is free for another one."""
    disk = _claim(data)
    elsewhere = tmp_path / "elsewhere"
    data.spool.rename(elsewhere)
    assert require_own_disk(data, elsewhere, HOST).disk == disk
    assert _claim(data) != disk


BAD = {
    "empty": b"",
    "zero-filled": bytes(400),
    "cut": b'{"version": 1, "disk": "1234',
    "foreign": b"[]",
    "not a UUID": json.dumps(
        {"version": 1, "disk": "x", "installation": "y", "generation": 1, "host": "", "disks": {}}
    ).encode(),
    "generation 0": json.dumps(
        {
            "version": 1,
            "disk": str(uuid4()),
            "installation": str(uuid4()),
            "generation": 0,
            "host": "",
            "disks": {str(uuid4()): {"generation": 0, "path": ""}},
        }
    ).encode(),
    "deep": b"[" * 60_000,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", ["spool/identity", "installation"])
def test_a_file_that_says_nothing_is_refused_and_kept(data: Layout, name: str, content: bytes) -> None:
    """Truncated, zero-filled, foreign: named, left as it is; accepted, it is kept beside the new one."""
    disk = _claim(data)
    path = data.root / name
    path.write_bytes(content)
    assert str(path) in str(_refused(data))
    accepted = accept_disk(data, data.spool, HOST)
    assert _claim(data) == accepted.disk
    assert (accepted.disk == disk) == (name == "installation")
    assert path.with_name(path.name + ".1").read_bytes() == content


@pytest.mark.parametrize("name", ["spool/identity", "installation"])
def test_a_newer_version_is_refused_also_if_accepted(data: Layout, name: str) -> None:
    """It is for the program that wrote it to say what it means."""
    _claim(data)
    path = data.root / name
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    assert "upgrade" in _refused(data).hint
    with pytest.raises(SpoolError, match="version 2"):
        accept_disk(data, data.spool, HOST)


def test_another_installations_disk_that_is_accepted_keeps_what_it_said(data: Layout, tmp_path: Path) -> None:
    """The disk stays the same disk, of a later generation; the one that had it is refused from then on."""
    other = _new(tmp_path / "other")
    disk = _claim(other, "rec-9")
    theirs = (other.spool / "identity").read_bytes()
    _claim(data)
    (data.spool / "identity").unlink()
    data.spool.rmdir()
    other.spool.rename(data.spool)
    accepted = accept_disk(data, data.spool, HOST)
    assert (accepted.disk, accepted.generation, accepted.host) == (disk, 2, HOST)
    assert (data.spool / "identity.1").read_bytes() == theirs
    assert _claim(data) == disk
    data.spool.rename(other.spool)
    assert "another one's" in str(_refused(other, "rec-9"))


def test_a_new_disk_in_the_place_of_a_lost_one_is_accepted(data: Layout) -> None:
    """It gets a name of its own; the lost one is known still, should it come back elsewhere."""
    lost = _claim(data)
    kept = data.root / "lost"
    data.spool.rename(kept)
    data.spool.mkdir()
    assert accept_disk(data, data.spool, HOST).disk != lost
    assert _claim(data) != lost
    assert require_own_disk(data, kept, HOST).disk == lost


@pytest.mark.parametrize("after", [False, True])
def test_an_acceptance_that_is_killed_anywhere_can_be_said_again(tmp_path: Path, after: bool) -> None:
    """What the disk said first is never lost."""
    for call in range(100):
        data, other = _new(tmp_path / f"{call}"), _new(tmp_path / f"other-{call}")
        _claim(other)
        _claim(data)
        theirs = (other.spool / "identity").read_bytes()
        (data.spool / "identity").unlink()
        (other.spool / "identity").rename(data.spool / "identity")
        seam = FileSeam(sync=False)
        seam.stop_at(call, after=after)
        try:
            with seam.installed():
                accept_disk(data, data.spool, HOST)
        except Stopped:
            seam.die()
        else:
            break
        accept_disk(data, data.spool, HOST)
        _claim(data)
        assert theirs in [path.read_bytes() for path in data.spool.glob("identity.*")]
    assert call > 10


def test_a_read_only_disk_is_said_to_be_one(data: Layout, tmp_path: Path) -> None:
    """With what to do about it."""
    with Ext4Disk(tmp_path / "disk", 4 << 20).mounted(data.spool, "ro"), pytest.raises(SpoolError) as caught:
        _claim(data)
    assert "Read-only" in str(caught.value)
    assert "mount it for writing" in caught.value.hint


def test_a_disk_that_fails_is_said_to_fail(data: Layout) -> None:
    """And nothing is claimed."""
    seam = FileSeam()
    seam.fail("datasync", "identity", errno.EIO)
    with seam.installed(), pytest.raises(SpoolError, match=r"EIO"):
        _claim(data)
    assert not (data.spool / "identity").exists()
