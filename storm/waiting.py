"""Time and waiting of a storm, which lasts as long as it lasts: bounded, and interrupted by Ctrl-C at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_S = 0.25

_NEVER = threading.Event()


def wall_us() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1000


def pause_until(instant_us: int) -> None:
    """Wait for an instant of the wall clock."""
    while (left_us := instant_us - wall_us()) > 0:
        _NEVER.wait(min(left_us / 1_000_000, 60.0))


def wait(seconds: float, done: Callable[[], bool], look_s: float = LOOK_S) -> bool:
    """Look again and again until something is so; False if it did not come about in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        _NEVER.wait(look_s)
    return True
