"""Faults on a time line: who has what, from when to when. Pure: plain values in, events out.

    steps:
      - {at: 10s, for: 20s, fault: loss, percent: 2, cameras: ["*-a"]}
      - {at: 5s, every: 10s, for: 3m, fault: cut, sites: [norrby-003]}

A lasting fault needs `for`; one that happens in an instant may be repeated, `every` so long `for` so long. `cameras`
and `sites` hold names or patterns (`*`, `?`, `[abc]`). Times count from the start of the script.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from media.errors import ConfigError
from simulator.fault_parameters import show_duration
from simulator.faults import Fault, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Part = TypeVar("Part")

MOST_NAMES = 5
"""Of cameras and sites, where a name is wrong: a city has hundreds."""

MOST_SAID = 20
"""Steps of a script about which is said what is wrong."""


class Phase(StrEnum):
    """What happens to a fault at an instant."""

    END = "end"
    BEGIN = "begin"
    ONCE = "once"


class Event(NamedTuple):
    """A fault begins, ends or happens. `step` counts from 1."""

    at_us: int
    phase: Phase
    step: int
    fault: Fault
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a script. Without `for_us` it never ends: only flags (`--fault`) are such steps."""

    at_us: int = 0
    for_us: int | None = None
    every_us: int | None = None
    fault: Fault
    cameras: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    place: str = field(default="", compare=False)
    """Where it is written, for messages: `storm.yaml:7`."""

    @property
    def end_us(self) -> int | None:
        """When it is over; None if never."""
        return None if self.for_us is None else self.at_us + self.for_us

    def touches(self, camera: str, site: str) -> bool:
        """Whether one of its patterns is that of a camera or its site."""
        return _matches(self.cameras, camera) or _matches(self.sites, site)


@dataclass(frozen=True, slots=True)
class Script:
    """Steps in the order in which they are written."""

    steps: tuple[Step, ...] = ()

    def timeline(self, fleet: Mapping[str, str], numbers: range | None = None) -> Iterator[Event]:
        """What happens when, for a fleet given as the site of each camera by name; only the steps with `numbers`.

        Events of the same instant come in the order of the steps, ends first. Endless if a step is. ConfigError, before
        the first event, for every name that nobody has and for a fault that a camera would have twice at once.
        """
        chosen = all_of(partial(self._chosen, step, fleet) for step in self.steps)
        self._refuse_overlaps(chosen)
        lines = [
            _events(number, step, cameras)
            for number, (step, cameras) in enumerate(zip(self.steps, chosen, strict=True), 1)
            if numbers is None or number in numbers
        ]
        return heapq.merge(*lines, key=lambda event: (event.at_us, event.phase != Phase.END, event.step))

    def _chosen(self, step: Step, fleet: Mapping[str, str]) -> tuple[str, ...]:
        if not step.fault.kind.place.of_cameras:
            return ()
        sites = sorted({*fleet.values()} - {""})
        for pattern in dict.fromkeys((*step.cameras, *step.sites)):
            a_camera = pattern in step.cameras and any(fnmatchcase(name, pattern) for name in fleet)
            a_site = pattern in step.sites and any(fnmatchcase(name, pattern) for name in sites)
            if not a_camera and not a_site:
                known = [*(fleet if pattern in step.cameras else ()), *(sites if pattern in step.sites else ())]
                looked = {"no camera": pattern in step.cameras, "no site": pattern in step.sites and bool(sites)}
                nobody = " and ".join(what for what, wanted in looked.items() if wanted) or "no site"
                raise ConfigError(
                    f"{step.place}: {nobody} is called `{pattern}`{nearest(pattern, known, most=MOST_NAMES)}"
                )
        return tuple(name for name, site in fleet.items() if step.touches(name, site))

    def _refuse_overlaps(self, chosen: list[tuple[str, ...]]) -> None:
        last: dict[tuple[str, str], Step] = {}
        pairs = sorted(zip(self.steps, chosen, strict=True), key=lambda pair: pair[0].at_us)
        for step, cameras in pairs:
            if not step.fault.kind.lasting:
                continue
            for camera in cameras:
                before = last.get((step.fault.name, camera))
                if before is not None and (before.end_us is None or before.end_us > step.at_us):
                    until = "for ever" if before.end_us is None else f"until {show_duration(before.end_us)}"
                    raise ConfigError(
                        f"{step.place}: {step.fault.name} from {show_duration(step.at_us)} on {camera}, which has it "
                        f"{until} already ({before.place})"
                    )
                last[step.fault.name, camera] = step


def all_of(makers: Iterable[Callable[[], Part]]) -> list[Part]:
    """What each of them makes. ConfigError has a line for each that fails, not only for the first."""
    made: list[Part] = []
    wrong: list[str] = []
    for make in makers:
        try:
            made.append(make())
        except ConfigError as error:
            wrong.append(str(error))
    if len(wrong) > MOST_SAID:
        wrong[MOST_SAID:] = [f"... and {len(wrong) - MOST_SAID} more"]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return made


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _events(number: int, step: Step, cameras: tuple[str, ...]) -> Iterator[Event]:
    if step.fault.kind.lasting:
        yield Event(step.at_us, Phase.BEGIN, number, step.fault, cameras)
        if step.end_us is not None:
            yield Event(step.end_us, Phase.END, number, step.fault, cameras)
        return
    for repetition in count() if step.every_us else range(1):
        at_us = step.at_us + repetition * (step.every_us or 0)
        if repetition and step.end_us is not None and at_us >= step.end_us:
            return
        yield Event(at_us, Phase.ONCE, number, step.fault, cameras)
