"""Recovery of a dead run: what is whole is sealed, what is torn is kept, and what is alive is left alone."""

from __future__ import annotations

import errno
import io
import os
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest

from media.boxes import CHECKED_VERSION_AT, with_checksum
from media.closing import closing_boxes
from media.errors import SpoolError
from media.fmp4_read import read_sealed, scan
from storage import files, journal, layout
from storage.clock import FakeClock
from storage.recovery import Finding, RecoveredRun, recover_run, salvage
from storage.segment_row import segment_from_scan
from storage.spool_runs import is_alive, newest_order_us, remove_unborn, runs
from tests import builders_segment
from tests.builders_spool import RUN, STREAM, FileSeam, Stopped, identity, place, tree

if TYPE_CHECKING:
    from media.identity import SegmentIdentity


class Disk:
    """A data directory with the spool of a dead run."""

    def __init__(self, root: Path) -> None:
        self.spool = root / "spool"
        self.quarantine = root / "quarantine"
        self.run = layout.run_directory(self.spool, RUN)
        self.reported: list[Finding] = []

    def place(self, segment: SegmentIdentity, content: bytes, *, sealed: bool = False) -> Path:
        """Put a segment's file there."""
        return place(self.spool, segment, content, sealed=sealed)

    def recover(self) -> RecoveredRun:
        """Recover the run."""
        return recover_run(self.run, self.quarantine, FakeClock(), self.reported.append)

    def sealed(self, sequence: int = 0) -> bytes:
        """The content of a sealed segment."""
        return layout.sealed_path(self.spool, identity(sequence)).read_bytes()

    def kept(self) -> list[bytes]:
        """The content of every file in the quarantine."""
        return list(tree(self.quarantine).values()) if self.quarantine.exists() else []


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """An empty data directory."""
    return Disk(tmp_path)


@cache
def segment_file(sequence: int = 0, fragments: int = 4) -> builders_segment.File:
    """A small segment with this place in the run."""
    units = builders_segment.plain_units(fragments)
    return builders_segment.write(builders_segment.plain_track(), units, identity=identity(sequence))


def test_an_open_segment_is_sealed_as_its_writer_would_have(disk: Disk) -> None:
    """The file of a killed process becomes, byte for byte, what a clean end would have made of it."""
    path = disk.place(identity(), segment_file().open)
    recovered = disk.recover()
    assert disk.sealed() == segment_file().sealed
    assert not path.exists()
    assert recovered == RecoveredRun(
        run=RUN, alive=False, complete=True, sealed=(layout.sealed_path(disk.spool, identity()),), findings=()
    )
    assert disk.kept() == []


@pytest.mark.parametrize("cut", [1, 40, 200, 420])
def test_a_torn_tail_is_kept_before_it_is_cut(disk: Disk, cut: int) -> None:
    """What belongs to no whole fragment leaves the file, and no byte leaves the disk."""
    content = segment_file().open[:-cut]
    disk.place(identity(), content)
    recovered = disk.recover()
    found = scan(builders_segment.reader(disk.sealed()), len(disk.sealed()), verify=True)
    assert [fragment.commit for fragment in found.fragments] == segment_file().commits[:3]
    end = found.seal.samples_offset if found.seal else 0
    assert disk.sealed()[:end] == content[:end]
    assert disk.kept() == [content[end:]]
    [finding] = recovered.findings
    assert disk.reported == [finding]
    assert finding.kept is not None
    assert finding.kept.name.startswith(f"{layout.open_path(disk.spool, identity()).name}.{end}-{len(content)}.")
    assert "belong to no whole fragment" in finding.why


@pytest.mark.parametrize("part", range(0, len(segment_file().closing), 41))
def test_an_interrupted_seal_is_finished(disk: Disk, part: int) -> None:
    """However much of samples and seal was written, the result is the same, and nothing was torn."""
    disk.place(identity(), segment_file().open + segment_file().closing[:part])
    disk.recover()
    assert disk.sealed() == segment_file().sealed
    assert disk.kept() == []


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


@pytest.mark.parametrize("operation", ["create_exclusive", "append", "datasync", "rename", "sync_directory"])
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


def test_a_seal_that_was_not_renamed_stays_as_its_writer_made_it(disk: Disk) -> None:
    """The end that the writer knew, later than the last fragment's, survives a kill before the rename."""
    segment = segment_file()
    found = scan(builders_segment.reader(segment.open), len(segment.open))

    closing = b"".join(
        closing_boxes(
            segment.commits,
            found.samples,
            found.track,
            init_bytes=found.init_bytes,
            offset=found.valid_bytes,
            end_us=segment.commits[-1].end_wall_us + 17,
        )
    )
    disk.place(identity(), segment.open + closing)
    disk.recover()
    assert disk.sealed() == segment.open + closing


def test_fragments_behind_damage_are_kept(disk: Disk) -> None:
    """A lost page costs its own fragment: the hole is kept aside, players skip it, the rest plays."""
    stream = builders_segment.encode(40, gop=10)
    segment = builders_segment.write(stream.track, builders_segment.cut(stream.units), identity=identity())
    damaged = bytearray(segment.open)
    hurt = segment.commits[1]
    damaged[hurt.offset : hurt.offset + 300] = bytes(300)
    disk.place(identity(), bytes(damaged))
    recovered = disk.recover()
    content = disk.sealed()
    found = read_sealed(builders_segment.reader(content), len(content))
    assert [fragment.commit for fragment in found.fragments] == [
        segment.commits[0],
        segment.commits[2],
        segment.commits[3],
    ]
    start, end = hurt.offset, segment.commits[2].offset
    assert disk.kept() == [bytes(damaged[start:end])]
    assert content[start:end][4:8] == b"free"
    assert any("hash" in finding.why for finding in recovered.findings)
    lost = sum(fragment.commit.lost_packets for fragment in found.fragments)
    assert segment_from_scan(found, len(content)).lost_packets == lost + 1, "the row must show the damage"
    with av.open(io.BytesIO(content)) as container:
        assert sum(1 for packet in container.demux() if packet.size) == 30


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no footage"),
        (bytes(70_000), "no footage"),
        (segment_file().init, "no footage"),
        (segment_file().init + segment_file().fragments[0][:50], "no footage"),
        (segment_file(1).open, "no footage"),
        (b"#!/bin/sh\necho hello\n", "no footage"),
    ],
    ids=["empty", "zeros", "init only", "torn first fragment", "another segment", "a script"],
)
def test_what_holds_no_footage_of_its_name_goes_to_the_quarantine(disk: Disk, content: bytes, why: str) -> None:
    """It is reported with path and reason, kept whole, and the other segments are recovered."""
    path = disk.place(identity(0), content)
    disk.place(identity(1), segment_file(1).open)
    recovered = disk.recover()
    [finding] = recovered.findings
    assert finding.path == path
    assert why in finding.why
    assert finding.kept is not None
    assert finding.kept.read_bytes() == content
    assert not path.exists()
    assert disk.sealed(1) == segment_file(1).sealed
    assert recovered.complete


def test_other_peoples_files_do_not_stop_recovery(disk: Disk) -> None:
    """Wrong names, links, pipes, directories, a foreign mp4: each is reported, and every segment is recovered."""
    stream = disk.place(identity(1), segment_file(1).open).parent
    foreign = io.BytesIO()
    with av.open(foreign, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = 64, 64
        container.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(video.encode(None))
    (stream / "holiday.mp4").write_bytes(foreign.getvalue())
    disk.place(identity(2), foreign.getvalue())
    disk.place(identity(3), foreign.getvalue(), sealed=True)
    layout.sealed_path(disk.spool, identity(4)).mkdir()
    (layout.sealed_path(disk.spool, identity(4)) / "inside").write_bytes(b"inside")
    os.mkfifo(layout.open_path(disk.spool, identity(5)))
    layout.open_path(disk.spool, identity(6)).symlink_to("/etc/passwd")
    (stream / "directory").mkdir()
    (disk.run / "lost+found").mkdir()
    (disk.run / str(identity(0, stream=identity().camera).stream)).write_bytes(b"not a directory")
    recovered = disk.recover()
    assert disk.sealed(1) == segment_file(1).sealed
    assert [path.name for path in stream.iterdir()] == [layout.sealed_path(disk.spool, identity(1)).name]
    assert {finding.path.name for finding in recovered.findings} == {
        "holiday.mp4",
        *(layout.open_path(disk.spool, identity(number)).name for number in (2, 5, 6)),
        *(layout.sealed_path(disk.spool, identity(number)).name for number in (3, 4)),
        "directory",
        "lost+found",
        str(identity().camera),
    }
    assert recovered.complete
    kept = disk.quarantine / layout.run_name(RUN) / str(STREAM)
    assert (kept / "holiday.mp4").read_bytes() == foreign.getvalue()
    assert (kept / layout.sealed_path(disk.spool, identity(4)).name / "inside").read_bytes() == b"inside"
    assert (disk.run / "lost+found").is_dir()


def test_a_second_file_of_a_sealed_segment_never_replaces_it(disk: Disk) -> None:
    """A rename would destroy footage: the newcomer goes to the quarantine."""
    disk.place(identity(), segment_file().sealed, sealed=True)
    disk.place(identity(), segment_file(0, 2).open)
    [finding] = disk.recover().findings
    assert "sealed already" in finding.why
    assert disk.sealed() == segment_file().sealed
    assert disk.kept() == [segment_file(0, 2).open]


def test_names_in_the_quarantine_are_never_reused(disk: Disk) -> None:
    """The same name twice is kept twice."""
    for content in (b"first", b"second"):
        disk.place(identity(), content)
        disk.recover()
    assert sorted(disk.kept()) == [b"first", b"second"]


def test_a_sealed_file_without_its_seal_is_closed_again(disk: Disk) -> None:
    """A sealed name over a file that lost its end: the fragments count, the rest is kept aside."""
    torn = segment_file().sealed[:-900]
    disk.place(identity(), torn, sealed=True)
    disk.recover()
    assert disk.sealed()[: len(segment_file().init)] == segment_file().init
    found = read_sealed(builders_segment.reader(disk.sealed()), len(disk.sealed()))
    assert found.seal is not None
    end = found.seal.samples_offset
    assert disk.sealed()[:end] + b"".join(disk.kept()) == torn or torn.startswith(disk.sealed()[:end])


def test_a_file_that_is_also_an_object_is_never_changed(disk: Disk) -> None:
    """The directory object store shares the file: objects are immutable, even damaged ones."""
    damaged = segment_file().sealed[:-900]
    path = disk.place(identity(), damaged, sealed=True)
    (disk.spool.parent / "object").hardlink_to(path)
    [finding] = disk.recover().findings
    assert "object store" in finding.why
    assert path.read_bytes() == damaged


def test_a_segment_of_a_newer_version_is_left_for_it(disk: Disk) -> None:
    """An older Hulta does not touch what it cannot read."""
    segment = segment_file()

    def newer(commit_box: bytes) -> bytes:
        changed = bytearray(commit_box[:-4])
        changed[CHECKED_VERSION_AT] = 9
        return with_checksum(bytes(changed))

    content = segment.init + segment.fragments[0] + newer(segment.commits[0].to_box())
    path = disk.place(identity(), content)
    [finding] = disk.recover().findings
    assert "version 9" in finding.why
    assert path.read_bytes() == content


def test_a_live_run_is_left_alone(disk: Disk) -> None:
    """While its lock is held nothing of a run is opened, moved or reported."""
    disk.place(identity(), segment_file().open[:-3])
    before = tree(disk.spool)
    lock_fd = files.open_directory(disk.run)
    assert files.lock(lock_fd)
    assert disk.recover() == RecoveredRun(run=RUN, alive=True, complete=False, sealed=(), findings=())
    assert tree(disk.spool) == before
    assert is_alive(disk.run)
    files.close(lock_fd)
    assert not is_alive(disk.run)
    assert disk.recover().complete


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


def test_a_quarantine_on_another_disk_gets_a_copy(disk: Disk) -> None:
    """A spool with a disk of its own: what cannot be renamed is copied, made durable, then removed."""
    path = disk.place(identity(), bytes(3000))
    with FileSeam().installed() as seam:
        seam.fail("rename", path.name, errno.EXDEV)
        [finding] = disk.recover().findings
    assert finding.kept is not None
    assert finding.kept.read_bytes() == bytes(3000)
    assert not path.exists()
    copied = [event.operation for event in seam.events if path.name in event.path.name]
    assert copied.index("datasync") < copied.index("unlink")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """Recovery works in runs' directories only, and says when one is gone."""
    with pytest.raises(SpoolError, match="not the directory of a run"):
        recover_run(tmp_path, tmp_path / "quarantine", FakeClock(), lambda _: None)
    with pytest.raises(SpoolError, match="No such file"):
        recover_run(tmp_path / layout.run_name(RUN), tmp_path / "quarantine", FakeClock(), lambda _: None)


def test_runs_come_in_the_order_they_started(tmp_path: Path) -> None:
    """Runs are numbered at random; their journals tell which was first. What is no run is none."""
    spool = tmp_path / "spool"
    assert runs(spool) == []
    for run, at_us in ((7, 300), (9, 100), (8, 200)):
        directory = layout.run_directory(spool, run)
        directory.mkdir(parents=True)
        line = journal.encode(journal.run_start(run=run, host="rec-1", boot_id="", at_us=at_us))
        (directory / layout.JOURNAL).write_bytes(line)
    layout.run_directory(spool, 10).mkdir()
    (spool / "lost+found").mkdir()
    assert [path.name for path in runs(spool)] == [layout.run_name(run) for run in (10, 9, 8, 7)]


def test_a_run_after_the_clock_went_back_is_still_the_later_one(tmp_path: Path) -> None:
    """Its start is earlier and its order is not. A journal of an earlier version knows only its start."""
    for run, at_us in ((7, 300), (9, 100)):
        directory = layout.run_directory(tmp_path, run)
        directory.mkdir(parents=True)
        record = journal.run_start(run=run, host="rec-1", boot_id="", at_us=at_us, after_us=newest_order_us(tmp_path))
        if run == 7:
            del record["order_us"]
        (directory / layout.JOURNAL).write_bytes(journal.encode(record))
    assert [path.name for path in runs(tmp_path)] == [layout.run_name(run) for run in (7, 9)]
    assert newest_order_us(tmp_path) == 301


def test_runs_that_were_never_born_are_cleared(tmp_path: Path) -> None:
    """A process killed while it made its run's directory leaves no litter; one that makes it now is left alone."""
    for name in ("dead", "empty", "alive"):
        (tmp_path / f"{layout.UNBORN_PREFIX}{name}").mkdir()
    (tmp_path / f"{layout.UNBORN_PREFIX}dead" / layout.JOURNAL).write_bytes(b"line")
    lock_fd = files.open_directory(tmp_path / f"{layout.UNBORN_PREFIX}alive")
    assert files.lock(lock_fd)
    remove_unborn(tmp_path)
    files.close(lock_fd)
    assert [path.name for path in tmp_path.iterdir()] == [f"{layout.UNBORN_PREFIX}alive"]
