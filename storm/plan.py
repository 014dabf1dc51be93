"""What a storm is to be: cameras, faults, kills, how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from media.errors import HultaError
from simulator.faults import Place
from simulator.script import Phase
from storm.costs import KILL_US

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simulator.faults import Fault
    from simulator.options import CameraOptions
    from simulator.script import Script

ROLES = ("record", "ship", "keep", "serve")
SUPERVISOR = "supervisor"
SPOOL = "spool"
"""What a fault of the disk is about."""

ANY = "any"


class StormFailed(HultaError):  # noqa: N818 - the storm, not the program
    """The storm could not be carried out, so there is no verdict."""


class Blow(NamedTuple):
    """A kill or a pause of a process that is due, or a fault of a link or of the spool's disk.

    Times count from the start of the script. `role` is that of the process, or the name of the link, or `spool`;
    `fault` is there for these two, with its parameters.
    """

    at_us: int
    kind: str
    role: str
    for_us: int
    step: int
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StormPlan:
    """What to do.

    `fleet` is what the simulator gets; `product_config` is what the product gets, but for its address and the cameras'
    URLs; both as plain values. `step_numbers` are those that the steps of `camera_script` have in
    the script of the user. `product` is a directory whose packages are tested instead of the installed ones;
    `spool_disk_bytes` is the size of the disk that the spool gets for itself (0: none).
    """

    data: Path
    cameras: Sequence[CameraOptions]
    fleet: Mapping[str, Any]
    product_config: Mapping[str, Any]
    camera_script: Mapping[str, Any] = field(default_factory=dict)
    step_numbers: Sequence[int] = ()
    blows: Sequence[Blow] = ()
    seconds: int = 60
    seed: int = 0
    segment_s: int = 10
    kill_us: int = KILL_US
    spool_disk_bytes: int = 0
    product: Path | None = None


def blows(script: Script, fleet: Mapping[str, str], seed: int) -> list[Blow]:
    """What a script does to the product, in the order of time; `any` is drawn: the same seed hits the same roles.

    `fleet` is the site of each camera by name. ConfigError if the script speaks of others.
    """
    chance = random.Random(seed)  # noqa: S311 - a storm that can be had again, not a secret
    lasting: dict[int, int] = {}
    found: list[Blow] = []
    for event in script.timeline(fleet):
        kind, place = event.fault.name, event.fault.kind.place
        if place.of_cameras:
            continue
        if event.phase is Phase.END:
            begun = lasting.pop(event.step)
            found[begun] = found[begun]._replace(for_us=event.at_us - found[begun].at_us)
            continue
        parameters = event.fault.parameters
        role = str(parameters["role"] if place is Place.PROCESS else parameters.get("link", SPOOL))
        if role == ANY:
            role = chance.choice((*ROLES, SUPERVISOR))
        if event.phase is Phase.BEGIN:
            lasting[event.step] = len(found)
        found.append(Blow(event.at_us, kind, role, 0, event.step, None if place is Place.PROCESS else event.fault))
    return found
