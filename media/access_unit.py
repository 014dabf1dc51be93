"""An access unit: all coded data of one instant of one track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.h264_parameters import ParameterSets


@dataclass(slots=True, kw_only=True, eq=False)
class AccessUnit:
    """One picture as the camera sent it.

    Not frozen: a frozen dataclass sets every field through `object.__setattr__`, which made it three times
    dearer to build, and one is built for every frame of every camera.
    """

    nals: bytearray
    """Every NAL unit behind its 4-byte big-endian length, bit-exact and in order (SEI and parameter sets too)."""
    rtp_timestamp: int
    """The presentation time as sent: 32 bit, wraps."""
    sync: bool
    """Holds an IDR picture: decodable without earlier units."""
    lost_packets: int
    """Packets lost or unusable inside this unit or just before it; more than zero means damage."""
    parameters: ParameterSets | None
    """Set on the first unit whose parameter sets are known, and on each unit that brought other ones."""
