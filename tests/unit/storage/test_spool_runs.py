"""The runs of a spool: which there are, in which order, and which never were."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from media.errors import SpoolError
from storage import files, journal, layout
from storage.clock import FakeClock
from storage.quarantine import Quarantine
from storage.recovery import recover_run
from storage.run_directory import RunDirectory
from storage.spool import SpoolRun
from storage.spool_runs import newest_order_us, remove_unborn, runs
from tests.builders_spool import RUN


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


async def test_the_order_of_runs_outlives_their_directories(tmp_path: Path) -> None:
    """All footage was shipped, and the clock was set back: the next run is still the later one."""
    orders = []
    for run, at_us in ((7, 3_000), (9, 1_000), (8, 2_000)):
        made = await _run_of(tmp_path, run, at_us)
        orders.append(newest_order_us(tmp_path))
        assert RunDirectory(made, run).remove_if_empty(Quarantine(tmp_path / "quarantine"))
        assert list(runs(tmp_path)) == []
    assert orders == [3_000, 3_001, 3_002]


async def test_an_order_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """A damaged disk keeps nobody from recording: the directories that are there tell what they know."""
    (tmp_path / layout.ORDER).write_bytes(b"\xff damaged")
    await _run_of(tmp_path, 7, 3_000)
    assert newest_order_us(tmp_path) == 3_000


async def _run_of(spool: Path, run: int, at_us: int) -> Path:
    alive = SpoolRun.create(spool, run=run, host="rec-1", at_us=at_us, loop=asyncio.get_running_loop())
    await alive.close(at_us)
    return alive.directory


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
