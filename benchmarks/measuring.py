"""What processes use, read from /proc, and conditions to wait for.

CPU is the time that threads ran, user and kernel mode, by the scheduler's own account (/proc/PID/task/*/schedstat, in
nanoseconds). Not /proc/PID/stat: its ticks are sampled, and a process woken by a timer may be in step with them.
Memory is the proportional set size (PSS): pages shared between processes count in parts, page cache does not count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05
_LISTINGS = 20


class ProcessEnded(Exception):  # noqa: N818 - what happened, not what is wrong
    """A process that was to be measured is no more."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """How long the threads of these processes ran so far. ProcessEnded if one of them is gone."""
    return sum(_ran_ns(pid) for pid in pids) / 1e9


def pss_bytes(pids: Iterable[int]) -> int:
    """Their proportional set size. ProcessEnded if one of them is gone."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            raise ProcessEnded(f"process {pid} has ended") from None
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def written_bytes(pid: int) -> int:
    """What a process has handed to write(2) and its like so far, sockets included. ProcessEnded if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessEnded(f"process {pid} has ended") from None
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


def alive(pids: Iterable[int]) -> list[int]:
    """Those that still run: neither gone nor waiting to be reaped."""
    return [pid for pid in pids if _state(pid) not in {"", "Z", "X"}]


@dataclass(frozen=True, slots=True)
class Window:
    """What processes used in an interval of time."""

    seconds: float
    cpu_s: float

    @property
    def cpu_percent(self) -> float:
        """Of one core, all of them together."""
        return 100 * self.cpu_s / self.seconds


def windows(groups: list[list[int]], *, count: int, seconds: float) -> Iterator[list[Window]]:
    """`count` intervals one after the other: in each, what every group of processes used."""
    before, began = [cpu_seconds(pids) for pids in groups], time.monotonic()
    for _ in range(count):
        time.sleep(seconds)
        after, now = [cpu_seconds(pids) for pids in groups], time.monotonic()
        yield [Window(now - began, used - base) for used, base in zip(after, before, strict=True)]
        before, began = after, now


def until(condition: Callable[[], bool], *, what: str, within_s: float, poll_s: float = POLL_S) -> None:
    """Wait for a condition; TimeoutError that says what was waited for."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within_s:.0f} s: {what}")
        time.sleep(poll_s)


def stored_bytes(folder: Path) -> int:
    """The bytes of all files below a folder that is being written to."""
    return sum(size_bytes for sizes in directories(folder).values() for size_bytes in sizes.values())


def directories(folder: Path) -> dict[Path, dict[str, int]]:
    """Every directory from `folder` down, with the names and sizes of the files in it."""
    return {Path(place): _sizes(place) for place, _, _ in os.walk(folder)}


def free_bytes(folder: Path) -> int:
    """What may still be written there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _sizes(place: str) -> dict[str, int]:
    """One directory, listed again when a file is renamed meanwhile: neither missed nor counted twice."""
    for _ in range(_LISTINGS):
        with suppress(FileNotFoundError), os.scandir(place) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file(follow_symlinks=False)}
    return {}  # the directory itself is gone


def _ran_ns(pid: int) -> int:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - called for hundreds of processes inside a measurement
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessEnded(f"process {pid} has ended") from None
    total = 0
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as file:  # noqa: PTH123 - as above
                total += int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that has ended between the listing and this line
    return total


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
