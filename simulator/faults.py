"""What can be wrong with a simulated camera: the one catalogue of faults.

A fault has a name, parameters with defaults and bounds, and a place where it acts. It lasts, or it happens in an
instant. What each one does on the wire, and what a recorder should make of it, is in docs/faults.md; steps.py lays
faults on time and cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from media.errors import ConfigError
from simulator.fault_parameters import LINKS, ROLES, Parameter, Value, bitrate, choice, count, duration, percent

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(StrEnum):
    """Where a fault acts."""

    DOOR = "door"  # the listening socket
    REQUEST = "request"  # the answers to requests
    FLOW = "flow"  # whether and how fast frames leave
    FRAME = "frame"  # what an access unit is made of
    PACKET = "packet"  # the packets of a frame, on their way
    STREAM = "stream"  # the numbers in RTP headers
    CLOCK = "clock"  # the camera's time
    FOOTAGE = "footage"  # what the encoder makes
    PROCESS = "process"  # the recorder's own processes: for storms
    LINK = "link"  # what lies between them and the object store or the database: for storms
    DISK = "disk"  # the disk of the spool: for storms

    @property
    def of_cameras(self) -> bool:
        """Whether a simulated camera has it; the others are carried out by storms."""
        return self not in {Place.PROCESS, Place.LINK, Place.DISK}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One entry of the catalogue."""

    name: str
    place: Place
    lasting: bool
    says: str
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, name: str) -> Parameter:
        """One of its parameters; ConfigError names the nearest."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        known = [parameter.name for parameter in self.parameters]
        raise ConfigError(f"{self.name} has no parameter `{name}`{nearest(name, known)}")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with all its parameters: microseconds, bits a second, bytes, percent."""

    name: str
    parameters: Mapping[str, Value]

    @property
    def kind(self) -> FaultKind:
        """Its entry in the catalogue."""
        return CATALOGUE[self.name]

    def number(self, parameter: str) -> int:
        """The value of a parameter that is a whole number."""
        return int(self.parameters[parameter])

    def written(self) -> dict[str, str | int | float]:
        """The parameters as they are written in a script; `make_fault` takes them back."""
        shown = {}
        for parameter in self.kind.parameters:
            value = self.parameters[parameter.name]
            text = parameter.show(value)
            shown[parameter.name] = value if text == str(value) else text
        return shown


def find_kind(name: str, *, of_cameras: bool = False) -> FaultKind:
    """An entry of the catalogue; ConfigError names the nearest. `of_cameras`: others are not offered."""
    kind = CATALOGUE.get(name)
    if kind is None:
        known = [each.name for each in _KINDS if each.place.of_cameras or not of_cameras]
        raise ConfigError(f"no fault is called `{name}`{nearest(name, known)}")
    return kind


def make_fault(name: str, written: Mapping[str, object]) -> Fault:
    """A fault from what was written, defaults filled in. ConfigError names what is wrong with it."""
    kind = find_kind(name)
    given = {key: kind.parameter(key).read(value) for key, value in written.items()}
    values = {parameter.name: given.get(parameter.name, parameter.default) for parameter in kind.parameters}
    if values.get("ppm") == 0:
        raise ConfigError("ppm 0: a clock that does not drift is no fault")
    return Fault(name, values)


def nearest(word: str, known: list[str], most: int = 40) -> str:
    """`; did you mean ...?` for an error message, or what there is: `most` of it."""
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean `{near[0]}`?"
    more = f" ... and {len(known) - most} more" if len(known) > most else ""
    return f"; known are {', '.join(known[:most])}{more}" if known else ""


def _lasting(place: Place, name: str, says: str, *parameters: Parameter) -> FaultKind:
    return FaultKind(name=name, place=place, lasting=True, says=says, parameters=parameters)


def _instant(place: Place, name: str, says: str, *parameters: Parameter) -> FaultKind:
    return FaultKind(name=name, place=place, lasting=False, says=says, parameters=parameters)


_LINK = choice("link", "store", LINKS, "to the object store, or to the database of the catalog")
_OF_PACKETS = "how many of a hundred packets"

_KINDS = (
    _lasting(Place.DOOR, "refuse", "new connections are refused; sessions go on"),
    _lasting(Place.DOOR, "off", "power or uplink gone: silence, new connections refused, old ones reset at the end"),
    _lasting(Place.REQUEST, "401", "sessions end; every login is refused"),
    _lasting(Place.REQUEST, "404", "sessions end; the camera knows no such stream"),
    _lasting(Place.REQUEST, "453", "sessions end; SETUP is answered with Not Enough Bandwidth"),
    _lasting(Place.REQUEST, "503", "sessions end; every request is answered with Service Unavailable"),
    _lasting(Place.FLOW, "silence", "sessions end; PLAY is answered as ever, but nothing follows"),
    _lasting(Place.FLOW, "stall", "nothing is sent, connections stay; goes on at a sync sample"),
    _lasting(
        Place.FLOW,
        "trickle",
        "frames leave at a slow rate, wait, and are dropped up to a sync sample when too many wait",
        bitrate("rate", "64k", "1k", "100M", "bits a second for each session"),
    ),
    _lasting(
        Place.FRAME,
        "flood",
        "frames grow by filler data",
        count("factor", 20, 2, 100, "how many times its size a frame gets"),
    ),
    _lasting(Place.FRAME, "no-sps", "no parameter sets, neither in the description nor in the stream"),
    _lasting(
        Place.PACKET,
        "garbage",
        "random bytes after every frame",
        count("bytes", 200, 1, 60_000, "how many after each frame"),
    ),
    _lasting(Place.PACKET, "loss", "packets are left out", percent("percent", 2, _OF_PACKETS)),
    _lasting(Place.PACKET, "reorder", "packets change places with the next", percent("percent", 2, _OF_PACKETS)),
    _lasting(Place.PACKET, "duplicate", "packets are sent twice", percent("percent", 2, _OF_PACKETS)),
    _instant(Place.PACKET, "cut", "half a packet, then the connection ends"),
    _instant(Place.STREAM, "ssrc-change", "sessions go on under another SSRC"),
    _instant(
        Place.STREAM,
        "sequence-jump",
        "sequence numbers jump ahead",
        count("by", 1000, 1, 65_535, "how many numbers are left out"),
    ),
    _lasting(Place.STREAM, "timestamp-wrap", "sessions end; new ones reach the end of 32 bits 5 s after PLAY"),
    _lasting(Place.CLOCK, "timestamp-freeze", "every frame has the same timestamp"),
    _instant(
        Place.CLOCK,
        "timestamp-jump",
        "timestamps jump ahead, for good",
        duration("by", "10s", "1ms", "360m", "how far"),
    ),
    _instant(
        Place.CLOCK,
        "timestamp-backwards",
        "timestamps jump back, for good",
        duration("by", "2s", "1ms", "360m", "how far"),
    ),
    _lasting(
        Place.CLOCK,
        "drift",
        "the camera's clock runs fast or slow; what it has gained stays",
        count("ppm", 200, -20_000, 20_000, "how fast, in millionths"),
    ),
    _lasting(
        Place.FOOTAGE,
        "gop",
        "sync samples are far apart",
        duration("length", "60s", "100ms", "5m", "their distance"),
    ),
    _lasting(Place.FOOTAGE, "b-frames", "frames are sent in another order than they are shown"),
    _instant(Place.FOOTAGE, "parameter-sets", "the picture gets another size, for good"),
    _instant(
        Place.PROCESS,
        "kill",
        "a process of the recorder is killed",
        choice("role", "any", ROLES, "which one"),
    ),
    _lasting(
        Place.PROCESS,
        "pause",
        "a process of the recorder is stopped (SIGSTOP), and goes on afterwards",
        choice("role", "any", ROLES, "which one"),
    ),
    _lasting(Place.LINK, "link-down", "the server is not there: connections are reset, new ones refused", _LINK),
    _lasting(Place.LINK, "link-vanished", "the server is gone without a word: nothing answers, connects hang", _LINK),
    _lasting(
        Place.LINK,
        "link-slow",
        "the way to the server is long and narrow",
        _LINK,
        duration("latency", "50ms", "1ms", "1m", "how much longer each direction takes"),
        bitrate("rate", "20M", "1k", "1000M", "bits a second in each direction, all connections together"),
    ),
    _instant(Place.LINK, "link-reset", "all connections to the server are reset", _LINK),
    _instant(
        Place.LINK,
        "link-lost-answers",
        "the next writes are carried out, and their answers lost (store: PUT, catalog: COMMIT)",
        _LINK,
        count("count", 1, 1, 1000, "how many"),
    ),
    _lasting(
        Place.DISK,
        "disk-full",
        "something else takes what is free on the disk of the spool",
        count("left", 16, 1, 1_000_000, "how many MB it leaves"),
    ),
)

CATALOGUE: dict[str, FaultKind] = {kind.name: kind for kind in _KINDS}
"""Every fault by its name."""
