"""Scripts and flags as people write them, checked: plain values in, a Script out, every error with its place."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from media.errors import ConfigError
from simulator.fault_parameters import Parameter, read_duration, show_duration
from simulator.faults import Fault, FaultKind, find_kind, make_fault, nearest
from simulator.steps import Event, Phase, Script, Step, all_of

__all__ = ["Event", "Phase", "Script", "Step", "parse_flag", "parse_script"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Path = tuple[str | int, ...]
    Where = Callable[[Path], str]
    """The place of a value, `storm.yaml:7`, by the keys and positions that lead to it."""

MAX_STEPS = 1000
MAX_TIME_US = 86_400_000_000
MIN_EVERY_US = 100_000
MAX_REPETITIONS = 10_000


class Times(TypedDict):
    """When a step acts."""

    at_us: int
    for_us: int | None
    every_us: int | None


_TIMES = ("at", "for", "every")
_OWN_KEYS = (*_TIMES, "fault", "cameras", "sites")


def parse_script(value: object, where: Where) -> Script:
    """A script from the plain values of its file. ConfigError says where what is wrong, of each step the first."""
    with _at(where(())):
        if not isinstance(value, dict) or "steps" not in value:
            raise ConfigError("a script is a table with the key `steps`")
        steps = value["steps"]
        if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
            raise ConfigError(f"steps: must be a list of 1 to {MAX_STEPS} steps")
    for key in value:
        if key != "steps":
            with _at(where((key,))):
                raise ConfigError(f"unknown key `{key}`{nearest(str(key), ['steps'])}")
    return Script(tuple(all_of(partial(_step, step, index, where) for index, step in enumerate(steps))))


def parse_flag(text: str) -> Step:
    """A step from `NAME[,key=value...][@PATTERN]`; the keys may be `at`, `for` and `every`, too."""
    with _at(f"--fault {text}"):
        head, at, pattern = text.partition("@")
        if at and not pattern:
            raise ConfigError("after `@` comes a pattern of camera or site names")
        name, *pairs = head.split(",")
        written: dict[str, str] = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals or key in written:
                raise ConfigError(f"`{pair}`: parameters are written key=value, each once")
            written[key] = value
        kind = find_kind(name, of_cameras=True)
        if not kind.place.of_cameras:
            raise ConfigError(f"{name} is for the recorder, not for cameras: only `hulta storm` does that, by a script")
        times = _times(kind, {key: written.pop(key) for key in _TIMES if key in written}, flag=True)
        patterns = (pattern or "*",)
        fault = make_fault(name, written)
        return Step(**times, fault=fault, cameras=patterns, sites=patterns, place=f"--fault {text}")


def _step(value: object, index: int, where: Where) -> Step:
    path = ("steps", index)
    place = where(path)
    with _at(place):
        if not isinstance(value, dict):
            raise ConfigError("a step is a table such as {at: 10s, for: 20s, fault: loss, cameras: [...]}")
        kind = _kind(value.get("fault"))
    for key in value:
        with _at(where((*path, key))):
            if key not in _OWN_KEYS:
                _known_parameter(kind, str(key)).read(value[key])
    with _at(place):
        times = _times(kind, {key: value[key] for key in _TIMES if key in value}, flag=False)
        fault = make_fault(kind.name, {str(key): value[key] for key in value if key not in _OWN_KEYS})
        cameras, sites = _patterns(value, "cameras"), _patterns(value, "sites")
        _check_targets(fault, cameras, sites)
    return Step(**times, fault=fault, cameras=cameras, sites=sites, place=place)


def _kind(name: object) -> FaultKind:
    if name is None:
        raise ConfigError("a step needs `fault:`, the name of one")
    # YAML 1.1 reads an unquoted `off` as false, and 401 as a number.
    return find_kind("off" if name is False else str(name))


def _known_parameter(kind: FaultKind, key: str) -> Parameter:
    known = [*_OWN_KEYS, *(parameter.name for parameter in kind.parameters)]
    if key not in known:
        raise ConfigError(f"unknown key `{key}` for {kind.name}{nearest(key, known)}")
    return kind.parameter(key)


def _times(kind: FaultKind, written: Mapping[str, object], *, flag: bool) -> Times:
    """`at`, `for` and `every`, and whether this kind of fault can have them."""
    at_us, for_us, every_us = (_time(key, written[key]) if key in written else None for key in _TIMES)
    if at_us is None and not flag:
        raise ConfigError("a step needs `at:`, when it begins, such as 10s")
    if kind.lasting and every_us is not None:
        raise ConfigError(f"{kind.name} lasts: it takes `for`, not `every`")
    if kind.lasting and for_us is None and not flag:
        raise ConfigError(f"{kind.name} lasts: it needs `for:`, how long, such as 20s")
    if not kind.lasting and for_us is not None and every_us is None:
        raise ConfigError(f"{kind.name} happens in an instant: with `for` it needs `every`, how often")
    if not kind.lasting and every_us is not None and for_us is None and not flag:
        raise ConfigError(f"{kind.name} happens again and again: it needs `for`, how long")
    if not kind.lasting and flag and at_us is None and every_us is None:
        raise ConfigError(f"{kind.name} happens in an instant: say when, `at=10s`, or how often, `every=10s`")
    if for_us == 0 or (every_us is not None and every_us < MIN_EVERY_US):
        raise ConfigError(f"`for` must be longer than 0, `every` at least {show_duration(MIN_EVERY_US)}")
    if every_us and for_us and for_us // every_us > MAX_REPETITIONS:
        raise ConfigError(f"that is more than {MAX_REPETITIONS} times: a longer `every` or a shorter `for`")
    return Times(at_us=at_us or 0, for_us=for_us, every_us=every_us)


def _time(key: str, raw: object) -> int:
    if raw == 0 and not isinstance(raw, bool):
        return 0
    if not isinstance(raw, str):
        raise ConfigError(f"{key} {raw!r}: must be a number with a unit such as 10s, 500ms, 2m or 1h")
    try:
        time_us = read_duration(raw)
    except ConfigError as error:
        raise ConfigError(f"{key} {raw!r}: {error}") from None
    if time_us > MAX_TIME_US:
        raise ConfigError(f"{key} {raw!r}: must be at most {show_duration(MAX_TIME_US)}")
    return time_us


def _patterns(step: Mapping[object, object], key: str) -> tuple[str, ...]:
    value = step.get(key, [])
    names = value if isinstance(value, list) else [value]
    if (key in step and not names) or any(name is None or isinstance(name, dict | list | bool) for name in names):
        raise ConfigError(f"{key}: must be names or patterns, such as [storm-norrby-003] or ['*-a']")
    return tuple(str(name) for name in names)


def _check_targets(fault: Fault, cameras: tuple[str, ...], sites: tuple[str, ...]) -> None:
    of_cameras = fault.kind.place.of_cameras
    if not of_cameras and (cameras or sites):
        raise ConfigError(f"{fault.name} is for the recorder: it takes no `cameras` and no `sites`")
    if of_cameras and not cameras and not sites:
        raise ConfigError(f"{fault.name} needs `cameras` or `sites`; ['*'] is all")


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Puts the place before the message of an error."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
