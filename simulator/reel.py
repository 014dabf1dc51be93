"""Prepared frames that repeat forever: loops encoded beforehand, and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.access_unit import StreamParameters
    from simulator.source import CodedFrame
    from simulator.timetable import Lap


@dataclass(frozen=True, slots=True, kw_only=True)
class Reel:
    """One lap of frames in decode order, shared by all cameras that play it. At least one is a sync sample."""

    frames: tuple[CodedFrame, ...]
    lap: Lap
    parameters: StreamParameters


class ReelSource:
    """One camera's place on a reel."""

    def __init__(self, reel: Reel, phase_us: int) -> None:
        self.timetable = Timetable(reel.lap, phase_us)
        self.codec = reel.frames[0].codec
        self.parameters = reel.parameters
        self._frames = reel.frames
        self._until_sync = _until_sync(reel.frames)

    def next_sync(self, number: int) -> int:
        """The first sync sample at or after a frame."""
        return number + self._until_sync[number % len(self._frames)]

    def produce(self, number: int, deliver: Callable[[int, CodedFrame], None]) -> None:
        """Deliver at once: it lies ready."""
        deliver(number, self._frames[number % len(self._frames)])


def _until_sync(frames: tuple[CodedFrame, ...]) -> tuple[int, ...]:
    """For each frame of the lap, how many frames it is to the next sync sample, over the seam."""
    distance = next(index for index, frame in enumerate(frames) if frame.sync)
    distances = []
    for frame in reversed(frames):
        distance = 0 if frame.sync else distance + 1
        distances.append(distance)
    return tuple(reversed(distances))
