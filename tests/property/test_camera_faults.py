"""Any mixture of a camera's faults: each frame is stored once and in order, or was spoiled, or lies inside a gap."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import GapReason
from tests.builders_h264 import PPS, SPS
from tests.builders_recorded import FRAME_US, Stored
from tests.builders_recorder import Rig, Wire

LARGER = bytes.fromhex("6764001facd9405005bb016a02020280000003008000001e078c18cb")
EDGE_US = 500_000
"""How far frames of a camera with a lying clock may lie from their arrival, and so from the edge of a gap."""


class Storm:
    """A camera that does one thing after the other, and what of it was spoiled on purpose."""

    def __init__(self, seed: int) -> None:
        self.rig = Rig()
        self.rng = random.Random(seed)
        self.first = 0
        self.wire = Wire(self.rig, packet_bytes=300)
        self.sent: dict[int, int] = {}
        self.spoiled: set[int] = set()

    def play(self, frames: int) -> None:
        """Intact."""
        self._send(frames, list)

    def lose(self, frames: int) -> None:
        """Some packets do not come."""
        self._send(frames, self._without_some)

    def overtake(self, frames: int) -> None:
        """Some packets come later than the next one."""
        self._send(frames, self._swapped)

    def repeat(self, frames: int) -> None:
        """Some packets come twice."""
        self._send(frames, lambda packets: [packet for packet in packets for _ in range(self.rng.choice([1, 1, 2]))])

    def freeze(self, frames: int) -> None:
        """The clock stands still."""
        still = self.wire.ticks
        for _ in range(frames):
            self.wire.ticks = still
            self.play(1)

    def jump(self, frames: int) -> None:
        """The clock goes somewhere else."""
        self.wire.ticks += self.rng.choice([10, -2, -1, 3600, -86_400]) * 90_000
        self.play(frames)

    def renumber(self, frames: int) -> None:
        """Numbers go on elsewhere, or the source has another name."""
        self.wire.sequence += self.rng.choice([1000, 40_000, -3000])
        self.play(frames)

    def rename(self, frames: int) -> None:
        """Another SSRC."""
        self.wire.ssrc += 1
        self.play(max(frames, 15))  # the first 0.4 s are held: a session that ends before costs them

    def resize(self, frames: int) -> None:
        """Another picture size."""
        self.wire.sets = (LARGER, PPS) if self.wire.sets == (SPS, PPS) else (SPS, PPS)
        self.play(frames)

    def pause(self, frames: int) -> None:
        """Nothing is sent for some seconds, and it goes on at a sync sample."""
        seconds = self.rng.randrange(1, 7)
        self.wire.pass_time(seconds * 1_000_000)
        self.wire.ticks += seconds * 90_000
        self.wire.number += -self.wire.number % self.wire.gop
        self.play(frames)

    def cut(self, frames: int) -> None:
        """Half a packet, then the connection ends; another session begins a second later."""
        self._send(1, lambda packets: [*packets[:-1], packets[-1][:30]])
        self.spoiled.add(self.wire.number - 1)
        self.wire.camera.session.connection_lost(None)
        self._reconnect()
        self.play(frames)

    def babble(self, frames: int) -> None:
        """Bytes that are no frame."""
        self.wire.hear(b"\x00nonsense")
        self._reconnect()
        self.play(frames)

    def _reconnect(self) -> None:
        assert self.wire.failed is not None
        self.rig.recorder._end_span()
        self.rig.recorder._failed(self.wire.failed)
        before = self.wire
        before.pass_time(1_000_000)
        self.rig.recorder._segmenter.start_session(segment_us=60_000_000)
        self.wire = Wire(self.rig, packet_bytes=300)
        self.wire.number = before.number + -before.number % 25
        self.wire.ticks = self.rng.randrange(1 << 32)

    def _send(self, frames: int, alter: object) -> None:
        for _ in range(frames):
            self.sent[self.wire.number] = self.rig.clock.wall_us()
            self.wire.play(1, alter)  # type: ignore[arg-type]

    def _without_some(self, packets: list[bytes]) -> list[bytes]:
        kept = [packet for packet in packets if self.rng.random() > 0.1]
        if len(kept) < len(packets):
            self.spoiled.add(self.wire.number - 1)
        return kept

    def _swapped(self, packets: list[bytes]) -> list[bytes]:
        if len(packets) > 1 and self.rng.random() < 0.3:
            at = self.rng.randrange(len(packets) - 1)
            packets[at : at + 2] = packets[at + 1], packets[at]
            self.spoiled.add(self.wire.number - 1)
        return packets


ACTS = [
    "play",
    "lose",
    "overtake",
    "repeat",
    "freeze",
    "jump",
    "renumber",
    "rename",
    "resize",
    "pause",
    "cut",
    "babble",
]


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 60)), max_size=12))
def test_any_mixture_of_faults_loses_nothing_unsaid(seed: int, acts: list[tuple[str, int]]) -> None:
    """And nothing is stored twice, out of order, or for no time at all."""

    async def live() -> tuple[Storm, list[Stored]]:
        storm = Storm(seed)
        storm.play(30)
        for name, frames in acts:
            getattr(storm, name)(frames)
        storm.play(40)
        assert storm.wire.failed is None
        return storm, storm.wire.record()

    storm, stored = asyncio.run(live())
    numbers = [unit.number for unit in stored]
    assert numbers == sorted(set(numbers))
    assert all(before.shown_us < after.shown_us for before, after in pairwise(stored))
    assert min(unit.duration_ticks for unit in stored) > 0
    gaps = storm.rig.ledger(storm.wire.footage()).gaps
    for number in storm.sent.keys() - set(numbers) - storm.spoiled:
        at_us = storm.sent[number]
        inside = [gap for gap in gaps if gap.start_us - EDGE_US <= at_us < (gap.end_us or at_us + 1) + EDGE_US]
        assert inside, f"frame {number} is missing without a word"
        assert inside[0].reason is not GapReason.SHUTDOWN or at_us > storm.rig.clock.wall_us() - 2 * FRAME_US
