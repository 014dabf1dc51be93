"""Recovery that is killed or fails at any operation: the next one ends as if nothing had happened."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from media.errors import SpoolError
from media.fmp4_read import scan
from storage import layout
from tests import builders_segment
from tests.builders_recovery import Disk, segment_file
from tests.builders_spool import STREAM, FileSeam, Stopped, identity, tree


def test_recovering_again_finds_nothing_to_do(disk: Disk) -> None:
    """The second recovery writes nothing, moves nothing, reports nothing."""
    disk.place(identity(0), segment_file(0).open[:-30])
    disk.place(identity(1), bytes(5000))
    disk.place(identity(2), segment_file(2).sealed, sealed=True)
    disk.recover()
    before = tree(disk.spool.parent)
    with FileSeam().installed() as seam:
        again = disk.recover()
    assert (again.sealed, again.findings, again.complete) == ((), (), True)
    assert tree(disk.spool.parent) == before
    assert not {"append", "truncate", "rename", "unlink"} & {event.operation for event in seam.events}


def test_every_file_is_synced_before_its_rename_and_every_copy_before_its_cut(disk: Disk) -> None:
    """The order of recovery: evidence durable, cut, closed, durable, renamed, name durable."""
    disk.place(identity(), segment_file().open[:-30])
    with FileSeam().installed() as seam:
        disk.recover()
    sealed = layout.sealed_path(disk.spool, identity()).name
    changes = [
        (event.operation, event.path.name.split(".")[-1])
        for event in seam.events
        if event.operation in {"append", "datasync", "rename", "truncate", "sync_directory", "unlink"}
        and (sealed in event.path.name or event.operation == "sync_directory")
    ]
    place_synced = [change for change in changes if change[0] != "sync_directory"]
    assert place_synced == [
        ("append", "unfinished"),
        ("datasync", "unfinished"),
        ("rename", "unfinished"),
        ("truncate", "open"),
        ("append", "open"),
        ("datasync", "open"),
        ("rename", "open"),
    ]
    operations = [change[0] for change in changes]
    assert "sync_directory" in operations[operations.index("rename") : operations.index("truncate")]
    assert operations[-1] == "sync_directory"


def _busy_disk(disk: Disk) -> None:
    """One of everything that recovery knows."""
    disk.place(identity(0), segment_file(0).open)
    disk.place(identity(1), segment_file(1).open[:-30])
    hole = bytearray(segment_file(2).open)
    hole[segment_file(2).commits[1].offset + 100 : segment_file(2).commits[1].offset + 120] = bytes(20)
    disk.place(identity(2), bytes(hole) + b"tail")
    disk.place(identity(3), segment_file(3).open + segment_file(3).closing[:100])
    disk.place(identity(4), bytes(3000))
    disk.place(identity(5), segment_file(5).sealed, sealed=True)
    disk.place(identity(6), segment_file(6).sealed[:-10], sealed=True)
    (disk.run / str(STREAM) / "holiday.mp4").write_bytes(b"holiday")


def _number_of_calls(tmp_path: Path) -> int:
    disk = Disk(tmp_path)
    _busy_disk(disk)
    with FileSeam(sync=False).installed() as seam:
        disk.recover()
    return seam.calls


def _fragments(spool: Path) -> dict[tuple[str, int], bytes]:
    """Every whole fragment in a spool, by file and number, with its bytes."""
    found = {}
    for path in sorted(spool.rglob("*.mp4")):
        content = path.read_bytes()
        for fragment in scan(builders_segment.reader(content), len(content), verify=True).fragments:
            commit = fragment.commit
            found[path.name, commit.fragment] = content[commit.offset : commit.offset + commit.length]
    return found


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_recovery_may_be_killed_at_any_operation(tmp_path: Path, after: bool) -> None:
    """Killed before or after each single file operation and run again, it ends with the same bytes."""
    reference = Disk(tmp_path / "reference")
    _busy_disk(reference)
    reference.recover()
    expected, kept = tree(reference.spool), set(reference.kept())
    calls = _number_of_calls(tmp_path / "count")
    assert calls > 100
    for call in range(calls):
        disk = Disk(tmp_path / f"killed-{call}")
        _busy_disk(disk)
        seam = FileSeam(sync=False)
        seam.stop_at(call, after=after)
        with seam.installed(), pytest.raises(Stopped):
            disk.recover()
        seam.die()
        with FileSeam(sync=False).installed():
            again = disk.recover()
        assert again.complete, (call, again.findings)
        assert tree(disk.spool) == expected, call
        assert kept <= set(disk.kept()), call
        assert disk.recover().findings == ()
        shutil.rmtree(disk.spool.parent)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_an_error_anywhere_costs_nothing(tmp_path: Path, code: int) -> None:
    """Whichever operation fails, nothing raises, no byte is lost, and the next recovery gets to the same end."""
    reference = Disk(tmp_path / "reference")
    _busy_disk(reference)
    reference.recover()
    expected, kept = tree(reference.spool), set(reference.kept())
    calls = _number_of_calls(tmp_path / "count")
    for call in range(calls):
        disk = Disk(tmp_path / f"failed-{call}")
        _busy_disk(disk)
        seam = FileSeam(sync=False)
        seam.fail_at(call, code)
        with seam.installed():
            try:
                first = disk.recover()
            except SpoolError:
                first = None  # the run's own directory: there is nothing that could be reported without it
        seam.die()
        assert first is None or not first.complete, (call, seam.failed)
        with FileSeam(sync=False).installed():
            disk.recover()
        assert _fragments(disk.spool) == _fragments(reference.spool), (call, seam.failed)
        assert {name: content for name, content in tree(disk.spool).items() if name in expected} == expected, call
        assert kept <= set(disk.kept()), (call, seam.failed)
        shutil.rmtree(disk.spool.parent)


def test_one_files_trouble_does_not_stop_the_rest(disk: Disk) -> None:
    """A file that the disk will not give is reported with path and errno, and left for another time."""
    path = disk.place(identity(0), segment_file(0).open)
    disk.place(identity(1), segment_file(1).open)
    with FileSeam().installed() as seam:
        seam.fail("open_write", path.name, errno.EIO)
        recovered = disk.recover()
    assert not recovered.complete
    assert [(finding.path, finding.why, finding.kept) for finding in recovered.findings] == [
        (path, "not recovered: Input/output error (EIO)", None)
    ]
    assert disk.sealed(1) == segment_file(1).sealed
    assert disk.recover().complete
    assert disk.sealed(0) == segment_file(0).sealed
