"""kill -9 of a process that writes to the spool, at random moments, again and again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from media.fmp4_read import scan
from storage import layout
from storage.clock import FakeClock
from storage.journal import read_journal
from storage.recovery import recover_run
from storage.spool_runs import is_alive, remove_unborn, runs
from tests.builders_segment import reader
from tests.scenario.spool_child import payload

ROOT = Path(__file__).parent.parent.parent
KILLS = 10

pytestmark = pytest.mark.scenario


def _run_and_kill(spool: Path, run: int, moment: random.Random) -> list[str]:
    """What the child announced until it was killed, after it had said a random number of lines."""
    command = [sys.executable, "-m", "tests.scenario.spool_child", str(spool), str(run)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(moment.randrange(0, 120))]
        assert not lines or is_alive(layout.run_directory(spool, run))
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [line.rstrip("\n") for line in lines if line.endswith("\n")]


def _announcements(run_directory: Path) -> set[str]:
    """What is there after recovery, in the words of the child; each fragment must be exactly what the child wrote."""
    found = set()
    for path in run_directory.glob("*/*"):
        content = path.read_bytes()
        segment = scan(reader(content), len(content), verify=True)
        assert segment.faults == ()
        assert segment.seal is not None
        for fragment in segment.fragments:
            place = fragment.commit.identity
            written = b"".join(payload(place.stream, place.sequence, fragment.commit.fragment))
            assert content[fragment.data_offset : fragment.data_offset + fragment.data_bytes] == written
            found.add(f"durable {place.stream} {place.sequence} {fragment.commit.fragment}")
    content = (run_directory / layout.JOURNAL).read_bytes()
    for record in read_journal(reader(content), len(content)).records:
        if record.kind == "gap_open":
            found.add(f"noted {UUID(record.fields['stream'])} {record.fields['at_us']}")
    return found


def test_every_fragment_announced_before_a_kill_is_recovered(tmp_path: Path) -> None:
    """A child is killed ten times: what it said was durable is there byte for byte, and nothing else is."""
    moment = random.Random(0xB0125)
    spool = tmp_path / "spool"
    announced = 0
    for run in range(1, KILLS + 1):
        said = _run_and_kill(spool, run, moment)
        assert [line for line in said if line.startswith("failed")] == []
        run_directory = layout.run_directory(spool, run)
        if not run_directory.exists():
            assert said == []
            continue
        recovered = recover_run(run_directory, tmp_path / "quarantine", FakeClock(), lambda _: None)
        assert recovered.complete
        assert set(said) <= _announcements(run_directory)
        assert recover_run(run_directory, tmp_path / "quarantine", FakeClock(), lambda _: None).sealed == ()
        announced += len(said)
    assert announced > 100
    remove_unborn(spool)
    order = {layout.ORDER, f"{layout.ORDER}.new"}
    assert {path.name for path in spool.iterdir()} - order == {path.name for path in runs(spool)}
