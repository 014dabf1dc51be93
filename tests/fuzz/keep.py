"""Take over into the corpus what fuzzing collected: for each target the few inputs that together reach the most code.

    python -m tests.fuzz.keep [TARGET ...]

Code is counted in steps from line to line of `media`, per input. The input that adds the most comes first, the shorter
one where two add as much, until nothing is added or 50 are kept. What broke a promise once is kept always: its name
begins with "mended".
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.replay import CORPUS, corpus_of
from tests.fuzz.run import WORK
from tests.fuzz.targets import TARGETS

MOST_FILES = 50
MOST_CANDIDATES = 1500
"""The shortest ones. Tracing is slow."""

Step = tuple[str, int, int]
ALWAYS = "mended"


def steps_of(target: Callable[[bytes], None], content: bytes) -> set[Step]:
    """The steps from line to line that an input takes through `media`."""
    steps: set[Step] = set()

    def follow(frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        name = frame.f_code.co_filename
        if "/media/" not in name:
            return None
        before = 0

        def step(inside: FrameType, _event: str, _argument: object) -> Callable[..., Any]:
            nonlocal before
            steps.add((name, before, inside.f_lineno))
            before = inside.f_lineno
            return step

        return step

    sys.settrace(follow)
    try:
        target(content)
    finally:
        sys.settrace(None)
    return steps


def choose(reached: dict[Path, set[Step]], covered: set[Step], most: int) -> list[Path]:
    """Which files to keep, the most useful first."""
    chosen: list[Path] = []
    left = dict(reached)
    while left and len(chosen) < most:
        best = max(left, key=lambda path: (len(left[path] - covered), -path.stat().st_size))
        if left[best] <= covered:
            break
        covered = covered | left.pop(best)
        chosen.append(best)
    return chosen


def keep(target: str) -> int:
    """Renew the corpus of a target; how many files it has."""
    kept = corpus_of(target)
    always = [path for path in kept if path.name.startswith(ALWAYS)]
    found = sorted((WORK / target).iterdir(), key=lambda path: path.stat().st_size) if (WORK / target).is_dir() else []
    candidates = [path for path in kept if path not in always] + found[:MOST_CANDIDATES]
    reached = {path: steps_of(TARGETS[target], path.read_bytes()) for path in candidates}
    covered = set().union(*(steps_of(TARGETS[target], path.read_bytes()) for path in always))
    contents = [path.read_bytes() for path in choose(reached, covered, MOST_FILES - len(always))]
    for path in kept:
        if path not in always:
            path.unlink()
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    for content in contents:
        (CORPUS / target / hashlib.sha1(content, usedforsecurity=False).hexdigest()[:12]).write_bytes(content)
    return len(always) + len(contents)


def main() -> None:
    """Each target that was named, or all."""
    for target in sys.argv[1:] or TARGETS:
        print(f"{target}: {keep(target)} files")


if __name__ == "__main__":
    main()
