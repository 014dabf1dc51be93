"""What a recorder records from: the port in front of everything that can bring a camera's pictures.

The recorder does not know which one it has. `ingest.client.CameraSession` speaks RTSP itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from media.errors import GapReason, SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came through a source since its beginning."""

    wire_bytes: int = 0
    """Every byte, whether it was of use or not: what a flood is measured by."""
    octets: int = 0
    """Bytes of media."""
    work: int = 0
    """Whatever is dealt with one by one, each kind of it, also what was refused, in packets."""
    overtaken_packets: int = 0
    """That came out of order and in time."""
    late_packets: int = 0
    """That came too late, or a second time."""
    foreign_packets: int = 0
    """Of other sources than the camera's, or other addresses."""
    overflowed_packets: int = 0
    """That came and found no room in this host's buffers: it was too slow, not the network."""


class Source(Protocol):
    """A playing session to a camera, from the moment it was opened until it ends, which it does once, with a reason.

    Access units go, in the order sent, to the callable it was opened with, on the event loop. It never blocks, and what
    it holds is bounded. Opening one raises SourceError with the reason of the gap.
    """

    @property
    def failure(self) -> asyncio.Future[SourceError]:
        """Done once the session has ended by itself or was failed; from then on no unit comes."""
        ...

    @property
    def waited_us(self) -> int:
        """How long what came last had waited for this process, as far as the kernel says; 0 where it does not."""
        ...

    def check(self, boot_us: int) -> None:
        """Called a few times a second: notices silence, keeps the session alive."""
        ...

    def hurry(self, *, wanted: bool) -> None:
        """Somebody watches, or nobody does any more: then units may come a little later, where that is cheaper."""
        ...

    def held(self, held_us: int) -> None:
        """The process stood still for so long: that is no silence of the camera."""
        ...

    def fail(self, reason: GapReason, message: str) -> None:
        """End the session for this reason. Only the first one counts."""
        ...

    def tally(self) -> Tally:
        """Asked several times a second (`ingest.watch`)."""
        ...

    def what_came(self) -> str:
        """The same in words, as evidence for a gap: what came instead of pictures."""
        ...

    def close(self) -> None:
        """End the session from our side, in order, without waiting. No unit comes after that."""
        ...
