"""`hulta simulate` as a process: a script that waits for its cue, logs, and ends that are not ours."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulator.fault_log import read_fault_log
from simulator.script import Phase
from simulator.sent_log import read_sent_log
from tests.builders_faults import playing
from tests.builders_simulator import connect
from tests.waiting import eventually

pytestmark = pytest.mark.scenario

SCRIPT = """
steps:
  - {at: 0s, for: 1500ms, fault: off, cameras: [cam/0001]}
  - {at: 100ms, for: 1300ms, fault: loss, percent: 50, cameras: ["*2"]}
"""


@asynccontextmanager
async def _simulator(*words: str) -> AsyncIterator[tuple[Process, list[str]]]:
    """The process and the URLs that it prints."""
    command = [sys.executable, "-P", "-m", "server", "simulate", "--cameras", "2", "--port", "0", "--gop", "200ms"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--bitrate", "500k", *words),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        # As at a terminal: what runs in the background of a script inherits a SIGINT that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            yield process, [(await process.stdout.readline()).decode().strip() for _ in range(2)]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_script_begins_at_a_line(tmp_path: Path) -> None:
    """Not before; and what its log says is what a client meets, a reset connection at the end of `off` included."""
    script, faults, sent = tmp_path / "s.yaml", tmp_path / "faults", tmp_path / "sent"
    script.write_text(SCRIPT)
    words = ["--script", str(script), "--wait", "--fault-log", str(faults), "--sent-log", str(sent)]
    async with _simulator(*words, "--fault", "duplicate,percent=10@cam/0002") as (process, urls):
        assert process.stdin is not None
        async with playing(urls[0], "tcp") as gone, playing(urls[1], "udp") as lossy:
            assert [record.fault.name for record in read_fault_log(faults)] == ["duplicate"]
            process.stdin.write(b"go\n")
            await gone.until(lambda: gone.reader.closed)
            assert isinstance(gone.reader.error, ConnectionResetError)
            await eventually("the script is over", lambda: len([*read_fault_log(faults)]) == 5)
            await lossy.more(10)
        phases = [(record.fault.name, record.phase, record.cameras) for record in read_fault_log(faults)][1:]
        assert phases == [
            ("off", Phase.BEGIN, ("cam/0001",)),
            ("loss", Phase.BEGIN, ("cam/0002",)),
            ("loss", Phase.END, ("cam/0002",)),
            ("off", Phase.END, ("cam/0001",)),
        ]
        off, loss, well, on = [record.at_us for record in read_fault_log(faults)][1:]
        frames = [*read_sent_log(sent)]
        assert not [frame for frame in frames if frame.camera == "cam/0001" and off < frame.sent_us < on]
        spoiled = [frame for frame in frames if frame.spoiled]
        assert spoiled
        assert all(frame.camera == "cam/0002" and loss < frame.sent_us < well for frame in spoiled)
        async with connect(urls[0]) as reader:
            assert (await reader.ask("DESCRIBE")).status == 200


async def test_no_line_is_a_sentence(tmp_path: Path) -> None:
    """Who should have said when has gone: a storm whose script never begins would prove nothing."""
    script = tmp_path / "s.yaml"
    script.write_text(SCRIPT)
    async with _simulator("--script", str(script), "--wait") as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert b"standard input ended before a line came" in errors
        assert b"Traceback" not in errors


async def test_it_can_be_stopped_while_it_waits(tmp_path: Path) -> None:
    """The thread that reads does not hold it."""
    script = tmp_path / "s.yaml"
    script.write_text(SCRIPT)
    async with _simulator("--script", str(script), "--wait") as (process, _):
        os.kill(process.pid, signal.SIGINT)
        assert process.stderr is not None
        errors = await process.stderr.read()
        await process.wait()
        assert b"Fatal" not in errors
