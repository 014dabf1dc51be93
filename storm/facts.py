"""What is known about a camera after a storm, as values: S, A, R and G of the oracle, its faults, and the kills.

S  sent        every frame that the simulated camera wrote to a session, and whether it left whole (the camera's log)
A  announced   fragments that the API called durable, by (run, epoch, sequence, fragment)
R  retrieved   frames and fragments that the API gave back after the storm
G  gaps        intervals that the timeline declares as not recorded
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storm.sound import SoundFragment

SECOND_US = 1_000_000

TOLERANCE_US = 100_000
"""How far the timeline may lie from the camera's own clock."""

EDGE_US = 2_000
"""Rounding where the product speaks about its own times: a frame, a span and a gap are computed from ticks."""

REORDERED_FRAMES = 3
"""So many frames at most are sent between a B-frame and where it would be without reordering."""

UNKNOWN = -1
"""The number of a frame that came back without a mark: the packet with the mark was lost."""


class Sent(NamedTuple):
    """One frame in the camera's own log. `session` rises with every connection; not `whole`: spoiled on its way.

    Recording can begin with a whole sync sample and with nothing else.
    """

    frame: int
    sent_us: int
    crc32: int
    session: int
    whole: bool = True
    sync: bool = True


class Seen(NamedTuple):
    """One frame given back, at its presentation time; its NAL units hashed again, and whether they fit its mark."""

    frame: int
    wall_us: int
    crc32: int
    intact: bool


class FragmentId(NamedTuple):
    """What is announced, within one stream."""

    run: int
    epoch: int
    sequence: int
    fragment: int

    def __str__(self) -> str:
        """As logs print it."""
        return f"{self.run:016x}.{self.epoch}.{self.sequence}.{self.fragment}"


class Fragment(NamedTuple):
    """One fragment read back: its frames, whether its bytes fit their SHA-256, and the packets it says it lacks."""

    frames: tuple[Seen, ...]
    start_us: int
    end_us: int
    verified: bool
    lost_packets: int = 0


class Interval(NamedTuple):
    """Half-open, with the reason of a gap."""

    start_us: int
    end_us: int
    reason: str = ""

    def __str__(self) -> str:
        """For a sentence of the verdict."""
        return f"{self.reason or 'span'} [{self.start_us}, {self.end_us})"


class Strike(NamedTuple):
    """What was done to a process of the product: SIGKILL, or SIGSTOP and later SIGCONT."""

    at_us: int
    role: str
    kind: str = "kill"
    end_us: int = 0
    step: int = 0


class FaultWindow(NamedTuple):
    """One fault of one camera, by the simulator's log. An instant fault ends where it begins."""

    kind: str
    start_us: int
    end_us: int
    step: int = 0
    parameters: tuple[tuple[str, object], ...] = ()

    def parameter(self, name: str) -> object:
        """One of them, or None."""
        return dict(self.parameters).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraEvidence:
    """Everything known about one camera after a storm; the range asked for is `[from_us, to_us)`.

    `frames` are those of `video.mp4`, in the order in which they lie there; `announced` has where each fragment ends.
    """

    name: str
    from_us: int
    to_us: int
    fps: int
    gop_us: int
    sent: Sequence[Sent]
    announced: Mapping[FragmentId, int]
    fragments: Mapping[FragmentId, Fragment]
    frames: Sequence[Seen]
    spans: Sequence[Interval]
    gaps: Sequence[Interval]
    reordered: bool = False
    missing: Sequence[Interval] = ()
    faults: Sequence[FaultWindow] = ()
    complaints: Sequence[str] = field(default=())
    sounds: Sequence[SoundFragment] = ()
    """As they lie on the timeline; not among `fragments`, which are of pictures."""
    sound_ids: frozenset[FragmentId] = frozenset()
    """Theirs: they are announced like those of pictures."""
    sound_sent: Sequence[Sent] = ()

    @property
    def shift_us(self) -> int:
        """How far B-frames move a frame between where it is sent and where it is shown."""
        reorders = self.reordered or any(fault.kind == "b-frames" for fault in self.faults)
        return REORDERED_FRAMES * SECOND_US // self.fps if reorders else 0

    def asked(self, instant_us: int, margin_us: int = TOLERANCE_US) -> bool:
        """Whether an instant surely lies in the range, whichever clock says so, and be it of a B-frame."""
        margin_us += self.shift_us
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
