"""The commit path: `done` means durable. When the disk fails: test_group_commit_failures."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path

import pytest

from media.errors import SpoolError
from storage import files, journal, layout
from storage.group_commit import SYNC_THREADS
from storage.journal import read_journal
from tests.builders_commit import INIT, Announcements, create_run, open_file, sealed_file
from tests.builders_spool import RUN, STREAM, FileSeam, identity


async def test_done_means_that_bytes_and_name_were_synced(tmp_path: Path, seam: FileSeam) -> None:
    """The first fragment of a stream waits for its bytes, its file's name and its directory's name, in any order."""
    run = create_run(tmp_path)
    before = len(seam.events)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements(seam)
    assert await announced.appended(segment, "first") is None
    events = [(event.operation, event.path.name) for event in seam.events[before:]]
    stream, file = str(STREAM), open_file(tmp_path, identity()).name
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
    run = create_run(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements(seam)
    await announced.appended(segment, "first")
    before = len(seam.events)
    await announced.appended(segment, "second")
    assert [event.operation for event in seam.events[before:]] == ["append", "datasync", "done second"]
    await run.close(at_us=9)


async def test_seal_syncs_before_the_rename_and_the_directory_after_it(tmp_path: Path, seam: FileSeam) -> None:
    """A name that promises a whole segment is given when the bytes are durable, and announced when the name is."""
    run = create_run(tmp_path)
    segment = run.open_segment(identity(), INIT)
    announced = Announcements(seam)
    await announced.appended(segment, "first")
    before = len(seam.events)
    segment.seal([b"samples", b"seal"], lambda error: announced.add("seal", error))
    assert await announced.wait("seal") is None
    operations = [event.operation for event in seam.events[before:]]
    assert operations == ["append", "datasync", "rename", "close", "sync_directory", "done seal"]
    assert sealed_file(tmp_path, identity()).read_bytes() == INIT + b"first" + b"samples" + b"seal"
    assert not open_file(tmp_path, identity()).exists()
    await run.close(at_us=9)


async def test_announcements_keep_the_order_of_the_queue(tmp_path: Path) -> None:
    """Across files and the journal, also when some fail: earlier work is never announced after later work."""
    run = create_run(tmp_path)
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


async def test_a_round_syncs_several_files_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent syncs share a flush of the disk. Each file is synced once, before anybody hears of the round."""
    run = create_run(tmp_path)
    begun, go_on, together = threading.Event(), threading.Event(), threading.Barrier(SYNC_THREADS)
    synced: list[int] = []
    real = files.datasync

    def hold(fd: int) -> None:
        begun.set()
        go_on.wait()
        real(fd)

    def meet(fd: int) -> None:
        together.wait(timeout=20)
        real(fd)
        synced.append(fd)

    announced = Announcements()
    monkeypatch.setattr(files, "datasync", hold)
    run.note(journal.gap_close(stream=STREAM, at_us=1), lambda error: announced.add("before", error))
    await asyncio.to_thread(begun.wait)
    for number in range(2 * SYNC_THREADS):  # all of them wait for the next round
        segment = run.open_segment(identity(number), INIT)
        segment.append([b"x"], lambda error, n=f"{number}": announced.add(n, error))
    monkeypatch.setattr(files, "datasync", meet)
    go_on.set()
    for number in range(2 * SYNC_THREADS):
        assert await announced.wait(f"{number}") is None
    assert len(synced) == len(set(synced)) == 2 * SYNC_THREADS
    monkeypatch.setattr(files, "datasync", real)
    await run.close(at_us=9)


async def test_pending_bytes_count_what_waits(tmp_path: Path) -> None:
    """What is queued is accounted for until it is settled, for the run and for the segment."""
    run = create_run(tmp_path)
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
    run = create_run(tmp_path)
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
    run = create_run(tmp_path)
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
    run = create_run(tmp_path)
    announced = Announcements()
    with_footage = run.open_segment(identity(0), INIT)
    await announced.appended(with_footage, "first")
    run.open_segment(identity(1), INIT)
    await run.close(at_us=9)
    assert open_file(tmp_path, identity(0)).read_bytes() == INIT + b"first"
    assert not open_file(tmp_path, identity(1)).exists()


async def test_nothing_is_accepted_after_the_end(tmp_path: Path) -> None:
    """Bytes behind a seal would be lost: whoever tries is told, at once or by `done`."""
    run = create_run(tmp_path)
    announced = Announcements()
    segment, left = run.open_segment(identity(0), INIT), run.open_segment(identity(1), INIT)
    await announced.appended(segment, "first")
    segment.seal([b"seal"], lambda error: announced.add("seal", error))
    with pytest.raises(SpoolError, match="has ended"):
        segment.append([b"late"], lambda error: announced.add("late", error))
    segment.abandon()
    await run.close(at_us=9)
    assert sealed_file(tmp_path, identity(0)).read_bytes() == INIT + b"first" + b"seal"
    with pytest.raises(SpoolError, match="has ended"):
        left.append([b"late"], lambda error: announced.add("late", error))
    run.note(journal.clock_step(at_us=1, step_us=1), lambda error: announced.add("note", error))
    assert "closed" in str(await announced.wait("note"))


async def test_a_segment_belongs_to_its_run(tmp_path: Path) -> None:
    """A run's directory holds only its own segments."""
    run = create_run(tmp_path)
    with pytest.raises(SpoolError, match="does not belong"):
        run.open_segment(identity(run=RUN + 1), INIT)
    await run.close(at_us=9)


async def test_an_existing_file_is_never_written_to(tmp_path: Path) -> None:
    """Should an identity come twice, the second fails and the first stays as it is."""
    run = create_run(tmp_path)
    announced = Announcements()
    first, second = run.open_segment(identity(), INIT), run.open_segment(identity(), INIT)
    assert await announced.appended(first, "first") is None
    assert "EEXIST" in str(await announced.appended(second, "second"))
    await run.close(at_us=9)
    assert open_file(tmp_path, identity()).read_bytes() == INIT + b"first"


async def test_a_callback_that_raises_keeps_nobody_from_hearing(tmp_path: Path) -> None:
    """One recorder's defect is the loop's to report; the next `done` is called all the same."""
    loop = asyncio.get_running_loop()
    reported: list[str] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(str(context["exception"])))
    run = create_run(tmp_path)
    announced = Announcements()
    segment = run.open_segment(identity(), INIT)

    def defect(_error: Exception | None) -> None:
        raise ValueError("a defect")

    segment.append([b"x"], defect)
    assert await announced.appended(segment, "next") is None
    assert reported == ["a defect"]
    await run.close(at_us=9)
    assert run.pending_bytes == 0


async def test_a_run_gets_its_name_last(tmp_path: Path, seam: FileSeam) -> None:
    """Locked, with a durable journal: only then is the directory seen as a run."""
    run = create_run(tmp_path)
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
        *("create_exclusive", "append", "datasync", "close", "rename"),  # the order of runs
        "rename",
        "sync_directory",
    ]
    await run.close(at_us=9)
