"""Kills, pauses, and faults of links and of the spool's disk, carried out when they are due."""

from __future__ import annotations

import heapq
import signal
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Protocol

from storm.facts import Strike, Violation
from storm.waiting import pause_until, wait, wall_us

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.faults import Fault
    from storm.plan import Blow
    from storm.processes import Handle

BACK_S = 30.0
"""Until a process is there again: the supervisor's longest pause is 15 s."""


class Struck(Protocol):
    """What is hit: storm.system.System is one."""

    def role(self, name: str) -> Handle | None:
        """A handle of the process that has a role now."""
        ...

    def kill(self, role: str, process: Handle) -> None:
        """SIGKILL, and what follows from it."""
        ...

    def strain(self, what: str, fault: Fault) -> Callable[[], None]:
        """Begin a fault of a link or of the spool's disk; what ends it, which may be called more than once."""
        ...

    def require_simulator(self) -> None:
        """Fail if there is nothing left to record."""
        ...


class Strikes:
    """Carries out the blows of a plan, and notes what was hit and when. `violations`: who did not come back."""

    def __init__(self, system: Struck, say: Callable[[str], None]) -> None:
        self._system = system
        self._say = say
        self._stopped = ExitStack()
        self._order = 0
        self.done: list[Strike] = []
        self.violations: list[Violation] = []

    def run(self, blows: Sequence[Blow], began_us: int) -> None:
        """Strike until all are done; whoever was stopped goes on in the end, however this ends."""
        due: list[tuple[int, int, Callable[[], None]]] = []
        for blow in blows:
            self._plan(due, began_us + blow.at_us, partial(self._strike, blow, due, began_us))
        with self._stopped:
            while due:
                at_us, _, act = heapq.heappop(due)
                pause_until(at_us)
                self._system.require_simulator()
                act()

    def _plan(self, due: list[tuple[int, int, Callable[[], None]]], at_us: int, act: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(due, (at_us, self._order, act))

    def _strike(self, blow: Blow, due: list[tuple[int, int, Callable[[], None]]], began_us: int) -> None:
        if blow.fault is not None:
            self._strain(blow, blow.fault, due, began_us)
            return
        found: list[Handle] = []

        def there() -> bool:
            process = self._system.role(blow.role)
            found.extend([process] if process is not None else [])
            return bool(found)

        if not wait(BACK_S, there):
            detail = f"{blow.role} was not there for {BACK_S:.0f} s"
            self.violations.append(Violation(rule="processes_come_back", camera="", detail=detail))
            return
        process = found[0]
        index = self._note(blow, f"{blow.role} ({process.pid})", began_us)
        if blow.kind == "kill":
            with process:
                self._system.kill(blow.role, process)
            return
        self._stopped.enter_context(process)
        self._stopped.callback(process.signal, signal.SIGCONT)
        process.signal(signal.SIGSTOP)
        over = partial(self._over, index, partial(process.signal, signal.SIGCONT))
        self._plan(due, self.done[index].at_us + blow.for_us, over)

    def _strain(self, blow: Blow, fault: Fault, due: list[tuple[int, int, Callable[[], None]]], began_us: int) -> None:
        end = self._system.strain(blow.role, fault)
        index = self._note(blow, f"to the {blow.role}", began_us)
        if blow.for_us:
            self._stopped.callback(end)
            self._plan(due, self.done[index].at_us + blow.for_us, partial(self._over, index, end))

    def _note(self, blow: Blow, what: str, began_us: int) -> int:
        at_us = wall_us()
        self._say(f"{(at_us - began_us) / 1e6:7.1f} s  {blow.kind} {what}")
        self.done.append(Strike(at_us, blow.role, blow.kind, at_us, blow.step))
        return len(self.done) - 1

    def _over(self, index: int, end: Callable[[], object]) -> None:
        self.done[index] = self.done[index]._replace(end_us=wall_us())
        end()
