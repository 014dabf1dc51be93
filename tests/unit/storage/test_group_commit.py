"""The commit path: `done` means durable, and nothing is retried after an error."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason, SpoolError
from storage import files, journal, layout
from storage.journal import read_journal
from storage.spool import SpoolRun, gap_reason
from tests.builders_spool import RUN, STREAM, FileSeam, identity

if TYPE_CHECKING:
    from media.identity import SegmentIdentity
    from storage.spool import SpoolSegment

INIT = b"init section"


@pytest.fixture
def seam() -> Iterator[FileSeam]:
    """Every file operation of the test, in order."""
    with FileSeam().installed() as seam:
        yield seam


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", mount_point], check=False)
    if mount.returncode:
        pytest.skip("mounting a file system needs privileges")
    yield mount_point
    subprocess.run(["umount", "--lazy", mount_point], check=True)


def _fill(path: Path) -> None:
    """Write until the disk refuses."""
    with path.open("wb", buffering=0) as file:
        while file.write(bytes(65_536)):
            continue


def _create(tmp_path: Path, run: int = RUN) -> SpoolRun:
    return SpoolRun.create(tmp_path / "spool", run=run, host="rec-1", at_us=7, loop=asyncio.get_running_loop())


class Announcements:
    """What was announced, in order; `of` makes a `done` callback with a name."""

    def __init__(self, seam: FileSeam | None = None) -> None:
        self.names: list[str] = []
        self.errors: dict[str, Exception | None] = {}
        self._seam = seam
        self._more = asyncio.Event()

    async def appended(self, segment: SpoolSegment, name: str) -> Exception | None:
        """Append a fragment with this content and wait for its end."""
        segment.append([name.encode()], lambda error: self.add(name, error))
        return await self.wait(name)

    async def wait(self, name: str) -> Exception | None:
        """Wait until `name` was announced; its error."""
        while name not in self.errors:
            self._more.clear()
            await self._more.wait()
        return self.errors[name]

    def add(self, name: str, error: Exception | None) -> None:
        """The callback."""
        self.names.append(name)
        self.errors[name] = error
        if self._seam is not None:
            self._seam.note(f"done {name}")
        self._more.set()


def _open(tmp_path: Path, segment: SegmentIdentity) -> Path:
    return layout.open_path(tmp_path / "spool", segment)


def _sealed(tmp_path: Path, segment: SegmentIdentity) -> Path:
    return layout.sealed_path(tmp_path / "spool", segment)


async def test_done_means_that_bytes_and_name_were_synced(tmp_path: Path, seam: FileSeam) -> None:
    """The first fragment of a stream waits for its bytes, its file's name and its directory's name, in any order."""
    run = _create(tmp_path)
    before = len(seam.events)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements(seam)
    assert await announced.appended(segment, "first") is None
    events = [(event.operation, event.path.name) for event in seam.events[before:]]
    stream, file = str(STREAM), _open(tmp_path, identity()).name
    assert events[:4] == [
        ("make_directory", stream),
        ("create_exclusive", file),
        ("append", file),
        ("append", file),
    ]
    assert events[4] == ("datasync", file)
    assert sorted(events[5:7]) == sorted([("sync_directory", layout.run_name(RUN)), ("sync_directory", stream)])
    assert events[7:] == [("done first", "")]
    await run.close(at_us=9)


async def test_later_fragments_need_one_sync(tmp_path: Path, seam: FileSeam) -> None:
    """Once the name is durable, a fragment costs a write and a datasync."""
    run = _create(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements(seam)
    await announced.appended(segment, "first")
    before = len(seam.events)
    await announced.appended(segment, "second")
    assert [event.operation for event in seam.events[before:]] == ["append", "datasync", "done second"]
    await run.close(at_us=9)


async def test_seal_syncs_before_the_rename_and_the_directory_after_it(tmp_path: Path, seam: FileSeam) -> None:
    """A name that promises a whole segment is given when the bytes are durable, and announced when the name is."""
    run = _create(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements(seam)
    await announced.appended(segment, "first")
    before = len(seam.events)
    segment.seal([b"samples", b"seal"], lambda error: announced.add("seal", error))
    assert await announced.wait("seal") is None
    operations = [event.operation for event in seam.events[before:]]
    assert operations == ["append", "datasync", "rename", "close", "sync_directory", "done seal"]
    assert _sealed(tmp_path, identity()).read_bytes() == INIT + b"first" + b"samples" + b"seal"
    assert not _open(tmp_path, identity()).exists()
    await run.close(at_us=9)


async def test_announcements_keep_the_order_of_the_queue(tmp_path: Path) -> None:
    """Across files and the journal, also when some fail: earlier work is never announced after later work."""
    run = _create(tmp_path)
    announced = Announcements()
    with FileSeam().installed() as seam:
        seam.fail("datasync", f".{1}.mp4.open", errno.EIO)
        segments = [run.open_segment(identity(number), INIT) for number in range(3)]
        expected = []
        for turn in range(5):
            for number, segment in enumerate(segments):
                name = f"{number}.{turn}"
                segment.append([b"x"], lambda error, name=name: announced.add(name, error))
                expected.append(name)
            run.note(
                journal.gap_close(stream=STREAM, at_us=turn), lambda error, n=f"note {turn}": announced.add(n, error)
            )
            expected.append(f"note {turn}")
        await run.close(at_us=9)
    assert announced.names == expected
    assert {name for name, error in announced.errors.items() if error is not None} == {f"1.{turn}" for turn in range(5)}


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
    run = _create(tmp_path)
    segment, other = run.open_segment(identity(0), INIT), run.open_segment(identity(1), INIT)
    announced = Announcements()
    assert await announced.appended(segment, "durable") is None
    seam.fail(operation, ".0.mp4.open", code)
    failed = await announced.appended(segment, "failed")
    assert isinstance(failed, SpoolError)
    assert errno.errorcode[code] in str(failed)
    assert str(_open(tmp_path, identity())) in str(failed)
    assert gap_reason(failed) is reason
    before = len(seam.events)
    assert await announced.appended(segment, "later") is failed
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    assert await announced.wait("seal") is failed
    assert [event.operation for event in seam.events[before:]] == []
    assert await announced.appended(other, "the other camera") is None
    await run.close(at_us=9)
    failed_file = layout.failed_path(_open(tmp_path, identity()), 1)  # its name says how much of it was announced
    assert failed_file.read_bytes().startswith(INIT + b"durable")
    assert not _open(tmp_path, identity()).exists()
    assert not _sealed(tmp_path, identity()).exists()


async def test_a_failed_sync_at_the_seal_gives_the_file_up(tmp_path: Path, seam: FileSeam) -> None:
    """What could not be synced is not sealed: recovery decides what it holds."""
    run = _create(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements()
    await announced.appended(segment, "durable")
    seam.fail("datasync", ".mp4.open", errno.EIO)
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    assert isinstance(await announced.wait("seal"), SpoolError)
    await run.close(at_us=9)
    assert not _sealed(tmp_path, identity()).exists()
    assert layout.failed_path(_open(tmp_path, identity()), 1).exists()


async def test_a_failed_file_that_cannot_be_renamed_stays(tmp_path: Path, seam: FileSeam) -> None:
    """A disk that takes no names any more: the file is left as it is, and the error is that of the sync."""
    run = _create(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements()
    await announced.appended(segment, "durable")
    seam.fail("datasync", ".mp4.open", errno.EIO)
    seam.fail("rename", ".mp4.open", errno.EROFS)
    assert "EIO" in str(await announced.appended(segment, "failed"))
    await run.close(at_us=9)
    assert _open(tmp_path, identity()).exists()


@pytest.mark.parametrize("operation", ["make_directory", "create_exclusive", "append"])
async def test_a_file_that_never_held_a_fragment_leaves_nothing(tmp_path: Path, seam: FileSeam, operation: str) -> None:
    """On a full disk recording is tried again and again: the attempts must not fill what is left."""
    run = _create(tmp_path)
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
    assert not _open(tmp_path, identity()).exists()
    assert _open(tmp_path, identity(1)).exists()


async def test_a_name_that_cannot_be_synced_is_not_announced(tmp_path: Path, seam: FileSeam) -> None:
    """After a failed directory sync nothing new in that directory is believed for the rest of the run."""
    run = _create(tmp_path)
    seam.fail("sync_directory", str(STREAM), errno.EIO)
    announced = Announcements()
    first = run.open_segment(identity(0), INIT)
    assert isinstance(await announced.appended(first, "first"), SpoolError)
    second = run.open_segment(identity(1), INIT)
    assert isinstance(await announced.appended(second, "second"), SpoolError)
    assert seam.operations(str(STREAM)).count("sync_directory") == 0
    await run.close(at_us=9)


async def test_a_failed_directory_sync_fails_the_seal_but_not_what_was_durable(tmp_path: Path, seam: FileSeam) -> None:
    """Fragments announced before the seal stay announced; the seal is not."""
    run = _create(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)
    assert await announced.appended(segment, "first") is None
    seam.fail("sync_directory", str(STREAM), errno.EIO)
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    assert isinstance(await announced.wait("seal"), SpoolError)
    await run.close(at_us=9)


async def test_a_lost_run_directory_takes_no_new_streams(tmp_path: Path, seam: FileSeam) -> None:
    """A stream's directory whose name may be gone holds nothing durable, whatever is synced inside it."""
    run = _create(tmp_path)
    announced = Announcements()
    seam.fail("sync_directory", layout.run_name(RUN), errno.EIO)
    for sequence in range(2):
        segment = run.open_segment(identity(sequence), INIT)
        assert isinstance(await announced.appended(segment, str(sequence)), SpoolError)
    await run.close(at_us=9)


async def test_all_that_came_with_a_lost_directory_is_lost(tmp_path: Path, seam: FileSeam) -> None:
    """Two files of a new stream in one round: the run's directory fails, and with the stream's name both are gone."""
    run = _create(tmp_path)
    announced = Announcements()
    seam.fail("sync_directory", layout.run_name(RUN), errno.EIO)
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
    run = _create(tmp_path)
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


async def test_pending_bytes_count_what_waits(tmp_path: Path) -> None:
    """What is queued is accounted for until it is settled, for the run and for the segment."""
    run = _create(tmp_path)
    hold = threading.Event()
    with FileSeam().installed():
        real = files.datasync
        files.datasync = lambda fd: (hold.wait(), real(fd))[1]  # type: ignore[assignment]
        segment = run.open_segment(identity(), INIT)
        announced = Announcements()
        segment.append([bytes(1000), bytearray(500)], lambda error: announced.add("x", error))
        assert segment.pending_bytes == len(INIT) + 1500
        assert run.pending_bytes == len(INIT) + 1500
        hold.set()
        await announced.wait("x")
        assert segment.pending_bytes == run.pending_bytes == 0
        await run.close(at_us=9)
        files.datasync = real
    assert run.pending_bytes == 0


async def test_the_event_loop_runs_while_the_disk_hangs(tmp_path: Path) -> None:
    """A sync that takes forever delays nobody but those who wait for it."""
    run = _create(tmp_path)
    entered, hold = threading.Event(), threading.Event()
    with FileSeam().installed():
        real = files.datasync

        def hang(fd: int) -> None:
            entered.set()
            hold.wait()
            real(fd)

        files.datasync = hang
        segment = run.open_segment(identity(), INIT)
        announced = Announcements()
        segment.append([b"first"], lambda error: announced.add("first", error))
        await asyncio.to_thread(entered.wait)
        for turn in range(100):
            segment.append([b"x"], lambda error, turn=turn: announced.add(str(turn), error))
        assert announced.names == []
        hold.set()
        assert await announced.wait("99") is None
        await run.close(at_us=9)
        files.datasync = real


async def test_close_settles_everything_and_says_so_in_the_journal(tmp_path: Path) -> None:
    """Nothing queued before close is lost, `run_end` is the last record, the lock is free."""
    run = _create(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)
    for turn in range(10):
        segment.append([b"x"], lambda error, turn=turn: announced.add(str(turn), error))
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    held = files.open_directory(run.directory)
    assert not files.lock(held)
    await run.close(at_us=9)
    assert announced.names == [*map(str, range(10)), "seal"]
    assert files.lock(held)
    files.close(held)
    content = (run.directory / "journal").read_bytes()
    records = read_journal(lambda offset, length: content[offset : offset + length], len(content)).records
    assert [record.kind for record in records] == ["run_start", "run_end"]
    assert records[-1].fields["at_us"] == 9
    await run.close()


async def test_close_leaves_open_segments_to_recovery(tmp_path: Path) -> None:
    """A segment with footage that nobody sealed stays as it is; one without any is nothing."""
    run = _create(tmp_path)
    announced = Announcements()
    with_footage = run.open_segment(identity(0), INIT)
    await announced.appended(with_footage, "first")
    run.open_segment(identity(1), INIT)
    await run.close(at_us=9)
    assert _open(tmp_path, identity(0)).read_bytes() == INIT + b"first"
    assert not _open(tmp_path, identity(1)).exists()


async def test_nothing_is_accepted_after_the_end(tmp_path: Path) -> None:
    """Bytes behind a seal would be lost: whoever tries is told, at once or by `done`."""
    run = _create(tmp_path)
    announced = Announcements()
    segment, left = run.open_segment(identity(0), INIT), run.open_segment(identity(1), INIT)
    await announced.appended(segment, "first")
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    with pytest.raises(SpoolError, match="has ended"):
        segment.append([b"late"], lambda error: announced.add("late", error))
    segment.abandon()
    await run.close(at_us=9)
    assert _sealed(tmp_path, identity(0)).read_bytes() == INIT + b"first" + b"seal"
    with pytest.raises(SpoolError, match="has ended"):
        left.append([b"late"], lambda error: announced.add("late", error))
    run.note(journal.clock_step(at_us=1, step_us=1), lambda error: announced.add("note", error))
    assert "closed" in str(await announced.wait("note"))


async def test_a_segment_belongs_to_its_run(tmp_path: Path) -> None:
    """A run's directory holds only its own segments."""
    run = _create(tmp_path)
    with pytest.raises(SpoolError, match="does not belong"):
        run.open_segment(identity(run=RUN + 1), INIT)
    await run.close(at_us=9)


async def test_an_existing_file_is_never_written_to(tmp_path: Path) -> None:
    """Should an identity come twice, the second fails and the first stays as it is."""
    run = _create(tmp_path)
    announced = Announcements()
    first, second = run.open_segment(identity(), INIT), run.open_segment(identity(), INIT)
    assert await announced.appended(first, "first") is None
    assert "EEXIST" in str(await announced.appended(second, "second"))
    await run.close(at_us=9)
    assert _open(tmp_path, identity()).read_bytes() == INIT + b"first"


async def test_a_failed_journal_is_told(tmp_path: Path, seam: FileSeam) -> None:
    """A run that cannot say what it sees knows it, and its footage goes on."""
    run = _create(tmp_path)
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
    run = _create(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)
    segment.append(["text"], lambda error: announced.add("first", error))  # type: ignore[list-item]
    assert "group commit failed" in str(await announced.wait("first"))
    other = run.open_segment(identity(1), INIT)
    assert "group commit failed" in str(await announced.appended(other, "second"))
    assert "group commit failed" in str(run.failed)
    await run.close(at_us=9)


async def test_a_callback_that_raises_keeps_nobody_from_hearing(tmp_path: Path) -> None:
    """One recorder's defect is the loop's to report; the next `done` is called all the same."""
    loop = asyncio.get_running_loop()
    reported: list[str] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(str(context["exception"])))
    run = _create(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)

    def defect(_error: Exception | None) -> None:
        raise ValueError("a defect")

    segment.append([b"x"], defect)
    assert await announced.appended(segment, "next") is None
    assert reported == ["a defect"]
    await run.close(at_us=9)
    assert run.pending_bytes == 0


@pytest.mark.parametrize(
    "operation",
    ["make_directory", "open_directory", "lock", "create_exclusive", "append", "datasync", "sync_directory", "rename"],
)
async def test_a_run_that_cannot_begin_says_why(tmp_path: Path, seam: FileSeam, operation: str) -> None:
    """A disk that refuses is told with path and errno before any camera is connected, and no run is left behind."""
    (tmp_path / "spool").mkdir()
    seam.fail(operation, layout.run_name(RUN), errno.ENOSPC)
    with pytest.raises(SpoolError, match=r"ENOSPC|EWOULDBLOCK") as caught:
        _create(tmp_path)
    assert str(tmp_path / "spool") in str(caught.value)
    assert [path for path in (tmp_path / "spool").iterdir() if layout.parse_run_name(path.name) is not None] == []


async def test_a_run_gets_its_name_last(tmp_path: Path, seam: FileSeam) -> None:
    """Locked, with a durable journal: only then is the directory seen as a run."""
    run = _create(tmp_path)
    assert [event.operation for event in seam.events] == [
        "make_directory",
        "sync_directory",
        "make_directory",
        "open_directory",
        "lock",
        "create_exclusive",
        "append",
        "datasync",
        "sync_directory",
        "rename",
        "sync_directory",
    ]
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
