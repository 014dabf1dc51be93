"""The parameters of faults: what may be written, within which bounds, and how it is written back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from media.errors import ConfigError
from simulator.options import parse_bitrate, parse_duration_us

if TYPE_CHECKING:
    from collections.abc import Callable

Value = int | float | str

LINKS = ("store", "catalog")
ROLES = ("record", "ship", "keep", "serve", "supervisor", "any")

_INTEGER = re.compile(r"[+-]?\d{1,12}")
_DECIMAL = re.compile(r"\d{1,6}(\.\d{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. Values are kept in `unit`: durations are microseconds, rates bits a second."""

    name: str
    default: Value
    says: str
    parse: Callable[[str], Value]
    show: Callable[[Value], str] = field(default=str)
    least: int | float | None = None
    most: int | float | None = None

    def read(self, raw: object) -> Value:
        """The value of what was written. ConfigError names the parameter and its bounds."""
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise ConfigError(f"{self.name}: must be a single value such as {self.show(self.default)}")
        try:
            value = self.parse(str(raw).strip())
        except ConfigError as error:
            raise ConfigError(f"{self.name} {str(raw)!r}: {error}") from None
        if isinstance(value, str) or self.least is None or self.most is None:
            return value
        if not self.least <= value <= self.most:
            bounds = f"between {self.show(self.least)} and {self.show(self.most)}"
            raise ConfigError(f"{self.name} {str(raw)!r}: must be {bounds}")
        return value


def duration(name: str, default: str, least: str, most: str, says: str) -> Parameter:
    """A length of time, in microseconds."""
    bounds_us = (parse_duration_us(text) for text in (default, least, most))
    default_us, least_us, most_us = bounds_us
    return Parameter(
        name=name, default=default_us, least=least_us, most=most_us, says=says, parse=read_duration, show=show_duration
    )


def bitrate(name: str, default: str, least: str, most: str, says: str) -> Parameter:
    """Bits a second."""
    rates = (parse_bitrate(text) for text in (default, least, most))
    default_bps, least_bps, most_bps = rates
    return Parameter(
        name=name, default=default_bps, least=least_bps, most=most_bps, says=says, parse=_rate, show=_show_rate
    )


def count(name: str, default: int, least: int, most: int, says: str) -> Parameter:
    """A whole number."""
    return Parameter(name=name, default=default, least=least, most=most, says=says, parse=_integer)


def percent(name: str, default: float, says: str) -> Parameter:
    """A share in percent, with decimals where they help."""
    return Parameter(name=name, default=default, least=0.01, most=100, says=says, parse=_percent)


def choice(name: str, default: str, choices: tuple[str, ...], says: str) -> Parameter:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ConfigError(f"must be one of {', '.join(choices)}")
        return text

    return Parameter(name=name, default=default, says=says, parse=parse)


def read_duration(text: str) -> int:
    """Microseconds; ConfigError says how a duration is written."""
    try:
        return parse_duration_us(text)
    except ConfigError:
        raise ConfigError("must be a number with a unit such as 1s, 500ms, 2m or 1h") from None


def show_duration(value_us: Value) -> str:
    """A duration as it is written: `10s`, `500ms`; the opposite of `read_duration`."""
    seconds, rest_us = divmod(int(value_us), 1_000_000)
    return f"{Decimal(int(value_us)).scaleb(-3).normalize():f}ms" if rest_us else f"{seconds}s"


def _rate(text: str) -> int:
    try:
        return parse_bitrate(text)
    except ConfigError:
        raise ConfigError("must be a number of bits a second such as 64k or 1.5M") from None


def _show_rate(value_bps: Value) -> str:
    thousands, rest = divmod(int(value_bps), 1000)
    return str(value_bps) if rest else f"{thousands}k"


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ConfigError("must be a whole number")
    return int(text)


def _percent(text: str) -> int | float:
    if not _DECIMAL.fullmatch(text):
        raise ConfigError("must be a number of percent such as 2 or 0.5")
    return float(text) if "." in text else int(text)
