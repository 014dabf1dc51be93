"""A recording process without cameras: appends fragments as fast as they become durable, until it is killed.

    python -m tests.scenario.spool_child SPOOL RUN

Says `durable <stream> <sequence> <fragment>` on standard output in the callback that announces a fragment, and
`noted <stream> <at_us>` for a journal record. What it writes is a function of those numbers alone, so the test knows
every byte that may be there.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from hashlib import shake_128
from pathlib import Path
from uuid import UUID

from media.commit import ZERO_CHAIN
from media.errors import GapReason
from media.fmp4_write import Sample, SegmentWriter
from media.identity import SegmentIdentity
from storage import journal
from storage.spool import SpoolRun, SpoolSegment
from tests.builders_segment import plain_track
from tests.builders_spool import CAMERA

STREAMS = [UUID(int=number << 76 | 1 << 63) for number in range(1, 7)]
TICKS = 3600


def payload(stream: UUID, sequence: int, fragment: int) -> list[bytes]:
    """The samples of a fragment: some hundred to some ten thousand bytes each, never the same."""
    sizes = random.Random(f"{stream} {sequence} {fragment}")
    return [
        shake_128(f"{stream} {sequence} {fragment} {index}".encode()).digest(sizes.randrange(100, 30_000))
        for index in range(5)
    ]


def say(*words: object) -> None:
    """One line, in one write: a kill leaves it out or whole."""
    os.write(sys.stdout.fileno(), " ".join(map(str, words)).encode() + b"\n")


class Stream:
    """One camera's worth of work: the next fragment follows when two are waiting at most."""

    def __init__(self, run: SpoolRun, stream: UUID) -> None:
        self._run = run
        self._stream = stream
        self._room = asyncio.Semaphore(2)
        self._chain = ZERO_CHAIN

    async def record(self) -> None:
        """Segment after segment."""
        sequence = 0
        while True:
            await self._segment(sequence, random.Random(f"{self._stream} {sequence}").randrange(1, 8))
            sequence += 1

    async def _segment(self, sequence: int, fragments: int) -> None:
        place = SegmentIdentity(camera=CAMERA, stream=self._stream, epoch=1, run=self._run.run, sequence=sequence)
        writer = SegmentWriter(place, plain_track(), 0, self._chain)
        self._run.note(
            journal.gap_open(stream=self._stream, at_us=sequence, reason=GapReason.NO_SYNC),
            lambda error: say("noted", self._stream, sequence) if error is None else say("failed", error),
        )
        segment = self._run.open_segment(place, writer.init)
        for fragment in range(fragments):
            await self._room.acquire()
            self._append(segment, writer, sequence, fragment)
        segment.seal(writer.seal(fragments * TICKS * 5), lambda error: say("failed", error) if error else None)
        self._chain = writer.chain

    def _append(self, segment: SpoolSegment, writer: SegmentWriter, sequence: int, fragment: int) -> None:
        samples = payload(self._stream, sequence, fragment)
        buffers, _ = writer.fragment(
            payload=samples,
            samples=[Sample(len(sample), TICKS, 0, index == 0) for index, sample in enumerate(samples)],
            media_ticks=fragment * TICKS * 5,
            duration_ticks=TICKS * 5,
            wall_us=fragment * TICKS * 5,
            end_wall_us=(fragment + 1) * TICKS * 5,
            lost_packets=0,
            clock_quality=0,
        )

        def announced(error: Exception | None) -> None:
            self._room.release()
            say(*(("failed", error) if error else ("durable", self._stream, sequence, fragment)))

        segment.append(buffers, announced)


async def main(spool: Path, run_number: int) -> None:
    """Record until the end."""
    run = SpoolRun.create(spool, run=run_number, host="child", at_us=0, loop=asyncio.get_running_loop())
    async with asyncio.TaskGroup() as group:
        for stream in STREAMS:
            group.create_task(Stream(run, stream).record())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
