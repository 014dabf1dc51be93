"""How many system calls processes make, counted by the kernel: `perf stat` on the tracepoint raw_syscalls:sys_enter.

Tried on 20 cameras read by PyAV, which makes 2400 calls a camera and second: 11 % of a core, 12 % while `perf stat`
counts, 40 % under `strace -c -f`, which stops a thread twice a call. `perf` needs root or CAP_PERFMON; without it the
figure is left out, and the report says why.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

_EVENT = "raw_syscalls:sys_enter"


class Uncountable(Exception):  # noqa: N818 - what is, not what went wrong
    """System calls cannot be counted here; the message says why."""


def per_second(pids: Sequence[int], seconds: float) -> float:
    """System calls a second of all threads of these processes, over the next `seconds`."""
    if shutil.which("perf") is None:
        raise Uncountable("perf is not installed (Debian: linux-perf)")
    command = ["perf", "stat", "-x", ",", "-e", _EVENT, "-p", ",".join(map(str, pids)), "--", "sleep", f"{seconds}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 30)
    counted = next((line.split(",")[0] for line in done.stderr.splitlines() if _EVENT in line), "")
    if done.returncode != 0 or not counted.isdecimal():
        complaint = counted or next(iter(done.stderr.split("\n")), "") or f"exit code {done.returncode}"
        raise Uncountable(f"perf cannot count {_EVENT}: {complaint.strip()}")
    return int(counted) / seconds
