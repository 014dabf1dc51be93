"""Timers that fire when a test lets time pass, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class HeldTimer:
    """One callback to come."""

    when: float
    callback: Callable[[], object]
    due: list[HeldTimer]

    def cancel(self) -> None:
        """Do not fire; a timer that has fired may be cancelled, too."""
        if self in self.due:
            self.due.remove(self)


@dataclass
class HeldTimers:
    """Time as the test has it. What `storm.proxy_wire` calls Timers."""

    now: float = 0.0
    due: list[HeldTimer] = field(default_factory=list)

    def time(self) -> float:
        """Seconds."""
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> HeldTimer:
        """Call back when `pass_until` gets there."""
        timer = HeldTimer(when, callback, self.due)
        self.due.append(timer)
        return timer

    async def pass_until(self, when: float, *, idle: Callable[[], bool]) -> None:
        """Let time pass from timer to timer. Whoever one woke must come to its next wait first, or all be `idle`."""
        while self.due and (first := min(self.due, key=lambda timer: timer.when)).when <= when:
            self.now = max(self.now, first.when)
            self.due.remove(first)
            first.callback()
            await self._at_rest(idle)
        self.now = when

    async def _at_rest(self, idle: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not self.due and not idle():  # noqa: ASYNC110 - the condition is whatever the test says
                await asyncio.sleep(0)
