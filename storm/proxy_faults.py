"""What a link can suffer, as values: lasting faults that begin and end, and an answer that gets lost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from media.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

LATENCY_MAX_MS = 60_000
BITS_PER_S_MIN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Each direction takes so much longer; a round trip twice that. Several add up. A connect takes no longer."""

    ms: int

    def __post_init__(self) -> None:
        if not 0 < self.ms <= LATENCY_MAX_MS:
            raise UsageError(f"latency is 1 to {LATENCY_MAX_MS} ms, not {self.ms}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """Each direction carries so many bits a second, all connections together. Of several the narrowest counts."""

    bits_per_s: int

    def __post_init__(self) -> None:
        if self.bits_per_s < BITS_PER_S_MIN:
            raise UsageError(f"bandwidth is at least {BITS_PER_S_MIN} bit/s, not {self.bits_per_s}")


@dataclass(frozen=True, slots=True)
class Down:
    """The server's process is not there: what was connected is reset at the beginning, who comes is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """The other end is gone without a word: neither FIN nor RST, in either direction (half-open connections).

    Connects hang, as to a host without power, or with `refuses` are refused, as by a firewall that forgot its state.
    When it ends the old connections are reset, as by a host that no longer knows them.
    """

    refuses: bool = False


LinkFault = Latency | Bandwidth | Down | Vanished


class Welcome(Enum):
    """What becomes of somebody who connects."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All lasting faults of a moment, taken together."""

    latency_us: int = 0
    bits_per_s: int | None = None
    down: bool = False
    vanished: bool = False
    welcome: Welcome = Welcome.ACCEPTED

    @classmethod
    def under(cls, faults: Iterable[LinkFault]) -> Conditions:
        """Delays add up, the narrowest bandwidth counts, and a host that is gone refuses nobody."""
        active = list(faults)
        vanished = [fault for fault in active if isinstance(fault, Vanished)]
        down = any(isinstance(fault, Down) for fault in active)
        welcome = Welcome.ACCEPTED
        if any(not fault.refuses for fault in vanished):
            welcome = Welcome.IGNORED
        elif vanished or down:
            welcome = Welcome.REFUSED
        return cls(
            latency_us=sum(fault.ms * 1000 for fault in active if isinstance(fault, Latency)),
            bits_per_s=min((fault.bits_per_s for fault in active if isinstance(fault, Bandwidth)), default=None),
            down=down,
            vanished=bool(vanished),
            welcome=welcome,
        )


@dataclass(slots=True, kw_only=True)
class LostAnswers:
    """An order to lose answers: `left` more to requests that contain the bytes `to`. `lost` counts those that were."""

    to: bytes
    left: int
    lost: int = 0

    def lose_one(self) -> bool:
        """Whether this answer is lost: the order may have been carried out on another connection meanwhile."""
        if self.left == 0:
            return False
        self.left -= 1
        self.lost += 1
        return True
