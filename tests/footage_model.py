"""What must be true of one camera's footage, in plain Python: what was recorded, what was not and why.

Times are seconds after T0. The model knows nothing of catalogs, stores or processes; it is told what happened to the
recorder, and what an operator did on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

FOOTAGE = "footage"


class Part(NamedTuple):
    """One stretch of the timeline. `end` is None while it lasts."""

    start: int
    end: int | None
    what: str


@dataclass(slots=True)
class Recorded:
    """A segment whose fragments are durable."""

    id: UUID
    key: str
    start: int
    end: int
    content: bytes
    is_whole: bool
    """False: it was torn, and recovery wrote what follows `content`."""
    objected: int = -(1 << 40)
    """When somebody took the mark for its deletion back."""

    def is_in(self, content: bytes) -> bool:
        """Whether these are its bytes."""
        return content == self.content if self.is_whole else content.startswith(self.content)


@dataclass(slots=True)
class FootageModel:
    """One camera since it was enabled at 0."""

    now: int = 0
    parts: list[Part] = field(default_factory=list)
    kept: dict[UUID, Recorded] = field(default_factory=dict)
    """What must be there, to the byte."""
    lost: dict[UUID, Recorded] = field(default_factory=dict)
    """What somebody took out of the object store."""
    over: dict[UUID, Recorded] = field(default_factory=dict)
    """What retention deleted, or what was given up."""
    forgotten: set[UUID] = field(default_factory=set)
    """What a restored catalog cannot know: stored after it was copied."""
    was_restored: bool = False
    """From then on why something is missing is not known for sure, only that it is."""
    nothing: tuple[int, str] | None = (0, "shutdown")
    """Since when nothing is recorded, and why; None while something is."""

    def nothing_since(self, start: int, why: str) -> None:
        """The recorder says so, or it is gone."""
        self.end_nothing(start)
        self.nothing = (start, why)

    def end_nothing(self, end: int) -> None:
        """Something is recorded from here on, or something else is known of why nothing is."""
        if self.nothing is not None:
            start, why = self.nothing
            self.parts += [Part(start, end, why)] if start < end else []
        self.nothing = None

    def footage(self, segment: Recorded) -> None:
        """Recorded and durable."""
        self.parts.append(Part(segment.start, segment.end, FOOTAGE))
        self.kept[segment.id] = segment

    def give_up(self, segment: Recorded, why: str) -> None:
        """Lost on purpose, and declared."""
        place = Part(segment.start, segment.end, FOOTAGE)
        self.parts[self.parts.index(place)] = place._replace(what=why)
        self.over[segment.id] = self.kept.pop(segment.id)

    def timeline(self) -> list[Part]:
        """All there is to say of every second."""
        last = [] if self.nothing is None else [Part(self.nothing[0], None, self.nothing[1])]
        return joined([*self.parts, *last])


def joined(parts: list[Part]) -> list[Part]:
    """The same in order, with one part where several that touch say one thing."""
    found: list[Part] = []
    for part in sorted(parts):
        if found and found[-1].end == part.start and found[-1].what == part.what:
            found[-1] = found[-1]._replace(end=part.end)
        else:
            found.append(part)
    return found
