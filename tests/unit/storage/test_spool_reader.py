"""The spool reader: one consistent answer while segments grow, are sealed, recovered and removed under it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from media.fmp4_read import read_sealed, scan
from media.fmp4_write import SegmentWriter
from media.fragment_index import decode
from media.sample_table import SampleCounts
from storage import files, layout
from storage.clock import FakeClock
from storage.model import Segment, SegmentState
from storage.recovery import recover_run
from storage.segment_row import segment_from_scan
from storage.spool import SpoolRun
from storage.spool_reader import DurableMark, SpoolReader
from tests import builders_segment
from tests.builders_audio import plain_sound
from tests.builders_recovery import segment_file
from tests.builders_segment import reader
from tests.builders_spool import RUN, STREAM, FileSeam, identity, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OTHER_STREAM = UUID(int=STREAM.int + 1)


class Marks:
    """What `record` announced: `durable` is what the reader asks."""

    def __init__(self) -> None:
        self.mark: DurableMark | None = None

    def durable(self, stream: UUID) -> DurableMark | None:
        """The mark of the one stream."""
        return self.mark if stream == STREAM else None

    def announce(self, fragment: int, *, sequence: int = 0, run: int = RUN, epoch: int = 1) -> None:
        """Durable up to and with that fragment."""
        self.mark = DurableMark(run=run, epoch=epoch, sequence=sequence, fragment=fragment)


@pytest.fixture
def marks() -> Marks:
    """Nobody knows anything yet."""
    return Marks()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """The spool directory."""
    return tmp_path / "spool"


@pytest.fixture
def spool_reader(spool: Path, marks: Marks) -> SpoolReader:
    """The reader of that spool."""
    return SpoolReader([spool], marks.durable)


@pytest.fixture
def alive(spool: Path) -> Iterator[None]:
    """The run's lock is held, as by a process that records."""
    layout.run_directory(spool, RUN).mkdir(parents=True)
    lock_fd = files.open_directory(layout.run_directory(spool, RUN))
    assert files.lock(lock_fd)
    yield
    files.close(lock_fd)


def registered(content: bytes) -> Segment:
    """The row that `ship` would register for this file."""
    return segment_from_scan(read_sealed(reader(content), len(content)), len(content))


def fragments(segment: Segment) -> int:
    """How many fragments a row tells of."""
    return len(decode(segment.fragments))


def test_an_empty_spool_has_no_segments(spool_reader: SpoolReader) -> None:
    """Before the first run there is not even a directory."""
    assert spool_reader.segments(STREAM) == []


def test_a_sealed_segment_is_told_as_it_will_be_registered(spool: Path, spool_reader: SpoolReader) -> None:
    """Row and samples are those of the shipper, value by value."""
    content = segment_file().sealed
    place(spool, identity(), content, sealed=True)
    [segment] = spool_reader.segments(STREAM)
    assert segment == registered(content)
    assert segment.state is SegmentState.SPOOLED
    found = read_sealed(reader(content), len(content))
    assert spool_reader.samples(segment) == found.samples
    assert spool_reader.segments(OTHER_STREAM) == []


@pytest.mark.usefixtures("alive")
def test_sound_is_told_as_far_as_it_is_durable(spool: Path, spool_reader: SpoolReader, marks: Marks) -> None:
    """Fragments of both tracks have one numbering: row and samples are those of a file that ends at the mark."""
    file = plain_sound(identity())
    place(spool, identity(), file.open)
    for last, commit in enumerate(file.commits):
        marks.announce(last)
        [segment] = spool_reader.segments(STREAM)
        end = commit.box_offset + len(commit.to_box())
        expected = scan(reader(file.open), end)
        assert segment == segment_from_scan(expected, end)
        assert spool_reader.samples(segment) == expected.samples


@pytest.mark.usefixtures("alive")
def test_nothing_past_the_durable_mark_is_told(spool: Path, spool_reader: SpoolReader, marks: Marks) -> None:
    """The page cache shows fragments that a power loss would take: they do not exist yet."""
    segment_bytes = segment_file()
    place(spool, identity(), segment_bytes.open)
    marks.announce(-1)
    assert spool_reader.segments(STREAM) == []
    for last in (0, 1, 3, 2):  # a mark that goes back is believed, too
        marks.announce(last)
        [segment] = spool_reader.segments(STREAM)
        assert fragments(segment) == last + 1
        assert segment.end_us == segment_bytes.commits[last].end_wall_us
        end = segment_bytes.commits[last].box_offset + len(segment_bytes.commits[last].to_box())
        expected = scan(reader(segment_bytes.open), end)
        assert segment == segment_from_scan(expected, end)
        assert spool_reader.samples(segment) == expected.samples


@pytest.mark.usefixtures("alive")
def test_a_mark_in_a_later_segment_makes_earlier_ones_whole(
    spool: Path, spool_reader: SpoolReader, marks: Marks
) -> None:
    """What is sealed before the mark is durable; what comes after it is not; another epoch's place counts first."""
    place(spool, identity(0), segment_file(0).sealed, sealed=True)
    for sequence in (1, 2):
        place(spool, identity(sequence), segment_file(sequence).open)
    marks.announce(1, sequence=1)
    assert [fragments(segment) for segment in spool_reader.segments(STREAM)] == [4, 2]
    marks.announce(0, sequence=0, epoch=2)
    assert [fragments(segment) for segment in spool_reader.segments(STREAM)] == [4]


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("announced", [0, 2, 4])
def test_of_a_file_that_was_given_up_only_what_was_announced_counts(
    spool: Path, spool_reader: SpoolReader, marks: Marks, announced: int
) -> None:
    """Its pages may be clean and not on the disk: that the mark went on to the next segment makes nothing durable."""
    content = segment_file(0)
    path = place(spool, identity(0), content.open)
    path.rename(layout.failed_path(path, announced))
    place(spool, identity(1), segment_file(1).open)
    marks.announce(0, sequence=1)
    found = spool_reader.segments(STREAM)
    assert [fragments(segment) for segment in found] == [announced, 1][announced == 0 :]
    if announced:
        end = content.commits[announced - 1].box_offset + len(content.commits[0].to_box())
        assert spool_reader.samples(found[0]) == scan(reader(content.open), end).samples


@pytest.mark.usefixtures("alive")
def test_a_stream_in_several_directories_is_one_stream(spool: Path, spool_reader: SpoolReader, marks: Marks) -> None:
    """Where a run went on after names were lost: rows, samples and bytes are found in each."""
    first, second = place(spool, identity(0), segment_file(0).sealed, sealed=True), segment_file(1)
    home = layout.directories_after(first.parent)[1]
    home.mkdir()
    for sequence, content in ((1, second.sealed), (2, segment_file(2).open)):
        path = place(spool, identity(sequence), content, sealed=sequence == 1)
        path.rename(home / path.name)
    marks.announce(1, sequence=2)
    found = spool_reader.segments(STREAM)
    assert [fragments(segment) for segment in found] == [4, 4, 2]
    assert [SampleCounts.of(spool_reader.samples(segment)).samples for segment in found] == [
        segment.samples for segment in found
    ]
    with spool_reader.open(identity(1)) as file:
        assert file.read_at(0, file.size_bytes) == second.sealed


@pytest.mark.usefixtures("alive")
def test_what_is_open_behind_the_mark_has_failed(spool: Path, spool_reader: SpoolReader, marks: Marks) -> None:
    """A run seals a segment before it announces the next: what it could neither seal nor rename is not vouched for."""
    place(spool, identity(0), segment_file(0).open)
    place(spool, identity(1), segment_file(1).open)
    marks.announce(0, sequence=1)
    assert [segment.identity.sequence for segment in spool_reader.segments(STREAM)] == [1]


@pytest.mark.usefixtures("alive")
def test_without_a_mark_every_whole_fragment_counts(spool: Path, spool_reader: SpoolReader, marks: Marks) -> None:
    """When `record` does not answer, or the mark is another run's, the file's own commits decide."""
    place(spool, identity(), segment_file().open + b"a torn fragment")
    assert fragments(spool_reader.segments(STREAM)[0]) == 4
    marks.announce(0, run=RUN + 1)
    assert fragments(spool_reader.segments(STREAM)[0]) == 4


def test_a_dead_runs_damage_is_not_told(spool: Path, spool_reader: SpoolReader, tmp_path: Path) -> None:
    """Before recovery and after it the answer is the same: the fragments whose hashes fit."""
    segment_bytes = segment_file()
    damaged = bytearray(segment_bytes.open)
    damaged[segment_bytes.commits[1].offset + segment_bytes.commits[1].header_bytes + 5] ^= 1
    place(spool, identity(), bytes(damaged) + b"torn tail")
    [before] = spool_reader.segments(STREAM)
    before_samples = spool_reader.samples(before)
    recover_run(layout.run_directory(spool, RUN), tmp_path / "quarantine", FakeClock(), lambda _: None)
    [after] = spool_reader.segments(STREAM)
    assert fragments(before) == 3
    assert before.fragments == after.fragments
    assert (before.start_us, before.end_us, before.chain) == (after.start_us, after.end_us, after.chain)
    assert before_samples == spool_reader.samples(after)


@pytest.mark.usefixtures("alive")
def test_samples_stay_those_of_the_answer(spool: Path, spool_reader: SpoolReader, marks: Marks) -> None:
    """Between the answer and the question for its samples the file may grow and be sealed: the samples are the same."""
    path = place(spool, identity(), segment_file().open)
    marks.announce(1)
    [segment] = spool_reader.segments(STREAM)
    before = spool_reader.samples(segment)
    path.write_bytes(segment_file().sealed)
    path.rename(layout.sealed_path(spool, identity()))
    assert before == spool_reader.samples(segment)
    assert SampleCounts.of(before).samples == segment.samples


@pytest.mark.usefixtures("alive")
def test_an_open_file_keeps_its_bytes(spool: Path, spool_reader: SpoolReader) -> None:
    """Renamed or removed, whoever reads goes on reading."""
    path = place(spool, identity(), segment_file().open)
    with spool_reader.open(identity()) as file:
        path.rename(layout.sealed_path(spool, identity()))
        assert file.read_at(0, 10) == segment_file().open[:10]
        layout.sealed_path(spool, identity()).unlink()
        assert file.read_at(0, file.size_bytes) == segment_file().open
        with pytest.raises(FileNotFoundError, match="not in the spool"):
            spool_reader.open(identity())
        with pytest.raises(FileNotFoundError, match="not in the spool"):
            spool_reader.samples(registered(segment_file().sealed))


def _before(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Do something once, right before the first call of a file operation on a segment's file."""
    real = getattr(files, name)
    acts = [act]

    def acting(path: Path) -> object:
        if acts and path.name.startswith(str(identity().camera)):
            acts.pop()()
        return real(path)

    monkeypatch.setattr(files, name, acting)


@pytest.mark.usefixtures("alive")
def test_a_segment_sealed_between_two_calls_is_found(
    spool: Path, spool_reader: SpoolReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed under one name and renamed before it is opened: it is looked for again."""
    path = place(spool, identity(), segment_file().open)

    def seal() -> None:
        path.write_bytes(segment_file().sealed)
        path.rename(layout.sealed_path(spool, identity()))

    _before(monkeypatch, "open_read", seal)
    assert spool_reader.segments(STREAM) == [registered(segment_file().sealed)]


@pytest.mark.usefixtures("alive")
def test_a_segment_sealed_while_it_is_opened_is_found(
    spool: Path, spool_reader: SpoolReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not sealed yet when asked for the sealed name, not open any more when asked for the open one."""
    path = place(spool, identity(), segment_file().open)
    calls = []
    real = files.open_read

    def racing(asked: Path) -> int:
        calls.append(asked)
        if len(calls) == 2:
            path.rename(layout.sealed_path(spool, identity()))
        return real(asked)

    monkeypatch.setattr(files, "open_read", racing)
    with spool_reader.open(identity()) as file:
        assert file.read_at(0, 4) == segment_file().open[:4]
    assert len(calls) == 3


def test_a_segment_removed_between_two_calls_is_left_to_the_catalog(
    spool: Path, spool_reader: SpoolReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone because it is stored: the others are told."""
    gone = place(spool, identity(0), segment_file(0).sealed, sealed=True)
    place(spool, identity(1), segment_file(1).sealed, sealed=True)
    _before(monkeypatch, "open_read", gone.unlink)
    assert [segment.identity.sequence for segment in spool_reader.segments(STREAM)] == [1]


def test_a_listing_that_changes_under_the_reader_is_read_again(
    spool: Path, spool_reader: SpoolReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reading of a directory may show neither name of a file that is being renamed."""
    path = place(spool, identity(), segment_file().sealed, sealed=True)
    real = files.names
    missed = iter([True])

    def missing(directory: Path) -> list[str]:
        found = real(directory)
        return [] if directory == path.parent and next(missed, False) else found

    monkeypatch.setattr(files, "names", missing)
    assert len(spool_reader.segments(STREAM)) == 1


def test_foreign_files_are_said_once_and_hide_nothing(spool: Path, spool_reader: SpoolReader) -> None:
    """Zeros, other people's files, directories and links where segments should be: the rest is told."""
    place(spool, identity(0), segment_file(0).sealed, sealed=True)
    zeros = place(spool, identity(1), bytes(9000), sealed=True)
    place(spool, identity(2), segment_file(0).sealed, sealed=True)  # another segment's content
    place(spool, identity(3), b"")
    layout.sealed_path(spool, identity(4)).mkdir()
    layout.open_path(spool, identity(5)).symlink_to(zeros)
    (zeros.parent / "holiday.mp4").write_bytes(b"holiday")
    (layout.run_directory(spool, RUN) / str(OTHER_STREAM)).write_bytes(b"not a directory")
    with capture_logs() as logs:
        for _ in range(2):
            assert [segment.identity.sequence for segment in spool_reader.segments(STREAM)] == [0]
    assert [(log["event"], log["path"]) for log in logs] == [
        ("spool_file_unreadable", str(layout.sealed_path(spool, identity(number)))) for number in (1, 2)
    ]
    assert spool_reader.segments(OTHER_STREAM) == []


@pytest.mark.usefixtures("alive")
def test_looking_again_reads_only_what_is_new(spool: Path, spool_reader: SpoolReader) -> None:
    """A file is not scanned twice, and a sealed one not at all."""
    whole = segment_file(0, 200)
    growing = place(spool, identity(), whole.open[: whole.commits[150].offset])
    place(spool, identity(1), segment_file(1).sealed, sealed=True)
    spool_reader.segments(STREAM)
    with FileSeam().installed() as seam:
        spool_reader.segments(STREAM)
        assert "read_at" not in seam.operations()
        growing.write_bytes(whole.open[: whole.commits[152].offset])
        assert [fragments(segment) for segment in spool_reader.segments(STREAM)] == [152, 4]
    assert 0 < seam.operations().count("read_at") < 20


async def test_the_reader_beside_a_living_spool(spool: Path, marks: Marks) -> None:
    """Beside a real run each announced fragment is there at once, none is before, and none is missing at the seal."""
    run = SpoolRun.create(spool, run=RUN, host="rec-1", at_us=1, loop=asyncio.get_running_loop())
    spool_reader = SpoolReader([spool], marks.durable)
    for sequence in range(2):
        writer = SegmentWriter(identity(sequence), builders_segment.plain_track(), 0, bytes(32))
        segment = run.open_segment(identity(sequence), writer.init)
        for number, units in enumerate(builders_segment.plain_units(3)):
            end_ticks = units[-1].pts_ticks + builders_segment.TICKS
            buffers, _ = writer.fragment(
                payload=[unit.nals for unit in units],
                samples=builders_segment.samples_of(units, end_ticks),
                media_ticks=units[0].pts_ticks,
                duration_ticks=end_ticks - units[0].pts_ticks,
                wall_us=units[0].pts_ticks,
                end_wall_us=end_ticks,
                lost_packets=0,
                clock_quality=0,
            )
            await _settled(lambda done, buffers=buffers, segment=segment: segment.append(buffers, done))
            if number < 2:
                assert number == 0 or fragments(spool_reader.segments(STREAM)[-1]) == number
            marks.announce(number, sequence=sequence)
            found = await asyncio.to_thread(spool_reader.segments, STREAM)
            assert fragments(found[-1]) == number + 1
        await _settled(lambda done, writer=writer, segment=segment: segment.seal(writer.seal(10), done))
        content = layout.sealed_path(spool, identity(sequence)).read_bytes()
        assert spool_reader.segments(STREAM)[-1] == registered(content)
    await run.close(at_us=9)


async def _settled(act: Callable[[Callable[[Exception | None], None]], None]) -> None:
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    act(done.set_result)
    assert await done is None
