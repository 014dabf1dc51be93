"""An access unit: all coded data of one instant of one track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from media.track import Track


class StreamParameters(Protocol):
    """What a decoder of a stream must know before its first picture: parameter sets, or what its codec calls so."""

    def track(self, timescale: int = 90000) -> Track:
        """Describe the stream for a file. CodecError if that cannot be done."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class AccessUnit:
    """One picture as the camera sent it.

    Not frozen: a frozen dataclass sets every field through `object.__setattr__`, which made it three times
    dearer to build, and one is built for every frame of every camera.
    """

    nals: bytearray
    """The sample as files hold it. H.264 and H.265: every NAL unit behind its 4-byte big-endian length, bit-exact and
    in order (SEI and parameter sets too). Sound: the bytes of one frame, or of one packet where it has no frames."""
    rtp_timestamp: int
    """The presentation time as sent: 32 bit, wraps."""
    sync: bool
    """Decodable without earlier units."""
    lost_packets: int
    """Packets lost or unusable inside this unit or just before it; more than zero means damage."""
    parameters: StreamParameters | None
    """Set on the first unit whose parameters are known, and on each unit that brought other ones."""
    leads: bool = False
    """A sync sample that may be followed by units that are shown before it (H.265: CRA, BLA, IDR_W_RADL)."""
    leading: bool = False
    """One of those units. Decodable only together with what was sent before the sync sample, or at least with it."""
    duration_ticks: int = 0
    """How long it lasts, where its bytes tell, as those of sound do. 0: until the next one."""
