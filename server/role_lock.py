"""One of each role per data directory: an flock that names its holder.

The lock is the truth: the kernel drops it with the last descriptor of a process, however the process ends. The text
beside it (`{"pid", "born"}`) tells a successor whom to wait for. `born` is the start time of the process in kernel
ticks, so that a recycled pid is never taken for the holder.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog

from media.errors import HultaError

if TYPE_CHECKING:
    from types import TracebackType

log = structlog.get_logger(__name__)


class AlreadyRunning(HultaError):  # noqa: N818 - a state more than a failure
    """Another process has this role on this data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process named in a lock file."""

    pid: int
    born: int

    @property
    def alive(self) -> bool:
        """Whether exactly this process, not a later one with its pid, still exists."""
        return _born(self.pid) == self.born


class RoleLock:
    """The lock of one role, held from `take` until `release` or the end of the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self:
        """Take the lock or raise AlreadyRunning."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            holder = read_holder(path)
            who = f" (pid {holder.pid})" if holder else ""
            raise AlreadyRunning(f"{path.stem} already runs on {path.parent.parent}{who}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "born": _born(os.getpid())}).encode(), 0)
        return cls(path, descriptor)

    def release(self) -> None:
        """Let go, and leave no name behind."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether some process has the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_holder(path: Path) -> Holder | None:
    """Who the lock file names, if that process is alive."""
    try:
        text = json.loads(path.read_text())
        holder = Holder(pid=int(text["pid"]), born=int(text["born"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return holder if holder.alive else None


async def end_holder(path: Path, *, patience_s: float) -> None:
    """Leave the lock free: ask a stale holder to end, wait, then kill it.

    A predecessor's role was told to end when its supervisor died; it may still be sealing its segments, or it may hang.
    """
    if not is_held(path):
        return
    holder = read_holder(path)
    if holder is None:
        return  # it has the lock but is dying, or has not written its name: the role's own start will tell
    log.info("waiting_for_predecessor", role_lock=path.name, pid=holder.pid)
    try:
        process = os.pidfd_open(holder.pid)
    except ProcessLookupError:
        return
    try:
        if not holder.alive:
            return
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if not await _ended(process, patience_s):
            log.warning("killing_predecessor", role_lock=path.name, pid=holder.pid)
            signal.pidfd_send_signal(process, signal.SIGKILL)
            await _ended(process, patience_s)
    except ProcessLookupError:
        return
    finally:
        os.close(process)


async def _ended(process: int, timeout_s: float) -> bool:
    """Whether the process of a pidfd ends in time. A pidfd is readable once its process has ended."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), timeout_s)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(process)
    return True


def _born(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (proc(5), /proc/pid/stat, field 22); None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])  # field 2 is the name in brackets, which may hold anything
