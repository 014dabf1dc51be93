"""What a process that gives hostile bytes to libav takes from itself first: nearly everything.

libav's demuxers and decoders are a large surface, written in C. So they run in a process of their own that can do
little harm when one of them is broken into. `confine` is called by the child itself, after its imports (which read
files) and before the first foreign byte:

- it dies with its parent, leaves no core file, and nobody but root may look into its memory;
- memory, CPU time and open files are bounded; it can write no file (RLIMIT_FSIZE);
- it can gain no privileges (PR_SET_NO_NEW_PRIVS), which is also what the next two ask for;
- Landlock (Linux 5.13, landlock(7)) takes the file system away: the data directory with its keys and the assignments
  of other cameras cannot be opened. It also forbids to trace, and so to read the memory and the environment of, any
  process outside;
- seccomp (`ingest.seccomp`) takes away connections, datagrams, names, other programs, and signals to other processes. A
  process that reads from a camera may ask for connections: each leads where its parent made it to, whatever address was
  asked for (`ingest.libav_lines`).

Where the kernel has no Landlock, files are protected by permissions only; `confine` returns the version, for the log.
Where it has no seccomp, nothing runs: OSError.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import pkgutil
import resource
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import seccomp

if TYPE_CHECKING:
    from types import ModuleType

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38

# landlock(7), <linux/landlock.h>. The numbers of the system calls are the same on every architecture.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1
_FILE_ACCESS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FILE_ACCESS_BITS = 16
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_NET_VERSION, _SCOPE_VERSION = 4, 6

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Where connections come from, for a process that cannot make any."""

    call: str
    """The system call that is a question: "connect", or "bind" for datagrams."""
    kind: int
    """Of sockets, such as SOCK_STREAM."""
    whom: socket.socket
    """Gets the descriptor that the questions come out of, and is closed then."""


def confine(*, parent: int, memory_bytes: int, files: int, cpu_s: int | None, asking: Asking | None = None) -> int:
    """Give up what is not needed; returns the version of Landlock in force, 0 for none.

    `cpu_s` None leaves the bound on CPU time to the parent (prlimit(2)). OSError where a promise cannot be kept.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise seccomp.Unconfinable("there are other threads, which would stay as they are")
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)  # it died before the request: nobody waits for this process
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    limits = {resource.RLIMIT_AS: memory_bytes, resource.RLIMIT_NOFILE: files}
    limits |= {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    if cpu_s is not None:
        limits[resource.RLIMIT_CPU] = cpu_s
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    version = _landlock()
    if asking is not None:
        questions = seccomp.ask_for(asking.call)
        with asking.whom:
            socket.send_fds(asking.whom, [b"?"], [questions])
        os.close(questions)
    seccomp.give_up(asked=asking.call if asking else "", sockets=asking.kind if asking else None)
    return version


def load_everything(package: ModuleType) -> None:
    """Import all modules of a package: what it would import later it could no longer read."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith((".__main__", ".datasets")):
            importlib.import_module(module.name)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _landlock() -> int:
    version: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < 1:
        return 0  # ENOSYS, or not enabled at boot
    files = (1 << _FILE_ACCESS_BITS.get(version, _NEWEST_FILE_ACCESS_BITS)) - 1
    handled = struct.pack("=Q", files)
    if version >= _NET_VERSION:
        handled += struct.pack("=Q", _BIND_TCP | _CONNECT_TCP)
    if version >= _SCOPE_VERSION:
        handled += struct.pack("=Q", _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS)
    rules = _landlock_call(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    _landlock_call(_RESTRICT_SELF, rules, 0)
    os.close(rules)
    return version


def _landlock_call(number: int, *arguments: object) -> int:
    answer: int = _libc.syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"landlock ({number})")
    return answer
