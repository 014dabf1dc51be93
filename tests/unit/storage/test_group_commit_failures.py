"""The commit path when the disk fails: what is lost is told, and no file is trusted after an error."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from media.errors import GapReason, SpoolError
from storage import files, journal, layout
from storage.spool import SpoolRun, gap_reason
from tests.builders_commit import INIT, Announcements, create_run, open_file, sealed_file
from tests.builders_spool import RUN, STREAM, FileSeam, identity
from tests.small_disk import Ext4Disk, in_memory


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own."""
    point, size_bytes = tmp_path / "disk", 8 << 20
    disk = in_memory(point, size_bytes)
    if request.param == "ext4":
        disk = Ext4Disk(tmp_path / "image", size_bytes).mounted(point)
    with disk:
        yield point


def _fill(path: Path) -> None:
    """Write until the disk refuses."""
    with path.open("wb", buffering=0) as file:
        while file.write(bytes(65_536)):
            continue


@pytest.mark.parametrize(
    ("operation", "code", "reason"),
    [
        ("append", errno.ENOSPC, GapReason.SPOOL_FULL),
        ("append", errno.EDQUOT, GapReason.SPOOL_FULL),
        ("append", errno.EIO, GapReason.DISK_ERROR),
        ("datasync", errno.ENOSPC, GapReason.SPOOL_FULL),
        ("datasync", errno.EIO, GapReason.DISK_ERROR),
    ],
)
async def test_a_file_that_failed_is_never_touched_again(
    tmp_path: Path, seam: FileSeam, operation: str, code: int, reason: GapReason
) -> None:
    """After a write or sync error every later ticket fails with it: no second sync may say that all is well."""
    run = create_run(tmp_path)
    segment, other = run.open_segment(identity(0), INIT), run.open_segment(identity(1), INIT)
    announced = Announcements()
    assert await announced.appended(segment, "durable") is None
    seam.fail(operation, ".0.mp4.open", code)
    failed = await announced.appended(segment, "failed")
    assert isinstance(failed, SpoolError)
    assert errno.errorcode[code] in str(failed)
    assert str(open_file(tmp_path, identity())) in str(failed)
    assert gap_reason(failed) is reason
    before = len(seam.events)
    assert await announced.appended(segment, "later") is failed
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    assert await announced.wait("seal") is failed
    assert [event.operation for event in seam.events[before:]] == []
    assert await announced.appended(other, "the other camera") is None
    await run.close(at_us=9)
    name_of = layout.cut_path if (operation, reason) == ("append", GapReason.SPOOL_FULL) else layout.failed_path
    failed_file = name_of(open_file(tmp_path, identity()), 1)  # its name says how much of it was announced
    assert failed_file.read_bytes().startswith(INIT + b"durable")
    assert not open_file(tmp_path, identity()).exists()
    assert not sealed_file(tmp_path, identity()).exists()


async def test_a_failed_sync_at_the_seal_gives_the_file_up(tmp_path: Path, seam: FileSeam) -> None:
    """What could not be synced is not sealed: recovery decides what it holds."""
    run = create_run(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements()
    await announced.appended(segment, "durable")
    seam.fail("datasync", ".mp4.open", errno.EIO)
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    assert isinstance(await announced.wait("seal"), SpoolError)
    await run.close(at_us=9)
    assert not sealed_file(tmp_path, identity()).exists()
    assert layout.failed_path(open_file(tmp_path, identity()), 1).exists()


async def test_a_failed_file_that_cannot_be_renamed_stays(tmp_path: Path, seam: FileSeam) -> None:
    """A disk that takes no names any more: the file is left as it is, and the error is that of the sync."""
    run = create_run(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements()
    await announced.appended(segment, "durable")
    seam.fail("datasync", ".mp4.open", errno.EIO)
    seam.fail("rename", ".mp4.open", errno.EROFS)
    assert "EIO" in str(await announced.appended(segment, "failed"))
    await run.close(at_us=9)
    assert open_file(tmp_path, identity()).exists()


@pytest.mark.parametrize("operation", ["make_directory", "create_exclusive", "append"])
async def test_a_file_that_never_held_a_fragment_leaves_nothing(tmp_path: Path, seam: FileSeam, operation: str) -> None:
    """On a full disk recording is tried again and again: the attempts must not fill what is left."""
    run = create_run(tmp_path)
    seam.fail(operation, str(STREAM), errno.ENOSPC)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements()
    error = await announced.appended(segment, "first")
    assert error is not None
    assert gap_reason(error) is GapReason.SPOOL_FULL
    segment.abandon()
    again = run.open_segment(identity(1), INIT)
    assert await announced.appended(again, "second") is None
    await run.close(at_us=9)
    assert not open_file(tmp_path, identity()).exists()
    assert open_file(tmp_path, identity(1)).exists()


async def test_a_name_that_cannot_be_synced_is_not_announced(tmp_path: Path, seam: FileSeam) -> None:
    """After a failed directory sync nothing new in that directory is believed, nor is it synced again."""
    run = create_run(tmp_path)
    seam.fail("sync_directory", str(STREAM), errno.EIO)
    announced = Announcements()
    first, second = (run.open_segment(identity(number), INIT) for number in range(2))
    assert isinstance(await announced.appended(first, "first"), SpoolError)
    assert isinstance(await announced.appended(second, "second"), SpoolError)
    lost = run.directory / str(STREAM)
    assert [event.operation for event in seam.events if event.path == lost][-1] == "sync_directory failed"
    await run.close(at_us=9)


async def test_a_stream_goes_on_in_another_directory(tmp_path: Path, seam: FileSeam) -> None:
    """Its name is durable before any file says that it has failed, so whoever finds such a file finds it, too."""
    run = create_run(tmp_path)
    seam.fail("sync_directory", str(STREAM), errno.EIO)
    announced = Announcements()
    assert isinstance(await announced.appended(run.open_segment(identity(0), INIT), "lost"), SpoolError)
    last = [event.operation for event in seam.events if event.operation != "close"][-3:]
    assert last == ["make_directory", "sync_directory", "rename"]
    segment = run.open_segment(identity(1), INIT)
    assert await announced.appended(segment, "kept") is None
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    assert await announced.wait("seal") is None
    await run.close(at_us=9)
    assert sorted(str(path.relative_to(run.directory)) for path in run.directory.glob("*/*")) == [
        f"{STREAM}.1/{sealed_file(tmp_path, identity(1)).name}",
        f"{STREAM}/{layout.failed_path(open_file(tmp_path, identity(0)), 0).name}",
    ]


async def test_a_stream_that_loses_every_directory_is_refused(tmp_path: Path, seam: FileSeam) -> None:
    """There is a bound; the other streams go on."""
    run = create_run(tmp_path)
    seam.fail("sync_directory", str(STREAM), errno.EIO, times=100)
    announced = Announcements()
    for number in range(layout.MOST_DIRECTORIES + 2):
        segment = run.open_segment(identity(number), INIT)
        assert isinstance(await announced.appended(segment, str(number)), SpoolError)
    other = run.open_segment(identity(stream=UUID(int=7)), INIT)
    assert await announced.appended(other, "other") is None
    assert run.failed is None
    assert len(list(run.directory.glob(f"{STREAM}*"))) == layout.MOST_DIRECTORIES
    await run.close(at_us=9)


@pytest.mark.parametrize("operation", ["make_directory", "sync_directory"])
async def test_a_stream_without_another_directory_is_refused(tmp_path: Path, seam: FileSeam, operation: str) -> None:
    """A directory that could not be made is none; a run whose own directory fails has to end."""
    run = create_run(tmp_path)
    announced = Announcements()
    assert await announced.appended(run.open_segment(identity(0), INIT), "first") is None
    seam.fail("sync_directory", str(STREAM), errno.EIO)
    seam.fail(operation, f"{STREAM}.1" if operation == "make_directory" else run.directory.name, errno.EIO)
    assert isinstance(await announced.appended(run.open_segment(identity(1), INIT), "lost"), SpoolError)
    assert isinstance(await announced.appended(run.open_segment(identity(2), INIT), "refused"), SpoolError)
    assert (run.failed is None) == (operation == "make_directory")
    await run.close(at_us=9)


async def test_a_failed_directory_sync_fails_the_seal_but_not_what_was_durable(tmp_path: Path, seam: FileSeam) -> None:
    """Fragments announced before the seal stay announced; the seal is not."""
    run = create_run(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)
    assert await announced.appended(segment, "first") is None
    seam.fail("sync_directory", str(STREAM), errno.EIO)
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    assert isinstance(await announced.wait("seal"), SpoolError)
    await run.close(at_us=9)


async def test_a_lost_run_directory_takes_no_new_streams(tmp_path: Path, seam: FileSeam) -> None:
    """A stream's directory whose name may be gone holds nothing durable, whatever is synced inside it."""
    run = create_run(tmp_path)
    announced = Announcements()
    seam.fail("sync_directory", run.directory, errno.EIO)
    for sequence in range(2):
        segment = run.open_segment(identity(sequence), INIT)
        assert isinstance(await announced.appended(segment, str(sequence)), SpoolError)
    await run.close(at_us=9)


async def test_all_that_came_with_a_lost_directory_is_lost(tmp_path: Path, seam: FileSeam) -> None:
    """Two files of a new stream in one round: the run's directory fails, and with the stream's name both are gone."""
    run = create_run(tmp_path)
    announced = Announcements()
    seam.fail("sync_directory", run.directory, errno.EIO)
    run.note(journal.clock_step(at_us=1, step_us=1), lambda error: announced.add("note", error))
    await announced.wait("note")  # the pause before the next round has begun: what is queued now is in that one
    for sequence in range(2):
        segment = run.open_segment(identity(sequence), INIT)
        segment.append([b"x"], lambda error, name=str(sequence): announced.add(name, error))
    assert isinstance(await announced.wait("0"), SpoolError)
    assert isinstance(await announced.wait("1"), SpoolError)
    await run.close(at_us=9)


async def test_a_run_whose_directory_is_lost_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would refuse each file of each stream until somebody restarts it; another run has another directory."""
    run = create_run(tmp_path)
    real = files.sync_directory

    def refuse(path: Path) -> None:
        if path == run.directory:
            raise OSError(errno.EIO, "refused")
        real(path)

    monkeypatch.setattr(files, "sync_directory", refuse)
    announced = Announcements()
    assert isinstance(await announced.appended(run.open_segment(identity(), INIT), "first"), SpoolError)
    assert "not durable" in str(run.failed)
    await run.close(at_us=9)


async def test_a_failed_journal_is_told(tmp_path: Path, seam: FileSeam) -> None:
    """A run that cannot say what it sees knows it, and its footage goes on."""
    run = create_run(tmp_path)
    assert run.failed is None
    announced = Announcements()
    seam.fail("append", "journal", errno.EIO)
    run.note(journal.clock_step(at_us=1, step_us=1), lambda error: announced.add("note", error))
    error = await announced.wait("note")
    assert run.failed is error
    assert await announced.appended(run.open_segment(identity(), INIT), "first") is None
    await run.close(at_us=9)


async def test_a_defect_of_the_commit_thread_fails_everything_aloud(tmp_path: Path) -> None:
    """An error nobody foresaw must not leave fragments waiting for ever."""
    run = create_run(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)
    segment.append(["text"], lambda error: announced.add("first", error))  # type: ignore[list-item]
    assert "group commit failed" in str(await announced.wait("first"))
    other = run.open_segment(identity(1), INIT)
    assert "group commit failed" in str(await announced.appended(other, "second"))
    assert "group commit failed" in str(run.failed)
    await run.close(at_us=9)


@pytest.mark.parametrize(
    "operation",
    ["make_directory", "open_directory", "lock", "create_exclusive", "append", "datasync", "sync_directory", "rename"],
)
async def test_a_run_that_cannot_begin_says_why(tmp_path: Path, seam: FileSeam, operation: str) -> None:
    """A disk that refuses is told with path and errno before any camera is connected, and no run is left behind."""
    (tmp_path / "spool").mkdir()
    seam.fail(operation, layout.run_name(RUN), errno.ENOSPC)
    with pytest.raises(SpoolError, match=r"ENOSPC|EWOULDBLOCK") as caught:
        create_run(tmp_path)
    assert str(tmp_path / "spool") in str(caught.value)
    assert [path for path in (tmp_path / "spool").iterdir() if layout.parse_run_name(path.name) is not None] == []


async def test_what_a_full_disk_took_before_is_durable(tmp_path: Path, seam: FileSeam) -> None:
    """In one round: the file is cut behind what was taken, synced, announced, and takes nothing more."""
    run = create_run(tmp_path)
    announced = Announcements(seam)
    run.note(journal.clock_step(at_us=1, step_us=1), lambda error: announced.add("note", error))
    await announced.wait("note")  # the pause before the next round has begun: what is queued now is in that one
    segment = run.open_segment(identity(), INIT)
    seam.fail("append", ".0.mp4.open", errno.ENOSPC, skip=2)
    for name in ("taken", "refused", "too late"):
        segment.append([name.encode()], lambda error, name=name: announced.add(name, error))
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    refused = await announced.wait("refused")
    assert refused is not None
    assert gap_reason(refused) is GapReason.SPOOL_FULL
    assert [await announced.wait(name) for name in ("taken", "too late", "seal")] == [None, refused, refused]
    cut = layout.cut_path(open_file(tmp_path, identity()), 1)
    assert cut.read_bytes() == INIT + b"taken"
    steps = [event.operation for event in seam.events if ".0.mp4" in str(event.path) or "done" in event.operation]
    assert steps.index("truncate") < steps.index("datasync") < steps.index("rename") < steps.index("done taken")
    await run.close(at_us=9)
    assert cut.exists()


@pytest.mark.parametrize("operation", ["truncate", "datasync"])
async def test_a_full_disk_that_fails_as_well_is_a_failing_one(tmp_path: Path, seam: FileSeam, operation: str) -> None:
    """What cannot be cut or synced is in doubt, and its name says so."""
    run = create_run(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)
    assert await announced.appended(segment, "durable") is None
    seam.fail("append", ".0.mp4.open", errno.ENOSPC)
    seam.fail(operation, ".0.mp4.open", errno.EIO)
    error = await announced.appended(segment, "refused")
    assert error is not None
    assert gap_reason(error) is GapReason.DISK_ERROR
    assert layout.failed_path(open_file(tmp_path, identity()), 1).exists()
    await run.close(at_us=9)


async def test_a_disk_that_is_really_full_keeps_every_byte_it_announced(small_disk: Path) -> None:
    """Fragments until it refuses one: the file holds what was announced, to the byte, and nothing of that one."""
    run = SpoolRun.create(small_disk / "spool", run=RUN, host="rec-1", at_us=7, loop=asyncio.get_running_loop())
    announced, size_bytes, whole = Announcements(), 300_001, INIT
    segment = run.open_segment(identity(), INIT)
    for number in range(100):
        content = bytes([number]) * size_bytes
        segment.append([content], lambda error, name=str(number): announced.add(name, error))
        if (error := await announced.wait(str(number))) is not None:
            break
        whole += content
    assert 10 < number < 30
    assert gap_reason(error) is GapReason.SPOOL_FULL
    cut = layout.cut_path(layout.open_path(small_disk / "spool", identity()), number)
    assert cut.read_bytes() == whole
    await run.close(at_us=9)


async def test_a_full_disk_still_takes_what_must_be_said(small_disk: Path) -> None:
    """The journal has room of its own: `spool_full` is written when nothing else is."""
    run = SpoolRun.create(small_disk / "spool", run=RUN, host="rec-1", at_us=7, loop=asyncio.get_running_loop())
    announced = Announcements()
    run.note(journal.clock_step(at_us=1, step_us=1), lambda error: announced.add("first note", error))
    await announced.wait("first note")
    segment = run.open_segment(identity(), INIT)
    segment.append([bytes(64 << 20)], lambda error: announced.add("too large", error))
    error = await announced.wait("too large")
    assert error is not None
    assert gap_reason(error) is GapReason.SPOOL_FULL
    with pytest.raises(OSError, match="No space"):
        _fill(small_disk / "filler")
    record = journal.gap_open(stream=STREAM, at_us=3, reason=GapReason.SPOOL_FULL, detail="x" * 900)
    for turn in range(200):
        run.note(record, lambda error, turn=turn: announced.add(str(turn), error))
    await announced.wait("199")
    assert {name: error for name, error in announced.errors.items() if error} == {"too large": error}
    await run.close(at_us=9)
