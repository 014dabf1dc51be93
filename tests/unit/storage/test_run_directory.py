"""What the shipper sees of a run's directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from storage import journal
from storage.quarantine import Quarantine
from storage.run_directory import RunDirectory
from tests.builders_catalog import RUN, SpoolOnDisk, at

if TYPE_CHECKING:
    from pathlib import Path


def test_sealed_segments_are_listed_until_they_are_taken(tmp_path: Path) -> None:
    """Open ones and other names are not."""
    run = SpoolOnDisk(tmp_path)
    paths = [run.segment(start, start + 5, start // 5) for start in (0, 5)]
    run.segment(10, 15, 2, sealed=False)
    (paths[0].parent / "notes.txt").write_text("x")
    directory = RunDirectory(run.path, RUN)
    assert directory.sealed() == paths
    directory.take(paths[0])
    assert directory.sealed() == paths[1:], "a directory that has changed is looked at twice"
    directory.take(paths[1])
    assert directory.sealed() == []


def test_a_segment_of_the_same_tick_is_found_by_the_second_look(tmp_path: Path) -> None:
    """The time of a directory may not show that a name came after it was read."""
    run = SpoolOnDisk(tmp_path)
    first = run.segment(0, 5, 0)
    directory = RunDirectory(run.path, RUN)
    directory.take(first)
    assert directory.sealed() == []
    times = first.parent.stat()
    second = run.segment(5, 10, 1)
    os.utime(first.parent, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert directory.sealed() == [second]


def test_nothing_is_read_while_nothing_changes(tmp_path: Path) -> None:
    """An idle stream costs a stat."""
    run = SpoolOnDisk(tmp_path)
    run.segment(0, 5, 0)
    directory = RunDirectory(run.path, RUN)
    assert len(directory.sealed()) == len(directory.sealed()) == 1
    assert directory.sealed() == []
    directory.look_again()
    assert len(directory.sealed()) == 1


def test_segments_come_in_the_order_of_their_sequence(tmp_path: Path) -> None:
    """Not in that of their names: the tenth follows the ninth."""
    run = SpoolOnDisk(tmp_path)
    paths = [run.segment(start, start + 1, start) for start in range(8, 12)]
    assert RunDirectory(run.path, RUN).sealed() == paths


def test_a_directory_with_footage_is_never_removed(tmp_path: Path) -> None:
    """Nor one with anything else that is not known to be done with."""
    run = SpoolOnDisk(tmp_path / "spool")
    path = run.segment(0, 5, 0)
    run.die()
    directory = RunDirectory(run.path, RUN)
    assert not directory.remove_if_empty(Quarantine(tmp_path / "quarantine"))
    path.unlink()
    (run.path / "notes.txt").write_text("x")
    assert not directory.remove_if_empty(Quarantine(tmp_path / "quarantine"))
    (run.path / "notes.txt").unlink()
    assert directory.remove_if_empty(Quarantine(tmp_path / "quarantine"))
    assert not run.path.exists()


def test_what_is_no_record_of_a_journal_is_kept(tmp_path: Path) -> None:
    """Damaged lines and a torn tail go to the quarantine, whole journals leave nothing there."""
    whole, damaged = SpoolOnDisk(tmp_path / "spool"), SpoolOnDisk(tmp_path / "spool", RUN + 1)
    with (damaged.path / "journal").open("ab") as file:
        file.write(b"garbage\n" + journal.encode(journal.run_end(at_us=at(5))) + b"torn")
    for run in (whole, damaged):
        run.die()
        assert RunDirectory(run.path, run.run).remove_if_empty(Quarantine(tmp_path / "quarantine"))
    kept = sorted(path.read_bytes() for path in (tmp_path / "quarantine").rglob("*.torn"))
    assert kept == [b"garbage\n", b"torn"]


def test_the_journal_is_read_from_where_it_was_left(tmp_path: Path) -> None:
    """And one that is gone has no records."""
    run = SpoolOnDisk(tmp_path)
    directory = RunDirectory(run.path, RUN)
    (first,) = directory.journal(0).records
    run.stream_start(1)
    assert [record.kind for record in directory.journal(first.end_offset).records] == ["stream_start"]
    assert directory.journal_bytes() == directory.journal(0).records[-1].end_offset
    (run.path / "journal").unlink()
    assert directory.journal(0).records == ()
    assert directory.journal_bytes() == 0
