"""One scheduler for all cameras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from simulator.clock import CameraClock
from simulator.pacer import Pacer


class Metronome:
    """Due every `interval_us`, `times` times."""

    def __init__(self, name: str, interval_us: int, times: int, beats: list[str], ended: Callable[[], None]) -> None:
        self._name, self._interval_us, self._left = name, interval_us, times
        self._beats, self._ended = beats, ended
        self.late_us: list[int] = []
        self.due_us = 0

    def fire(self, now_us: int) -> int | None:
        """Beat, and say when the next one is."""
        self.late_us.append(now_us - self.due_us)
        self._beats.append(self._name)
        self._left -= 1
        self.due_us += self._interval_us
        if self._left:
            return self.due_us
        self._ended()
        return None


@pytest.fixture
async def pacer() -> AsyncIterator[Pacer]:
    """A pacer that is closed in the end."""
    pacer = Pacer(CameraClock())
    yield pacer
    pacer.close()


async def test_everything_fires_in_the_order_of_its_time(pacer: Pacer) -> None:
    """Two cameras with different frame rates, neither early, each until it is no longer wanted."""
    beats: list[str] = []
    ended = asyncio.Semaphore(0)
    start_us = CameraClock().wall_us() + 20_000
    slow, fast = (Metronome(name, us, n, beats, ended.release) for name, us, n in (("S", 50_000, 3), ("f", 20_000, 6)))
    for metronome, at_us in ((slow, start_us + 5_000), (fast, start_us)):
        metronome.due_us = at_us
        pacer.add(metronome, at_us)
    await ended.acquire()
    await ended.acquire()
    assert "".join(beats) == "fSffSfffS"  # 0 5 20 40 55 60 80 100 105 ms
    assert min(slow.late_us + fast.late_us) >= 0


async def test_one_that_is_due_sooner_is_not_kept_waiting(pacer: Pacer) -> None:
    """The timer is set anew when something comes before what it waits for."""
    beats: list[str] = []
    ended = asyncio.Event()
    now_us = CameraClock().wall_us()
    pacer.add(Metronome("later", 1, 1, beats, ended.set), now_us + 3_600_000_000)
    pacer.add(Metronome("now", 1, 1, beats, ended.set), now_us)
    async with asyncio.timeout(5):
        await ended.wait()
    assert beats == ["now"]


async def test_a_flood_of_due_frames_leaves_the_loop_room(pacer: Pacer) -> None:
    """A camera that is late for ever does not keep sockets from being served."""
    served = asyncio.Event()
    flood = Metronome("x", 0, 1_000_000_000, [], served.set)
    pacer.add(flood, CameraClock().wall_us())
    asyncio.get_running_loop().call_later(0.02, served.set)
    async with asyncio.timeout(5):
        await served.wait()
    assert flood.late_us


async def test_a_closed_pacer_fires_nothing(pacer: Pacer) -> None:
    """Its timer is gone, too."""
    beats: list[str] = []
    pacer.add(Metronome("x", 1, 1, beats, lambda: None), CameraClock().wall_us())
    pacer.close()
    reached = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, reached.set)
    await reached.wait()
    assert beats == []
