"""How full the spool's disk is, and what follows from that: a ladder of three steps. Pure, but for `room_of`.

    70 %    warn: somebody has time to act
    85 %    let go of copies that the object store has
    95 %    give up the oldest footage of the lowest camera class, a declared gap each

Counted is what a process without privileges may use, as `df` does: what is reserved for root is neither free nor used.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from storage import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from uuid import UUID

CLASSES = ("low", "normal", "high")
"""Of cameras, the lowest first: in this order their footage is given up."""


class Step(IntEnum):
    """A step of the ladder, by the percentage at which it begins."""

    ENOUGH = 0
    WARN = 70
    RELEASE = 85
    GIVE_UP = 95


class Room(NamedTuple):
    """A disk's size, and what is free of it."""

    size_bytes: int
    free_bytes: int

    @property
    def used_percent(self) -> float:
        """How full it is; a disk without size is full."""
        return 100 * (1 - self.free_bytes / self.size_bytes) if self.size_bytes else 100.0

    @property
    def step(self) -> Step:
        """The highest step that it has reached."""
        return max(step for step in Step if self.used_percent >= step)

    @property
    def excess_bytes(self) -> int:
        """What has to go for the disk to be below the last step."""
        return max(0, self.size_bytes * (100 - Step.GIVE_UP) // 100 - self.free_bytes + 1)


class Droppable(NamedTuple):
    """A copy in the spool that is its segment's only one, by what decides when it goes."""

    klass: str
    sealed_us: int
    segment: UUID
    size_bytes: int


def room_of(directory: Path) -> Room:
    """Of the disk that a directory is on. Blocks; OSError."""
    return Room(*files.disk_room(directory))


def first_to_go(copies: Iterable[Droppable], excess_bytes: int, most: int) -> list[UUID]:
    """Which copies go for so many bytes, at most so many: the lowest class first, the oldest of each first.

    A class that is not known (of a camera that the catalog does not have) counts as the lowest.
    """
    chosen: list[UUID] = []
    for copy in sorted(copies, key=lambda copy: (_rank(copy.klass), copy.sealed_us, copy.segment)):
        if excess_bytes <= 0 or len(chosen) == most:
            break
        chosen.append(copy.segment)
        excess_bytes -= copy.size_bytes
    return chosen


def _rank(klass: str) -> int:
    return CLASSES.index(klass) if klass in CLASSES else 0
