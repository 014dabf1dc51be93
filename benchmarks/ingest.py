"""What recording costs per camera, beside what others do and beside the floor, in turns within one run.

    python -m benchmarks.ingest [--quick]

The same simulated cameras of 4 Mbit/s over RTSP/TCP on loopback are recorded by each way of `ingest_ways` for some
seconds, one way after the other, in rounds that begin with another way each, with more and more cameras. A way is
measured once pictures of every camera are stored. Where a way cannot keep up, what it stored says so.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ingest_report, syscalls
from benchmarks.children import Simulated, simulated
from benchmarks.ingest_report import Turn
from benchmarks.ingest_ways import FLOOR, WAYS, Recording
from benchmarks.measuring import ProcessEnded, cpu_seconds, pss_bytes, stored_bytes, until, windows, written_bytes
from benchmarks.question import Run, main
from benchmarks.raw_copy import mean_packet_bytes
from benchmarks.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """With how many cameras, how often, and how long; seconds are whole, as the cameras' sync samples are."""

    rounds: dict[int, int]
    windows: int
    window_s: int
    syscalls_s: int
    arrival_s: float = 60.0


FULL = Plan(rounds={10: 2, 50: 1, 100: 1, 220: 1}, windows=3, window_s=2, syscalls_s=1)
QUICK = Plan(rounds={10: 1}, windows=1, window_s=2, syscalls_s=1)


def measure(run: Run) -> Report:
    """All fleets, all rounds, all ways."""
    plan = QUICK if run.quick else FULL
    turns: list[Turn] = []
    problems: list[str] = []
    for cameras, rounds in plan.rounds.items():
        with simulated(cameras) as source:
            for number in range(rounds):
                for way in rotated(list(WAYS), number):
                    try:
                        turns.append(one_turn(way, source, run.work / "turn", plan, number))
                        print(turns[-1].text(), flush=True)
                    except (ProcessEnded, RuntimeError, OSError) as error:
                        problems.append(f"{way} with {cameras} cameras, round {number + 1}: {error}")
    return ingest_report.report(turns, problems, window_s=plan.window_s)


def rotated(ways: Sequence[str], number: int) -> list[str]:
    """The ways in the order of a round: each begins with another one, so none is always first."""
    first = number % len(ways)
    return [*ways[first:], *ways[:first]]


def one_turn(way: str, source: Simulated, folder: Path, plan: Plan, number: int) -> Turn:
    """One way records all cameras for some windows. ProcessEnded if a recorder ends before that."""
    folder.mkdir()
    os.sync()  # what the turn before left to write is not this one's
    try:
        with WAYS[way](source.urls, folder) as recording:
            arrived, took_s = _until_arrived(recording, len(source.urls), plan.arrival_s)
            began, sent, stored = time.monotonic(), written_bytes(source.pid), stored_bytes(recording.stored)
            used = list(windows([recording.pids, [source.pid]], count=plan.windows, seconds=plan.window_s))
            elapsed_s = time.monotonic() - began
            sent, stored = written_bytes(source.pid) - sent, stored_bytes(recording.stored) - stored
            calls, complaint = _count(recording.pids, plan.syscalls_s)
            memory_bytes = pss_bytes(recording.pids) - recording.empty_pss_bytes
            packet_bytes = _packet_bytes(recording.stored) if way == FLOOR else 0.0
        return Turn(
            way=way,
            cameras=len(source.urls),
            round=number,
            cpu_percent=tuple(mine.cpu_percent for mine, _ in used),
            source_cpu_percent=tuple(theirs.cpu_percent for _, theirs in used),
            memory_bytes=memory_bytes,
            syscalls_per_s=calls,
            uncounted=complaint,
            sent_bytes_per_s=sent / elapsed_s,
            stored_bytes_per_s=stored / elapsed_s,
            packet_bytes=packet_bytes,
            arrived=arrived,
            arrival_s=took_s,
        )
    finally:
        shutil.rmtree(folder)


def _until_arrived(recording: Recording, cameras: int, within_s: float) -> tuple[int, float]:
    """Wait until pictures of all cameras are stored; of how many they were in the end, and how long that took."""
    began = time.monotonic()
    with suppress(TimeoutError):
        until(lambda: recording.arrived() >= cameras, what="pictures of all cameras", within_s=within_s, poll_s=0.25)
    cpu_seconds(recording.pids)  # ProcessEnded, if one has given up
    return recording.arrived(), time.monotonic() - began


def _count(pids: list[int], seconds: float) -> tuple[float | None, str]:
    """System calls a second, in a window of their own: counting costs the counted a little."""
    try:
        return syscalls.per_second(pids, seconds), ""
    except syscalls.Uncountable as error:
        return None, str(error)


def _packet_bytes(stored: Path) -> float:
    """The mean size of a packet, from the floor's files of a few cameras."""
    return statistics.mean(mean_packet_bytes(path) for path in sorted(stored.rglob("stream"))[:8])


if __name__ == "__main__":
    main(measure)
