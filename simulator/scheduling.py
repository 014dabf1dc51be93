"""What a library does to the scheduling of this process, undone.

SVT-AV1 4.1, in a process of root, makes the thread that opens an encoder and all its own threads real-time ones
(SCHED_FIFO, 99; sched(7)). They and every process started from them then take the machine from all others: where that
is the recorder under test, it loses frames that no camera lost.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scheduled_as_before() -> Iterator[None]:
    """When the block ends, no thread of this process is scheduled otherwise than before; new ones as the caller."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    before = policies()
    try:
        yield
    finally:
        for thread, now in policies().items():
            if now != before.get(thread, policy):
                _schedule(thread, policy, parameters)


def policies() -> dict[int, int]:
    """By thread of this process: SCHED_OTHER, as usual, or another (sched(7))."""
    found = {}
    for entry in Path("/proc/self/task").iterdir():
        try:
            found[int(entry.name)] = os.sched_getscheduler(int(entry.name))
        except ProcessLookupError:
            continue  # it has ended
    return found


def _schedule(thread: int, policy: int, parameters: os.sched_param) -> None:
    try:
        os.sched_setscheduler(thread, policy, parameters)
    except ProcessLookupError:
        return
