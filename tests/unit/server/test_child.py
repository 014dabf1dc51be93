"""When a child is started again."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from server.child import Child, ChildPlan, Patience
from storage.clock import HostClock

if TYPE_CHECKING:
    import pytest


class NotingClock(HostClock):
    """Notes what is slept, sleeps none of it, and sets `stop` after so many sleeps."""

    def __init__(self, stop: asyncio.Event, sleeps: int) -> None:
        self.slept: list[float] = []
        self._stop = stop
        self._sleeps = sleeps

    async def sleep(self, seconds: float) -> None:
        """Note it."""
        self.slept.append(seconds)
        if len(self.slept) == self._sleeps:
            self._stop.set()


def dying(code: str, longest_pause_s: float = 2.0) -> ChildPlan:
    """A child that runs this Python code."""
    command = (sys.executable, "-c", code)
    return ChildPlan(name="record", command=command, answers_at=None, longest_pause_s=longest_pause_s)


async def test_a_child_that_dies_young_is_started_at_once_then_ever_more_slowly() -> None:
    """The first restart costs no time; a crash loop costs little work and is bounded by the longest pause."""
    stop = asyncio.Event()
    clock = NotingClock(stop, sleeps=5)
    child = Child(dying("raise SystemExit(7)"), clock, Patience())
    await child.run(stop)
    assert clock.slept == [0.25, 0.5, 1.0, 2.0, 2.0]
    assert child.state() == {"pid": None, "up": False, "restarts": 5, "last_end": "exit 7"}


async def test_a_grown_up_death_is_answered_at_once() -> None:
    """A child that had lived is not punished, however often it is killed."""
    stop = asyncio.Event()
    clock = NotingClock(stop, sleeps=1)
    child = Child(dying("pass"), clock, Patience(grown_up_s=0))
    running = asyncio.ensure_future(child.run(stop))
    async with asyncio.timeout(30):
        while child.state()["restarts"] < 3:  # noqa: ASYNC110 - real processes
            await asyncio.sleep(0.01)
    stop.set()
    await running
    assert clock.slept == []


async def test_what_cannot_be_started_is_tried_again() -> None:
    """No memory, no process slots, a program that is being upgraded: none of it ends the supervisor."""
    stop = asyncio.Event()
    clock = NotingClock(stop, sleeps=2)
    plan = ChildPlan(name="record", command=("/nonexistent",), answers_at=None)
    child = Child(plan, clock, Patience())
    await child.run(stop)
    assert "could not start: No such file" in child.state()["last_end"]


async def test_a_child_gets_its_settings_on_standard_input(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither in its arguments nor in its environment, where any user of the host could read them."""
    stop = asyncio.Event()
    code = "import sys; print(sys.stdin.read(), sys.argv)"
    plan = ChildPlan(name="record", command=(sys.executable, "-c", code), answers_at=None, stdin=b"the settings")
    await Child(plan, NotingClock(stop, sleeps=1), Patience()).run(stop)
    assert "the settings ['-c']\n" in capfd.readouterr().out
