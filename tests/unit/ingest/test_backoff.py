"""When a camera is tried again."""

from __future__ import annotations

import asyncio
import random

from ingest.backoff import CONNECTS_PER_SECOND, LONGEST_RETRY_S, Backoff, Herd
from media.errors import GapReason
from storage.clock import FakeClock


def test_the_first_retry_is_quick_and_later_ones_are_bounded() -> None:
    """A switch reboots: everyone is back within half a second; a dead camera is tried every few seconds for years."""
    for seed in range(200):
        backoff = Backoff(random.Random(seed))
        waits = [backoff.failed(GapReason.REFUSED) for _ in range(20)]
        assert 0 <= waits[0] <= 0.5
        assert all(0 <= wait <= LONGEST_RETRY_S for wait in waits)
        assert max(waits[4:]) > 4


def test_retries_are_spread() -> None:
    """220 cameras that fail in one moment do not return in one moment."""
    waits = sorted(Backoff(random.Random(seed)).failed(GapReason.UNREACHABLE) for seed in range(220))
    assert waits[10] < 0.1
    assert waits[-10] > 0.4


def test_a_refused_login_is_not_repeated_soon() -> None:
    """Cameras lock the account after some wrong passwords."""
    assert Backoff(random.Random(1)).failed(GapReason.AUTH) >= 300


def test_a_flood_is_not_asked_for_again_at_once() -> None:
    """Its footage counts as a success, so it would come back within half a second, each time."""
    backoff = Backoff(random.Random(1))
    for _ in range(3):
        backoff.succeeded()
        assert backoff.failed(GapReason.FLOOD) >= 10


def test_what_took_its_time_to_find_is_tried_again_at_once() -> None:
    """A camera that stays silent is asked once in 8 s by that alone; when it comes back nobody is still waiting."""
    backoff = Backoff(random.Random(1))
    for reason in (GapReason.NO_MEDIA, GapReason.STALLED, GapReason.NO_SYNC) * 5:
        assert backoff.failed(reason) <= 0.5
    assert max(backoff.failed(GapReason.REFUSED) for _ in range(20)) > 4


def test_success_starts_over() -> None:
    """After footage has arrived the next failure counts as the first."""
    backoff = Backoff(random.Random(3))
    for _ in range(10):
        backoff.failed(GapReason.UNREACHABLE)
    backoff.succeeded()
    assert backoff.failed(GapReason.UNREACHABLE) <= 0.5


async def test_connects_of_a_herd_are_spaced() -> None:
    """Two hundred cameras at once: not more than fifty connects in a second."""
    clock = FakeClock()
    herd = Herd(clock)
    connected: list[int] = []

    async def camera() -> None:
        await herd.turn()
        connected.append(clock.boot_us())

    async with asyncio.TaskGroup() as group:
        for _ in range(200):
            group.create_task(camera())
        while len(connected) < 200:
            for _ in range(5):
                await asyncio.sleep(0)
            clock.advance(10_000)
    seconds = [us // 1_000_000 for us in connected]
    assert max(seconds.count(second) for second in set(seconds)) <= CONNECTS_PER_SECOND + 1
