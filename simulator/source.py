"""What a camera sends: access units, packetized once, and where they come from.

A source makes the frames of one camera when the camera asks for them by number (timetable.py). What differs from
camera to camera and from session to session (the oracle's mark, the RTP headers) is added when a frame is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from media.access_unit import StreamParameters
    from simulator.codec import Codec


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedFrame:
    """One access unit as RTP payloads. The oracle's mark, if it gets one, goes between the two parts."""

    codec: Codec
    before_mark: tuple[bytes, ...]
    after_mark: tuple[bytes, ...]
    crc32: int
    sync: bool
    marked: bool

    @classmethod
    def from_units(cls, codec: Codec, units: Sequence[bytes], *, marked: bool) -> CodedFrame:
        """Packetize an access unit; `marked` leaves room for the mark before its picture."""
        cut = codec.mark_at(units) if marked else 0
        return cls(
            codec=codec,
            before_mark=tuple(codec.packetize(units[:cut])),
            after_mark=tuple(codec.packetize(units[cut:])),
            crc32=codec.checksum(units),
            sync=codec.is_sync(units),
            marked=marked,
        )

    def payloads(self, camera: UUID, number: int, sent_us: int) -> tuple[bytes, ...]:
        """The RTP payloads as a camera sends them now."""
        if not self.marked:
            return self.after_mark
        # The mark is a packet of its own: the other packets stay what they are, however long the mark gets.
        return (*self.before_mark, self.codec.mark_payload(camera, number, sent_us, self.crc32), *self.after_mark)


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
    def codec(self) -> Codec:
        """What they are coded in; it never changes."""
        ...

    @property
    def parameters(self) -> StreamParameters:
        """What they are decoded with."""
        ...

    def next_sync(self, number: int) -> int:
        """The first sync sample at or after a frame."""
        ...

    def produce(self, number: int, deliver: Callable[[int, CodedFrame], None]) -> None:
        """Hand a frame to `deliver` in the event loop: at once, or when it is encoded; never if it cannot be made."""
        ...
