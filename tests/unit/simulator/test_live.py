"""Pictures drawn and encoded as time goes by."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from simulator.live import LiveSource
from simulator.options import Kind
from simulator.source import CodedFrame

OPTIONS = Kind(fps=5, gop_us=2_000_000, bitrate_bps=500_000)


class Taker:
    """Takes what a source delivers."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, CodedFrame]] = []
        self.changed = asyncio.Event()

    def __call__(self, number: int, frame: CodedFrame) -> None:
        """One frame."""
        self.frames.append((number, frame))
        self.changed.set()

    async def until(self, count: int) -> list[tuple[int, bool]]:
        """Numbers and sync flags, once there are as many."""
        async with asyncio.timeout(20):
            while len(self.frames) < count:
                self.changed.clear()
                await self.changed.wait()
        return [(number, frame.sync) for number, frame in self.frames]


@pytest.fixture
def workers() -> ThreadPoolExecutor:
    """One thread, so that a test can keep it busy."""
    return ThreadPoolExecutor(1)


async def test_sync_samples_lie_on_multiples_of_the_gop(workers: ThreadPoolExecutor) -> None:
    """Known beforehand: PLAY promises them."""
    with workers:
        source = LiveSource(OPTIONS, "cam/0001", 0, workers)
        taker = Taker()
        assert [source.next_sync(number) for number in (99, 100, 101)] == [100, 100, 110]
        for number in range(100, 112):
            source.produce(number, taker)
            await taker.until(number - 99)
        assert await taker.until(12) == [(number, number in {100, 110}) for number in range(100, 112)]


async def test_a_slow_machine_delays_then_leaves_out(workers: ThreadPoolExecutor) -> None:
    """What waits is bounded by a second; a sync sample that was left out is made up for by the next picture."""
    with workers:
        source = LiveSource(OPTIONS, "cam/0001", 0, workers)
        taker, hold = Taker(), threading.Event()
        workers.submit(hold.wait)
        for number in range(104, 114):  # one in work, five waiting; 110 would have been the sync sample
            source.produce(number, taker)
        hold.set()
        assert [number for number, _ in await taker.until(6)] == [104, 105, 106, 107, 108, 109]
        source.produce(114, taker)
        assert (await taker.until(7))[-1] == (114, True)


async def test_two_cameras_differ_and_one_describes_itself_the_same_again(workers: ThreadPoolExecutor) -> None:
    """Parameter sets announced today still fit after a restart."""
    with workers:
        sources = [LiveSource(OPTIONS, "cam/0001", 0, workers) for _ in range(2)]
        assert sources[0].parameters == sources[1].parameters
        assert sources[0].parameters.track().width == 640
