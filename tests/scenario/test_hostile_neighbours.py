"""One hostile camera never costs another a frame: several at once, of every kind, beside some that work."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.options import SimulatorOptions
from simulator.simulator import Simulator
from tests.hostile_camera import KINDS
from tests.scenario.test_recording import recording
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simulator.sent_log import SentFrame

EXPECTED = {
    "flood": {"flood"},
    "garble": {"protocol", "flood"},
    "large": {"no_sync", "no_media", "flood"},
    "hang": {"protocol"},
    "drip": {"protocol"},
    "shout": {"protocol"},
}
"""Why each is given up. `large` sends for 20 s before that: here it only has to be there."""


@asynccontextmanager
async def hostile_cameras() -> AsyncIterator[dict[str, str]]:
    """A process of them; their URLs by kind."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hostile_camera"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        lines = [(await process.stdout.readline()).decode().strip() for _ in KINDS]
        yield dict(zip(KINDS, lines, strict=True))
    finally:
        process.stdin.close()
        await process.wait()


async def test_hostile_cameras_cost_their_neighbours_nothing(tmp_path: Path) -> None:
    """Every frame of those that work is stored, once, with the bytes sent, in one session; the others are named."""
    sent: list[SentFrame] = []
    async with (
        hostile_cameras() as bad,
        Simulator(SimulatorOptions(cameras=3, port=0), sent=sent.append) as good,
        recording(tmp_path) as record,
    ):
        record.assign(*good.urls, *bad.values())
        named = {kind for kind in KINDS if kind != "large"}
        for kind in named:
            await eventually(
                f"{kind} is given up", lambda kind=kind: record.state(bad[kind]).get("reason") in EXPECTED[kind]
            )
        reached = {url: record.durable(url) for url in good.urls}
        for url in good.urls:
            await eventually("it records on", lambda url=url: record.durable(url) > reached[url])
            assert record.state(url)["sessions"] == 1
            assert record.state(url)["lost_packets"] == 0
        assert record.state(bad["large"])["pending_bytes"] == 0
    for url, name in zip(good.urls, good.cameras, strict=True):
        stored = record.frames(url)
        first, last = stored[0][0], stored[-1][0]
        assert stored == [(f.frame, f.crc32, True) for f in sent if f.camera == name and first <= f.frame <= last]
        assert [note["kind"] for note in record.notes(url) if note["kind"] == "gap_open"] == ["gap_open"]  # at its end
