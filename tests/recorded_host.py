"""A host whose recorder does what a test says: files in a real spool, and a model of what is durable and what not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import GapReason
from media.identity import SegmentIdentity, object_key
from storage.clock import FakeClock
from storage.layout import Layout
from storage.model import SECOND_US
from tests.builders_catalog import CAMERA, STREAM, T0, SpoolOnDisk, at, segment_bytes
from tests.footage_model import FootageModel, Recorded

if TYPE_CHECKING:
    from pathlib import Path

SYNC_S = 2
"""Until a sync sample comes, and until a recorder that ended is missed: gaps shorter than a second are no rows."""


class RecordedHost:
    """One camera, one recorder at a time."""

    def __init__(self, root: Path) -> None:
        self.model = FootageModel()
        self.data = Layout(root)
        self.clock = FakeClock(wall_us=T0)
        self.run: SpoolOnDisk | None = None
        self._in_sync = False
        self._runs = self._sequence = 0

    def start_run(self) -> None:
        """A recorder starts, and waits for a sync sample."""
        self._runs, self._sequence, self._in_sync = self._runs + 1, 0, False
        self.run = SpoolOnDisk(self.data.spool, self._runs, start=self.model.now)
        self.run.stream_start(self.model.now)
        self.model.nothing_since(self.model.now, "no_sync")

    def record(self, seconds: int) -> None:
        """A segment is recorded and sealed."""
        start, end = self._footage(seconds)
        path = self._live.segment(start, end, self._sequence)
        self._recorded(start, end, path.read_bytes(), is_whole=True)

    def stall(self, seconds: int) -> None:
        """Nothing comes for a while."""
        self._live.gap_open(self.model.now, GapReason.STALLED)
        self.model.nothing_since(self.model.now, "stalled")
        self._pass(seconds)
        self._live.gap_close(self.model.now)
        self.model.end_nothing(self.model.now)
        self._in_sync = True

    def die(self) -> None:
        """The recorder is killed between two segments."""
        self._live.die()
        self._over("crash")

    def die_within(self, seconds: int) -> None:
        """The recorder is killed in the middle of a fragment: that is torn, those before it are durable."""
        start, end = self._footage(seconds)
        path = self._live.segment(start, end, self._sequence, sealed=False)
        path.write_bytes(path.read_bytes()[:-7])
        self._recorded(start, end - 1, segment_bytes(self._identity, start, end - 1, sealed=False), is_whole=False)
        self.die()

    def stop(self) -> None:
        """The recorder stops as it is told."""
        self._live.end(self.model.now)
        self._over("shutdown")

    def wait(self, seconds: int) -> None:
        """Time passes, in which nothing is recorded."""
        if self.run is None:
            self._pass(seconds)
        else:
            self.stall(seconds)

    @property
    def _live(self) -> SpoolOnDisk:
        assert self.run is not None
        return self.run

    @property
    def _identity(self) -> SegmentIdentity:
        return SegmentIdentity(camera=CAMERA, stream=STREAM, epoch=1, run=self._runs, sequence=self._sequence)

    def _pass(self, seconds: int) -> None:
        self.model.now += seconds
        self.clock.advance(seconds * SECOND_US)

    def _footage(self, seconds: int) -> tuple[int, int]:
        if not self._in_sync:
            self._pass(SYNC_S)
            self._live.gap_close(self.model.now)
            self._in_sync = True
        self.model.end_nothing(self.model.now)
        start = self.model.now
        self._pass(seconds)
        return start, self.model.now

    def _recorded(self, start: int, end: int, content: bytes, *, is_whole: bool) -> None:
        who = self._identity
        self.model.footage(
            Recorded(who.segment_id, object_key(who, at(start)), start, end, content=content, is_whole=is_whole)
        )
        self._sequence += 1

    def _over(self, why: str) -> None:
        if self.model.nothing is None:
            self.model.nothing = (self.model.parts[-1].end or 0, why)
        self.run = None
        self._pass(SYNC_S)
