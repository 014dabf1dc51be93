"""Children end with their supervisor, however it ends.

prctl(2) PR_SET_PDEATHSIG asks the kernel for SIGTERM when the parent dies, so that `record` still seals its segments.
The request is made by the child, after exec: a parent that died before it is noticed by comparing getppid with the pid
the parent gave. (preexec_fn would run Python between fork and exec, which is unsafe with threads.)
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "HULTA_SUPERVISOR_PID"
_PR_SET_PDEATHSIG = 1


def follow_parent() -> bool:
    """Ask to be ended with the supervisor. False, and nothing done, in a process that no supervisor started."""
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):
        sys.exit(0)  # it died before the request: nobody waits for this process
    return True
