"""What was wrong and when: one JSON line for every fault that begins, ends or happens.

    {"at_us": 1795423939245458, "fault": "gop", "phase": "begin", "step": 3, "cameras": ["a"],
     "parameters": {"length": "60s"}}

A line is in the kernel before an effect begins, and after it is over: what a recorder misses lies between the two.
`step` counts from 1, the flags of the command line after the steps of the script. Parameters are written as in one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Self

from simulator.faults import make_fault
from simulator.steps import Event, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from simulator.faults import Fault


class FaultRecord(NamedTuple):
    """One line: as an event of a script, but `at_us` is UTC."""

    at_us: int
    fault: Fault
    phase: Phase
    step: int
    cameras: tuple[str, ...]


class FaultLog:
    """Appends to a file, unbuffered."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def __call__(self, at_us: int, event: Event) -> None:
        """Note an event that is about to act at a wall time, or, if it is an end, is over."""
        line = {
            "at_us": at_us,
            "fault": event.fault.name,
            "phase": event.phase,
            "step": event.step,
            "cameras": event.cameras,
            "parameters": event.fault.written(),
        }
        self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_fault_log(path: Path) -> Iterator[FaultRecord]:
    """The lines of a log, in order. A last line torn by a kill is left out: it did not act."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            read = json.loads(line)
            yield FaultRecord(
                at_us=read["at_us"],
                fault=make_fault(read["fault"], read["parameters"]),
                phase=Phase(read["phase"]),
                step=read["step"],
                cameras=tuple(read["cameras"]),
            )
