"""What durability costs on a disk: ways to sync a round of fragments, and the spool's own commit path under full load.

    python -m benchmarks.durability [DIRECTORY]          under 30 s; needs 1 GB in DIRECTORY for a moment

First part: a round of 44 files with 500 KB each (220 cameras, five rounds a second), synced in different ways.
Second part: the real spool, 220 segments and 220 fragments a second, from `append` to `done`.
The figures beside the choices (docs/decisions/0025-group-commit.md) come from here.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from media.identity import SegmentIdentity
from storage import files
from storage.spool import SpoolRun, SpoolSegment

CAMERAS = 220
FRAGMENT_BYTES = 500_000
ROUND_FILES = 44
ROUNDS = 8
LOAD_S = 8
_libc = ctypes.CDLL(None, use_errno=True)

Sync = Callable[[list[int]], None]


def serial(descriptors: list[int]) -> None:
    """One fdatasync after the other."""
    for fd in descriptors:
        files.datasync(fd)


@contextmanager
def pool(threads: int) -> Iterator[Sync]:
    """The same on a few threads."""
    with ThreadPoolExecutor(threads) as executor:
        yield lambda descriptors: [*executor.map(files.datasync, descriptors)].clear()


def whole_file_system(descriptors: list[int]) -> None:
    """One syncfs for everything that is dirty on the file system."""
    if _libc.syncfs(descriptors[0]):
        raise OSError(ctypes.get_errno(), "syncfs")


def measure(name: str, directory: Path, sync: Sync, *, reserve_bytes: int = 0) -> None:
    """Print the latency and the CPU of `ROUNDS` rounds."""
    descriptors = [files.create_exclusive(directory / f"{name}-{number}") for number in range(CAMERAS)]
    for fd in descriptors:
        if reserve_bytes:
            files.reserve(fd, 0, reserve_bytes)
    files.sync_directory(directory)
    os.sync()
    fragment = os.urandom(FRAGMENT_BYTES)
    latencies, cpu_before = [], time.process_time()
    for number in range(ROUNDS):
        touched = [descriptors[(number * ROUND_FILES + index) % CAMERAS] for index in range(ROUND_FILES)]
        began = time.perf_counter()
        for fd in touched:
            files.append(fd, [fragment], files.size_bytes(fd))
        sync(touched)
        latencies.append(time.perf_counter() - began)
        time.sleep(0.05)
    cpu = (time.process_time() - cpu_before) / ROUNDS
    for fd in descriptors:
        files.close(fd)
    for path in directory.iterdir():
        path.unlink()
    print(
        f"  {name:22} median {statistics.median(latencies) * 1e3:4.0f} ms   max {max(latencies) * 1e3:4.0f} ms"
        f"   CPU {cpu * 1e3:4.1f} ms a round"
    )


async def load(spool: Path) -> None:
    """220 fragments a second through the real spool; print latency, CPU and what the event loop felt."""
    loop = asyncio.get_running_loop()
    run = SpoolRun.create(spool, run=1, host="benchmark", at_us=0, loop=loop)
    segments = [run.open_segment(_identity(), b"init") for _ in range(CAMERAS)]
    fragment = os.urandom(FRAGMENT_BYTES)
    latencies: list[float] = []

    def durable(began: float, error: Exception | None) -> None:
        if error is not None:
            raise error
        latencies.append(loop.time() - began)

    async def camera(number: int, segment: SpoolSegment, due: float) -> None:
        due += number / CAMERAS
        while due < until:
            await asyncio.sleep(due - loop.time())
            late.append(loop.time() - due)
            segment.append([fragment], partial(durable, loop.time()))
            due += 1

    late: list[float] = []
    began, cpu_before = loop.time(), time.process_time()
    until = began + LOAD_S
    async with asyncio.TaskGroup() as group:
        for number, segment in enumerate(segments):
            group.create_task(camera(number, segment, began))
    await run.close(at_us=0)
    cpu = (time.process_time() - cpu_before) / (loop.time() - began)
    latencies.sort()
    print(
        f"  spool, {len(latencies)} fragments: append to done median {latencies[len(latencies) // 2] * 1e3:.0f} ms, "
        f"p99 {latencies[len(latencies) * 99 // 100] * 1e3:.0f} ms, max {latencies[-1] * 1e3:.0f} ms; "
        f"CPU {cpu:.1%} of a core; event loop late at most {max(late) * 1e3:.0f} ms"
    )


def _identity() -> SegmentIdentity:
    return SegmentIdentity(camera=uuid4(), stream=uuid4(), epoch=1, run=1, sequence=0)


def main() -> None:
    """Run both parts in a temporary directory below DIRECTORY."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?", type=Path, default=Path.cwd())
    directory = Path(tempfile.mkdtemp(prefix="durability-", dir=parser.parse_args().directory))
    rounds = directory / "rounds"
    rounds.mkdir()
    try:
        print(f"a round: {ROUND_FILES} files with {FRAGMENT_BYTES // 1000} KB each, written and synced")
        measure("serial fdatasync", rounds, serial)
        for threads in (2, 4, 8):
            with pool(threads) as sync:
                measure(f"{threads} threads", rounds, sync)
        with pool(4) as sync:
            measure("4 threads, reserved", rounds, sync, reserve_bytes=32 << 20)
        measure("syncfs", rounds, whole_file_system)
        print(f"{CAMERAS} cameras, {CAMERAS * FRAGMENT_BYTES / 1e6:.0f} MB/s for {LOAD_S} s")
        asyncio.run(load(directory / "spool"))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
