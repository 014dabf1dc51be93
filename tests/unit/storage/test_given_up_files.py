"""A file that was given up after an error: its footage goes on in another file, and it is never synced again."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from media.errors import GapReason
from storage import files, journal, layout
from storage.clock import FakeClock
from storage.recovery import salvage
from tests.builders_recovery import Disk, segment_file
from tests.builders_spool import STREAM, FileSeam, Stopped, identity


def _given_up(disk: Disk, content: bytes, announced: int = 2) -> Path:
    path = disk.place(identity(), content)
    return path.rename(layout.failed_path(path, announced))


def test_a_file_that_was_given_up_is_copied_and_never_synced(disk: Disk) -> None:
    """Its clean pages may not be on the disk: what is sealed is another file, whose first sync is its own."""
    path = _given_up(disk, segment_file().open + b"torn")
    with FileSeam().installed() as seam:
        recovered = disk.recover()
    assert disk.sealed() == segment_file().sealed
    assert not path.exists()
    assert disk.kept() == [b"torn"]
    own = {event.operation for event in seam.events if event.path == path}
    assert own == {"open_write", "size_bytes", "free_bytes", "read_at", "unlink"}
    assert seam.operations(".copy").count("datasync") == 1
    assert recovered.complete
    assert disk.recover().sealed == ()


def test_a_live_runs_given_up_file_is_sealed_beside_it(disk: Disk) -> None:
    """The run goes on; its lock says nothing about a file it has let go of."""
    path = _given_up(disk, segment_file().open)
    alive = files.open_directory(disk.run)
    assert files.lock(alive)
    assert salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    files.close(alive)
    assert disk.sealed() == segment_file().sealed
    assert disk.reported == []


@pytest.mark.parametrize("alive", [False, True])
def test_a_file_that_was_cut_on_a_full_disk_is_sealed_as_it_is(
    disk: Disk, alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in it is in doubt, so no copy needs room: in a run that goes on, or in one that noted the full disk."""
    path = disk.place(identity(), segment_file().open)
    path = path.rename(layout.cut_path(path, 4))
    gap = journal.gap_open(stream=STREAM, at_us=5, reason=GapReason.SPOOL_FULL)
    (disk.run / layout.JOURNAL).write_bytes(journal.encode(gap))
    monkeypatch.setattr(files, "free_bytes", lambda _: 0)
    if alive:
        lock = files.open_directory(disk.run)
        assert files.lock(lock)
        assert salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
        files.close(lock)
    else:
        assert disk.recover().complete
    assert disk.sealed() == segment_file().sealed
    assert (disk.reported, list(path.parent.iterdir())) == ([], [layout.sealed_path(disk.spool, identity())])


def test_a_cut_file_whose_seal_finds_no_room_is_sealed_later(disk: Disk) -> None:
    """A few kilobytes are missing: it is said, nothing is lost, and the next attempt ends with the same bytes."""
    path = disk.place(identity(), segment_file().open)
    path = path.rename(layout.cut_path(path, 4))
    with FileSeam().installed() as seam:
        seam.fail("append", ".cut-4", errno.ENOSPC)
        assert not salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
        assert "ENOSPC" in disk.reported[0].why
        assert salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    assert disk.sealed() == segment_file().sealed


def test_a_copy_goes_where_names_are_kept(disk: Disk) -> None:
    """Beside a file whose directory lost names there is another one: nothing durable is made of the first."""
    path = _given_up(disk, segment_file().open)
    home = layout.directories_after(path.parent)[0]
    home.mkdir()
    with FileSeam().installed() as seam:
        assert salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    assert (home / layout.sealed_path(disk.spool, identity()).name).read_bytes() == segment_file().sealed
    assert [event.path for event in seam.events if event.operation == "sync_directory"] == [home]
    assert list(path.parent.iterdir()) == []
    assert disk.recover().complete


@pytest.mark.parametrize("operation", ["create_exclusive", "append", "datasync", "rename"])
def test_a_copy_that_fails_is_made_anew(disk: Disk, operation: str) -> None:
    """The disk is still failing: the file stays, and the next attempt syncs a file of its own."""
    path = _given_up(disk, segment_file().open)
    with FileSeam().installed() as seam:
        seam.fail(operation, str(STREAM), errno.EIO)
        assert not salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
        assert path.read_bytes() == segment_file().open
        assert "EIO" in disk.reported[0].why
        salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    assert disk.sealed() == segment_file().sealed
    assert seam.operations(".copy").count("datasync") == 1 or operation == "rename"
    assert sorted(path.parent.iterdir()) == [layout.sealed_path(disk.spool, identity())]


def test_a_directory_whose_sync_failed_is_not_synced_again(disk: Disk) -> None:
    """The name goes to the next one, in the same attempt, and only then does the failed file go."""
    path = _given_up(disk, segment_file().open)
    home = layout.directories_after(path.parent)[0]
    with FileSeam().installed() as seam:
        seam.fail("sync_directory", str(STREAM), errno.EIO)
        assert salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    assert (home / layout.sealed_path(disk.spool, identity()).name).read_bytes() == segment_file().sealed
    assert list(path.parent.iterdir()) == []
    synced = [event.path for event in seam.events if event.operation.startswith("sync_directory")]
    assert synced == [path.parent, path.parent.parent, home]
    assert disk.recover().complete


def test_where_no_directory_keeps_names_the_failed_file_stays(disk: Disk) -> None:
    """What was made of it may be gone after a power cut. No sync of these directories is believed again."""
    path = _given_up(disk, segment_file().open)
    with FileSeam().installed() as seam:
        seam.fail("sync_directory", layout.run_name(identity().run), errno.EIO, times=2)
        for _ in range(3):
            assert not salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    assert path.read_bytes() == segment_file().open
    assert sum(event.operation.startswith("sync_directory") for event in seam.events) == 2


def test_a_copy_that_was_sealed_and_not_finished_is_finished(disk: Disk) -> None:
    """Killed before the failed file went: that is no second segment, and none for the quarantine."""
    path = _given_up(disk, segment_file().open)
    sealed = layout.sealed_path(disk.spool, identity())
    sealed.write_bytes(segment_file().sealed)
    assert salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    assert sorted(path.parent.iterdir()) == [sealed]
    assert (disk.kept(), disk.reported) == ([], [])


@pytest.mark.parametrize("noted", [False, True])
def test_a_file_left_open_by_a_run_that_met_errors_is_copied(disk: Disk, noted: bool) -> None:
    """Killed between an error of its sync and its new name: its pages may be clean and not on the disk."""
    path = disk.place(identity(), segment_file().open)
    gap = journal.gap_open(stream=STREAM, at_us=5, reason=GapReason.DISK_ERROR if noted else GapReason.STALLED)
    (disk.run / layout.JOURNAL).write_bytes(journal.encode(gap))
    with FileSeam().installed() as seam:
        assert disk.recover().complete
    assert disk.sealed() == segment_file().sealed
    synced = [event.path for event in seam.events if event.operation == "datasync"]
    assert (path in synced) is not noted
    assert not path.exists()


def test_a_copy_waits_for_room(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is being recorded needs a nearly full disk more."""
    path = _given_up(disk, segment_file().open)
    monkeypatch.setattr(files, "free_bytes", lambda _: 15 * len(segment_file().open))
    assert not salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert "ENOSPC" in disk.reported[0].why


def test_a_given_up_file_without_footage_goes_to_the_quarantine(disk: Disk) -> None:
    """As any other file that holds nothing of its segment; no copy is left."""
    path = _given_up(disk, b"nothing", 0)
    assert disk.recover().complete
    assert disk.kept() == [b"nothing"]
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_killed_copy_ends_in_the_same_file(disk: Disk, after: bool) -> None:
    """Killed before or after any step, the next recovery seals the same bytes and leaves nothing beside them."""
    for call in range(100):
        shutil.rmtree(disk.spool, ignore_errors=True)
        path = _given_up(disk, segment_file().open)
        with FileSeam().installed() as seam:
            seam.stop_at(call, after=after)
            try:
                salvage(path, disk.quarantine, FakeClock(), disk.reported.append)
            except Stopped:
                seam.die()
            else:
                break
        assert disk.recover().complete
        assert disk.sealed() == segment_file().sealed
        assert list(path.parent.iterdir()) == [layout.sealed_path(disk.spool, identity())]
    assert 10 < call < 100
