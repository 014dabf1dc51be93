"""What is wrong with one camera now, and what that does to its frames, its numbers and its answers.

A camera that was always well has none: that is the one thing it looks at for each frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.crystal import Crystal, RtpClock
from simulator.frame_faults import flooded, without_parameter_sets
from simulator.seed import chance
from simulator.timetable import RTP_CLOCK_RATE

if TYPE_CHECKING:
    from random import Random

    from simulator.clock import CameraClock
    from simulator.faults import Fault
    from simulator.rtp_stream import RtpStream
    from simulator.source import CodedFrame

MUTE = frozenset({"silence", "stall", "off"})
"""With any of them no frame leaves."""

_WRAP_AFTER_TICKS = 5 * RTP_CLOCK_RATE

_REFUSALS = {
    "503": (503, None),
    "401": (401, None),
    "404": (404, None),
    "453": (453, {"SETUP"}),
}
"""Fault: the status, and which methods get it; None is every one that the camera would not answer to anyone."""

_ANSWERED_TO_ANYONE = {"OPTIONS", "TEARDOWN"}


class Conditions:
    """The faults of one camera. They come and go with `begin` and `end`; some leave something behind."""

    def __init__(self, camera: str, seed: int, clock: CameraClock) -> None:
        self._camera = camera
        self._seed = seed
        self.clock = clock
        self.active: dict[str, Fault] = {}
        """Lasting faults by name."""
        self.muted = False
        self.crystal = Crystal()
        self.rtp_clock = RtpClock()
        self.undecodable = False
        """Nobody has parameter sets that could decode what is sent."""

    def begin(self, fault: Fault) -> None:
        """From now on."""
        self.active[fault.name] = fault
        self.muted = not MUTE.isdisjoint(self.active)

    def end(self, fault: Fault) -> None:
        """No longer."""
        del self.active[fault.name]
        self.muted = not MUTE.isdisjoint(self.active)

    def chance(self, fault: str, number: int) -> Random:
        """The random choices of a fault for a frame: they depend on nothing else but the seed."""
        return chance(self._seed, self._camera, fault, number)

    def refusal(self, method: str) -> int | None:
        """The status that a request is refused with."""
        for name, (status, methods) in _REFUSALS.items():
            if name in self.active and (method in methods if methods else method not in _ANSWERED_TO_ANYONE):
                return status
        return None

    @property
    def describes_parameters(self) -> bool:
        """Whether the session description has parameter sets."""
        return "no-sps" not in self.active

    def frame(self, frame: CodedFrame) -> CodedFrame:
        """The access unit as it is sent."""
        if "no-sps" in self.active:
            frame, self.undecodable = without_parameter_sets(frame), True
        elif frame.sync:
            self.undecodable = False
        flood = self.active.get("flood")
        return frame if flood is None else flooded(frame, flood.number("factor"))

    def first_ticks(self, stream: RtpStream, ticks: int) -> int:
        """The RTP instant that a session begins at is written as this, and its numbers may be made for a wrap."""
        ticks = self.rtp_clock.written(ticks)
        if "timestamp-wrap" in self.active:
            stream.timestamp_offset = -ticks - _WRAP_AFTER_TICKS
        return ticks
