"""Recovery of a dead run: what is whole is sealed, what is torn is kept, and what is alive is left alone."""

from __future__ import annotations

import errno
import io
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

import av
import pytest

from media.boxes import CHECKED_VERSION_AT, with_checksum
from media.closing import closing_boxes
from media.fmp4_read import read_sealed, scan
from storage import files, layout
from storage.recovery import RecoveredRun
from storage.segment_row import segment_from_scan
from storage.spool_runs import is_alive
from tests import builders_segment
from tests.builders_recovery import Disk, segment_file
from tests.builders_spool import RUN, STREAM, FileSeam, identity, tree
from tests.small_disk import in_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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


KINDS: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(segment_file().sealed[:100]),
    "zero-filled": lambda path: path.write_bytes(bytes(len(segment_file().sealed))),
    "foreign": lambda path: path.write_bytes(b"#!/bin/sh\n" * 10_000),
    "directory": lambda path: (path.mkdir(), (path / "inside").write_bytes(b"inside")),
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("/etc/hostname"),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("own_disk", [False, True])
def test_nothing_in_a_spool_is_destroyed_whatever_it_is(
    disk: Disk, own_disk: bool, make: Callable[[Path], object]
) -> None:
    """Sealed by its name and no segment: it is kept, byte for byte, and the run is done, on a disk of its own, too."""
    with in_memory(disk.spool, 4 << 20) if own_disk else nullcontext():
        disk.place(identity(1), segment_file(1).open)
        path = layout.sealed_path(disk.spool, identity(0))
        make(path)
        before = {"": path.read_bytes()} if path.is_file() else tree(path) if path.is_dir() else None
        recovered = disk.recover()
        assert recovered.complete
        assert not path.is_symlink()
        assert not path.exists()
        [finding] = recovered.findings
        kept = finding.kept
        assert kept is not None
        assert kept.is_symlink() or kept.exists()
        assert before in ({"": kept.read_bytes()} if kept.is_file() else tree(kept), None)
        assert disk.sealed(1) == segment_file(1).sealed
        assert disk.recover().findings == ()
