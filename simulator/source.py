"""What a camera sends: access units, packetized once, and where they come from.

A source makes the frames of one camera when the camera asks for them by number (timetable.py). What differs from
camera to camera and from session to session (the oracle's mark, the RTP headers) is added when a frame is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from media.h264 import packetize
from media.nal import IDR_SLICE, SLICE, nal_type
from simulator.oracle import build_sei, checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from media.h264_parameters import ParameterSets


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedFrame:
    """One access unit as RTP payloads (RFC 6184). The oracle's mark, if it gets one, goes between the two parts."""

    before_mark: tuple[bytes, ...]
    after_mark: tuple[bytes, ...]
    crc32: int
    sync: bool
    marked: bool

    @classmethod
    def from_nals(cls, nals: Sequence[bytes], *, marked: bool) -> CodedFrame:
        """Packetize an access unit; `marked` leaves room for the mark before its first slice."""
        types = [nal_type(nal) for nal in nals]
        slices = [index for index, kind in enumerate(types) if SLICE <= kind <= IDR_SLICE]
        cut = slices[0] if marked and slices else 0
        return cls(
            before_mark=tuple(packetize(nals[:cut])),
            after_mark=tuple(packetize(nals[cut:])),
            crc32=checksum(nals),
            sync=IDR_SLICE in types,
            marked=marked,
        )

    def payloads(self, camera: UUID, number: int, sent_us: int) -> tuple[bytes, ...]:
        """The RTP payloads as a camera sends them now."""
        if not self.marked:
            return self.after_mark
        # The mark is a packet of its own: the other packets stay what they are, however long the mark gets.
        return (*self.before_mark, build_sei(camera, number, sent_us, self.crc32), *self.after_mark)


class Times(Protocol):
    """When each frame is due; a Timetable, or one whose clock is wrong."""

    def first_from(self, wall_us: int) -> int:
        """The first frame due at or after a wall time."""
        ...

    def due_us(self, number: int) -> int:
        """When a frame is sent."""
        ...

    def presented_us(self, number: int) -> int:
        """The wall time that a frame shows; never after it is due."""
        ...

    def presented_rtp(self, number: int) -> int:
        """The same on the RTP clock, unbounded."""
        ...


class Source(Protocol):
    """Where one camera's frames come from."""

    @property
    def timetable(self) -> Times:
        """When they are due."""
        ...

    @property
    def parameters(self) -> ParameterSets:
        """What they are decoded with."""
        ...

    def next_sync(self, number: int) -> int:
        """The first sync sample at or after a frame."""
        ...

    def produce(self, number: int, deliver: Callable[[int, CodedFrame], None]) -> None:
        """Hand a frame to `deliver` in the event loop: at once, or when it is encoded; never if it cannot be made."""
        ...
