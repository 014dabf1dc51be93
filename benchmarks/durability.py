"""What durability costs on a disk: ways to sync a round of fragments, and the spool's own commit path under full load.

    python -m benchmarks.durability [--quick] [--work DIRECTORY]

First what the disk can do. Then a round of 44 files with 500 KB each (220 cameras, five rounds a second), written and
synced in different ways, which take turns. Then the real spool, a fragment per camera and second, from `append` to
`done`. The choice is decision 0025 (docs/decisions/0025-group-commit.md).
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.plot import Panel, Series
from benchmarks.question import Run, main
from benchmarks.report import Column, Report
from benchmarks.spool_load import FRAGMENT_BYTES, Load, load
from benchmarks.spread import Spread, number, percentile
from storage import files
from storage.group_commit import SYNC_THREADS

CAMERAS = 220
ROUND_FILES = 44
PROBE_BYTES = 256 << 20
PROBE_S = 1.0
PAUSE_S = 0.1  # between rounds, about what the group commit leaves the disk
_BLOCK = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)

Sync = Callable[[list[int]], list[float]]
"""Make these files durable; when each of them was, by the monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    probes: int
    rounds: int
    fleets: tuple[int, ...]
    loads: int
    load_s: int


FULL = Plan(probes=3, rounds=10, fleets=(55, 110, 220), loads=2, load_s=4)
QUICK = Plan(probes=1, rounds=3, fleets=(110,), loads=1, load_s=2)


def one_by_one(descriptors: list[int]) -> list[float]:
    """One fdatasync after the other."""
    return [_durable_at(fd) for fd in descriptors]


@contextmanager
def on_threads(threads: int) -> Iterator[Sync]:
    """The same on a few threads."""
    with ThreadPoolExecutor(threads) as executor:
        yield lambda descriptors: list(executor.map(_durable_at, descriptors))


def whole_file_system(descriptors: list[int]) -> list[float]:
    """One syncfs for everything that is dirty on the file system."""
    if _libc.syncfs(descriptors[0]):
        raise OSError(ctypes.get_errno(), "syncfs")
    return [time.perf_counter()] * len(descriptors)


def _durable_at(fd: int) -> float:
    files.datasync(fd)
    return time.perf_counter()


@dataclass(frozen=True, slots=True)
class Round:
    """A round of fragments, written and synced."""

    latencies_s: list[float]  # from the round's begin to the fragment's durability, in order
    cpu_s: float


def one_round(descriptors: list[int], fragment: bytes, sync: Sync) -> Round:
    """Append a fragment to each file and sync them."""
    cpu, began = time.process_time(), time.perf_counter()
    for fd in descriptors:
        files.append(fd, [fragment], files.size_bytes(fd))
    durable = sync(descriptors)
    return Round(sorted(each - began for each in durable), time.process_time() - cpu)


def methods(stack: ExitStack) -> dict[str, Sync]:
    """All ways to sync, by name."""
    pools = {
        f"fdatasync, {threads} threads{' (hulta)' if threads == SYNC_THREADS else ''}": stack.enter_context(
            on_threads(threads)
        )
        for threads in (2, SYNC_THREADS, 8)
    }
    return {"fdatasync, one by one": one_by_one, **pools, "syncfs": whole_file_system}


def compare(folder: Path, rounds: int) -> dict[str, list[Round]]:
    """All methods in turns, on files of their own."""
    fragment = os.urandom(FRAGMENT_BYTES)
    with ExitStack() as stack:
        ways = methods(stack)
        opened = {}
        for place, way in enumerate(ways):
            opened[way] = [files.create_exclusive(folder / f"{place}-{index}") for index in range(ROUND_FILES)]
            for fd in opened[way]:
                stack.callback(files.close, fd)
        files.sync_directory(folder)
        found: dict[str, list[Round]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, sync in ways.items():
                found[way].append(one_round(opened[way], fragment, sync))
                time.sleep(PAUSE_S)
    return found


def sequential_mb_per_s(folder: Path) -> float:
    """One file, written in blocks of a megabyte and synced at the end."""
    block = os.urandom(_BLOCK)
    fd = files.create_exclusive(folder / "sequential")
    began = time.perf_counter()
    for offset in range(0, PROBE_BYTES, _BLOCK):
        files.append(fd, [block], offset)
    files.datasync(fd)
    elapsed = time.perf_counter() - began
    files.close(fd)
    files.unlink(folder / "sequential")
    return PROBE_BYTES / elapsed / 1e6


def syncs_per_s(folder: Path) -> float:
    """Appends of 4 KB, each followed by fdatasync."""
    fd = files.create_exclusive(folder / "syncs")
    count, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < PROBE_S:
        files.append(fd, [bytes(4096)], count * 4096)
        files.datasync(fd)
        count += 1
    files.close(fd)
    files.unlink(folder / "syncs")
    return count / elapsed


def measure(run: Run) -> Report:
    """The disk, the methods, the spool."""
    plan = QUICK if run.quick else FULL
    streams, syncs = [], []
    for _ in range(plan.probes):
        streams.append(sequential_mb_per_s(run.work))
        syncs.append(syncs_per_s(run.work))
    rounds = run.work / "rounds"
    rounds.mkdir()
    found = compare(rounds, plan.rounds)
    for path in rounds.iterdir():
        path.unlink()
    loads: dict[int, list[Load]] = {cameras: [] for cameras in plan.fleets}
    for turn in range(plan.loads):
        for cameras in plan.fleets:
            spool = run.work / f"spool-{turn}-{cameras}"
            loads[cameras].append(uvloop.run(load(spool, cameras, plan.load_s)))
            print(f"spool with {cameras} cameras: {loads[cameras][-1]}", flush=True)
    return report(Spread.of(streams), Spread.of(syncs), found, loads)


def report(stream: Spread, syncs: Spread, found: dict[str, list[Round]], loads: dict[int, list[Load]]) -> Report:
    """The tables and the plot."""
    answer = Report(
        "durability",
        asks="What does it cost to have fragments durable, and how soon are they?",
        method=[
            f"Probe: one file of {PROBE_BYTES >> 20} MiB, synced at its end; appends of 4 KB, each with fdatasync.",
            f"A round: {FRAGMENT_BYTES // 1000} KB appended to each of {ROUND_FILES} files, then synced, in turns.",
            "Its latency: from the begin of the round until a fragment's sync has returned; p99 and max of all rounds.",
            "Spool: `SpoolRun` with a fragment per camera and second, spread over the second, some seconds each.",
            "Its latency: from `append` to `done`, by run. CPU: user and kernel mode of the whole process.",
            "Random bytes, one disk; its write-back cache is part of what is measured.",
        ],
    )
    disk = answer.table("What the disk can do", Column("probe"), Column("figure", digits=0))
    disk.add("sequential write with one fdatasync, MB/s", stream)
    disk.add("appends of 4 KB with fdatasync, 1/s", syncs)
    _methods(answer, found)
    _spool(answer, loads)
    _plot(answer, found, loads)
    return answer


def _methods(answer: Report, found: dict[str, list[Round]]) -> None:
    table = answer.table(
        f"A round of {ROUND_FILES} fragments, by way to sync",
        Column("method"),
        Column("fragments", "1/s", 0),
        Column("latency: median", "ms", 1),
        Column("p99", "ms", 1),
        Column("max", "ms", 1),
        Column("CPU a round", "ms", 1),
    )
    for way, rounds in found.items():
        rate = Spread.of(ROUND_FILES / each.latencies_s[-1] for each in rounds)
        all_ms = sorted(latency * 1e3 for each in rounds for latency in each.latencies_s)
        cpu = Spread.of(each.cpu_s * 1e3 for each in rounds)
        table.add(way, rate, _latency(rounds, 50), percentile(all_ms, 99), all_ms[-1], cpu)


def _latency(rounds: list[Round], percent: float) -> Spread:
    """A percentile of each round, in milliseconds."""
    return Spread.of(percentile(each.latencies_s, percent) * 1e3 for each in rounds)


def _spool(answer: Report, loads: dict[int, list[Load]]) -> None:
    table = answer.table(
        "The spool, a fragment per camera and second",
        Column("cameras"),
        Column("fragments", "1/s", 0),
        Column("latency: median", "ms", 0),
        Column("p99", "ms", 0),
        Column("max", "ms", 0),
        Column("CPU", "% of a core", 1),
        Column("event loop late, max", "ms", 0),
    )
    for cameras, taken in loads.items():
        table.add(
            cameras,
            Spread.of(each.fragments_per_s for each in taken),
            *(_spread(taken, partial(Load.latency_ms, percent=percent)) for percent in (50, 99, 100)),
            Spread.of(each.cpu_percent for each in taken),
            Spread.of(each.late_ms for each in taken),
        )


def _spread(taken: list[Load], figure: Callable[[Load], float]) -> Spread:
    return Spread.of(map(figure, taken))


def _plot(answer: Report, found: dict[str, list[Round]], loads: dict[int, list[Load]]) -> None:
    most = max(loads)
    usual = _spread(loads[most], partial(Load.latency_ms, percent=50)).median
    worst = _spread(loads[most], partial(Load.latency_ms, percent=99)).median
    answer.plot(
        f"With {most} cameras half of all fragments are durable after {number(usual, 0)} ms, 99 % after "
        f"{number(worst, 0)} ms.",
        Panel(
            along="way to sync",
            at=list(found),
            quantity=f"latency of {ROUND_FILES} fragments",
            unit="ms",
            series=[
                Series("median", [_latency(rounds, 50) for rounds in found.values()]),
                Series("the last", [_latency(rounds, 100) for rounds in found.values()]),
            ],
        ),
        Panel(
            along="cameras",
            at=list(loads),
            quantity="append to durable in the spool",
            unit="ms",
            series=[
                Series(name, [_spread(taken, partial(Load.latency_ms, percent=percent)) for taken in loads.values()])
                for name, percent in (("median", 50), ("p99", 99), ("max", 100))
            ],
        ),
    )


if __name__ == "__main__":
    main(measure)
