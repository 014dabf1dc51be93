"""Power lost at any moment: what was announced durable is recovered, and nothing that was not written is."""

from __future__ import annotations

import asyncio
import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.errors import GapReason
from media.fmp4_read import read_sealed
from media.fmp4_write import SegmentWriter
from storage import journal, layout
from storage.clock import FakeClock
from storage.group_commit import GroupCommit
from storage.journal import read_journal
from storage.recovery import recover_run, salvage
from storage.spool import SpoolRun
from tests.builders_segment import plain_track, plain_units, reader, samples_of
from tests.builders_spool import RUN, Event, FileSeam, identity
from tests.power_loss import Choice, Disk, nothing_unsynced

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = [UUID(int=number << 76 | 1 << 63) for number in (1, 2)]
Fragments = dict[str, bytes]
"""Moof and mdat of each fragment by `<stream> <sequence> <fragment>`."""


async def _record(root: Path, seam: FileSeam) -> Fragments:
    """Two streams with a few segments each, journal and all; `done <name>` is noted for whatever became durable."""
    run = SpoolRun.create(root / "spool", run=RUN, host="rec-1", at_us=0, loop=asyncio.get_running_loop())
    written: Fragments = {}
    track = plain_track()
    for sequence in range(2):
        for stream in STREAMS:
            run.note(
                journal.gap_open(stream=stream, at_us=sequence, reason=GapReason.NO_SYNC),
                lambda error, name=f"note {stream} {sequence}": seam.note(
                    f"done {name}" if error is None else "failed"
                ),
            )
            writer = SegmentWriter(identity(sequence, stream=stream), track, 0, bytes(32))
            segment = run.open_segment(identity(sequence, stream=stream), writer.init)
            for number, units in enumerate(plain_units(3)):
                name = f"{stream} {sequence} {number}"
                ticks = units[0].pts_ticks
                buffers, _commit = writer.fragment(
                    payload=[unit.nals for unit in units],
                    samples=samples_of(units, ticks + 10_800),
                    media_ticks=ticks,
                    duration_ticks=10_800,
                    wall_us=ticks,
                    end_wall_us=ticks + 10_800,
                    lost_packets=0,
                    clock_quality=1,
                )
                written[name] = b"".join(buffers[:-1])
                done = asyncio.Event()

                def announce(error: Exception | None, name: str = name, done: asyncio.Event = done) -> None:
                    seam.note(f"done {name}" if error is None else "failed")
                    done.set()

                segment.append(buffers, announce)
                if number == 1:
                    await done.wait()
            segment.seal(writer.seal(10_800 * 3), lambda _error: None)
            _salvage(root)
    await run.close(at_us=9)
    return written


def _salvage(root: Path) -> None:
    """What `ship` does beside a live run."""
    for path in sorted((root / "spool").glob("*/*/*.failed-*")):
        salvage(path, root / "quarantine", FakeClock(), lambda _: None)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event], Fragments]:
    """The file operations of a recording, in order, and what was in it."""
    root = tmp_path_factory.mktemp("recording")
    with FileSeam().installed() as seam:
        written = asyncio.run(_record(root, seam))
    assert sum(event.operation.startswith("done ") for event in seam.events) == len(written) + 4
    return root, seam.events, written


def _recovered(root: Path) -> tuple[Fragments, set[str]]:
    """The fragments and notes that are there after recovery."""
    run_directory = layout.run_directory(root / "spool", RUN)
    if not run_directory.exists():
        return {}, set()
    assert recover_run(run_directory, root / "quarantine", FakeClock(), lambda _: None).complete
    assert recover_run(run_directory, root / "quarantine", FakeClock(), lambda _: None).findings == ()
    content = (run_directory / layout.JOURNAL).read_bytes()
    notes = {
        f"note {record.fields['stream']} {record.fields['at_us']}"
        for record in read_journal(reader(content), len(content)).records
        if record.kind == "gap_open"
    }
    return dict(_fragments(run_directory)), notes


def _fragments(run_directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(run_directory.glob("*/*")):
        name = layout.parse_segment_path(path)
        assert name is not None
        assert name.sealed
        content = path.read_bytes()
        for fragment in read_sealed(reader(content), len(content)).fragments:
            commit = fragment.commit
            facts = f"{commit.identity.stream} {commit.identity.sequence} {commit.fragment}"
            yield facts, content[commit.offset : commit.offset + commit.length]


def _lose_power(root: Path, events: list[Event], target: Path, choose: Choice) -> tuple[set[str], Fragments, set[str]]:
    """What was announced in these events, and what is there when the power is back and recovery has run."""
    disk = Disk(root)
    disk.replay(event for event in events if not event.operation.startswith(("done ", "failed")))
    shutil.rmtree(target, ignore_errors=True)
    disk.write_survivors(target, choose)
    announced = {event.operation.removeprefix("done ") for event in events if event.operation.startswith("done ")}
    return announced, *_recovered(target)


def _check(written: Fragments, announced: set[str], found: Fragments, notes: set[str]) -> None:
    missing = announced - found.keys() - notes
    assert missing == set(), "announced durable, and lost"
    assert {name: found[name] for name in found} == {name: written[name] for name in found}, "not what was written"


def test_power_lost_after_every_operation(recording: tuple[Path, list[Event], Fragments], tmp_path: Path) -> None:
    """With everything gone that was not synced, at each moment of a recording."""
    root, events, written = recording
    for moment in range(len(events) + 1):
        _check(written, *_lose_power(root, events[:moment], tmp_path / "after", nothing_unsynced))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=st.floats(0, 1), data=st.data())
def test_any_part_of_what_was_not_synced_may_survive(
    recording: tuple[Path, list[Event], Fragments], tmp_path: Path, moment: float, data: st.DataObject
) -> None:
    """Writes whole, in part or as zeros, names in any combination: nothing announced is lost, nothing is invented."""
    root, events, written = recording

    def choose(options: int) -> int:
        return data.draw(st.integers(0, options - 1))

    until = round(moment * len(events))
    _check(written, *_lose_power(root, events[:until], tmp_path / "after", choose))


@pytest.mark.parametrize("operation", ["datasync", "sync_directory"])
def test_power_lost_after_a_sync_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """Each sync of a recording fails once, and what it should have written is never written by another one."""
    monkeypatch.setitem(GroupCommit.__init__.__kwdefaults__, "interval_s", 0.01)
    announced_at_all = 0
    for turn in range(100):
        root = tmp_path / str(turn)
        root.mkdir()
        with FileSeam().installed() as seam:
            # The first ones begin the run, which a failure would end: others test that.
            seam.fail(operation, "spool/", errno.EIO, skip=turn + (2 if operation == "datasync" else 1))
            written = asyncio.run(_record(root, seam))
        if f"{operation} failed" not in {event.operation for event in seam.events}:
            break
        for moment in (len(seam.events), *range(0, len(seam.events), 7)):
            announced, found, notes = _lose_power(root, seam.events[:moment], tmp_path / "after", nothing_unsynced)
            _check(written, announced, found, notes)
        announced_at_all += len(announced)
    assert 5 < turn < 99
    assert announced_at_all


@pytest.mark.parametrize("forgotten", ["datasync", "sync_directory"])
def test_a_forgotten_sync_would_be_found(
    recording: tuple[Path, list[Event], Fragments], tmp_path: Path, forgotten: str
) -> None:
    """The net holds: a commit path without one of its syncs loses announced footage in this model."""
    root, events, written = recording
    careless = [event for event in events if event.operation != forgotten]
    with pytest.raises(AssertionError, match="announced durable, and lost"):
        _check(written, *_lose_power(root, careless, tmp_path / "after", nothing_unsynced))


def test_an_announcement_before_the_sync_would_be_found(
    recording: tuple[Path, list[Event], Fragments], tmp_path: Path
) -> None:
    """Each single announcement moved before the sync that it waited for is an announced loss at that moment."""
    root, events, written = recording
    for index, event in enumerate(events):
        if not event.operation.startswith("done ") or event.operation.startswith("done note"):
            continue
        stream = event.operation.split()[1]
        sync = max(
            at
            for at, earlier in enumerate(events[:index])
            if earlier.operation == "datasync" and stream in str(earlier.path)
        )
        hasty = [*events[:sync], replace(event)]
        with pytest.raises(AssertionError, match="announced durable, and lost"):
            _check(written, *_lose_power(root, hasty, tmp_path / "after", nothing_unsynced))
