"""What something costs, told by how much of our code it goes through: the same on every machine, busy or not."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_ROOT = Path(__file__).parents[1]
_PACKAGES = tuple(str(_ROOT / package) for package in ("media", "ingest"))


def executed_lines(work: Callable[[], object]) -> int:
    """How many lines of `media` and `ingest` it executes, each as often as it does."""
    count: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGES):
            return None
        count[event] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count["line"]
