"""The processes a benchmark measures: started here, ended here however the benchmark ends.

A child is killed by the kernel when the benchmark dies without a chance to end it (PR_SET_PDEATHSIG), so none outlives
a killed run. Children are only started from the main thread: the kernel means the thread, not the process.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

END_S = 15.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


def hulta(*words: str | Path) -> list[str]:
    """A command line of the product."""
    return [sys.executable, "-P", "-m", "server", *map(str, words)]


def start(command: Sequence[str], *, log: Path | None = None, stdout: int | None = None) -> subprocess.Popen[str]:
    """A child. What it complains about goes to `log`, by default nowhere."""
    with Path(log or "/dev/null").open("ab") as complaints:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if stdout is None else stdout,
            stderr=complaints,
            text=True,
            preexec_fn=partial(die_with_parent, signal.SIGKILL),  # noqa: PLW1509 - one call into libc, no other threads
        )


@contextmanager
def running(*commands: Sequence[str], log: Path | None = None) -> Iterator[list[int]]:
    """Processes for the length of a block; yields their ids."""
    children: list[subprocess.Popen[str]] = []
    try:
        children.extend(start(command, log=log) for command in commands)
        yield [child.pid for child in children]
    finally:
        end(children)


def end(children: Sequence[subprocess.Popen[str]]) -> None:
    """SIGTERM, and SIGKILL for those that are still there after some seconds."""
    for child in children:
        child.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + END_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@dataclass(frozen=True, slots=True)
class Simulated:
    """Simulated cameras."""

    pid: int
    urls: tuple[str, ...]


@contextmanager
def simulated(cameras: int, *, bitrate: str = "4M", options: Sequence[str] = ()) -> Iterator[Simulated]:
    """`hulta simulate` on a free port, once it has announced all its cameras."""
    command = hulta("simulate", "--cameras", str(cameras), "--port", "0", "--bitrate", bitrate, *options)
    child = start(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        urls = tuple(child.stdout.readline().strip() for _ in range(cameras))
        if not all(urls):
            raise RuntimeError(f"the simulator ended before it announced {cameras} cameras")
        yield Simulated(child.pid, urls)
    finally:
        end([child])
        child.stdout.close()


def die_with_parent(number: signal.Signals) -> None:
    """Called in a new child: it gets this signal when the thread that started it ends, whatever ended that."""
    _libc.prctl(_PR_SET_PDEATHSIG, number)
