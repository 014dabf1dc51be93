"""What is known about a camera after a storm, as values: S, A, R and G of the oracle, and the kills.

S  sent        every frame that the simulated camera wrote to a session (its own log)
A  announced   fragments that `record` called durable, by (run, epoch, sequence, fragment)
R  retrieved   frames and fragments that the public API gave back after the storm
G  gaps        intervals that the timeline declares as not recorded
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOLERANCE_US = 100_000
"""How far the timeline may lie from the camera's own clock."""


class Sent(NamedTuple):
    """One frame in the camera's own log. `session` rises with every connection of a client."""

    frame: int
    sent_us: int
    crc32: int
    session: int


class Seen(NamedTuple):
    """One frame inside the edit list of `video.mp4`, at its presentation time; its own NAL bytes hashed again."""

    frame: int
    wall_us: int
    crc32: int
    intact: bool


class FragmentId(NamedTuple):
    """What `record` announces, within one stream."""

    run: int
    epoch: int
    sequence: int
    fragment: int

    def __str__(self) -> str:
        """As logs print it."""
        return f"{self.run:016x}.{self.epoch}.{self.sequence}.{self.fragment}"


class Fragment(NamedTuple):
    """One fragment read back: its frames, and whether its bytes fit the SHA-256 of its commit box."""

    frames: tuple[int, ...]
    wall_us: int
    verified: bool


class Interval(NamedTuple):
    """Half-open, with the reason of a gap."""

    start_us: int
    end_us: int
    reason: str = ""


class Kill(NamedTuple):
    """One SIGKILL."""

    at_us: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraEvidence:
    """Everything known about one camera after a storm; the range asked for is `[from_us, to_us)`."""

    name: str
    from_us: int
    to_us: int
    frame_us: int
    sent: Sequence[Sent]
    announced: frozenset[FragmentId]
    fragments: Mapping[FragmentId, Fragment]
    frames: Sequence[Seen]
    spans: Sequence[Interval]
    gaps: Sequence[Interval]
    missing: Sequence[Interval] = ()
    chain_breaks: Sequence[str] = ()

    def asked(self, instant_us: int, margin_us: int = TOLERANCE_US) -> bool:
        """Whether an instant surely lies in the range, whichever clock says so."""
        return self.from_us + margin_us <= instant_us < self.to_us - margin_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise broken, for one camera or (without a name) for the whole system."""

    rule: str
    camera: str
    detail: str

    def __str__(self) -> str:
        """One line of the verdict."""
        return f"VIOLATION {self.rule} {self.camera or '*'}: {self.detail}"
