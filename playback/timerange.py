"""Time as people write it: RFC 3339 with an offset outside, microseconds UTC and half-open ranges `[from, to)` inside.

An offset is required, so a range across a night with two 02:30s means one thing. A `+` that was not escaped in a URL
arrives as a space; nothing else can stand there, so it is read as the `+` it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from media.errors import RangeError

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

LONGEST_RANGE_US = 31 * DAY_US
"""A month of one camera: 45 000 segments, whose rows take 100 MB while the answer is made."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_YEAR = 2200  # later is a slip of the finger or milliseconds taken for seconds
_INSTANT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>[Zz]|[-+ ]\d\d:\d\d)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """A half-open range of wall time, never empty."""

    from_us: int
    to_us: int


def parse_range(from_text: str | None, to_text: str | None, longest_us: int = LONGEST_RANGE_US) -> TimeRange:
    """The range between two instants as a client wrote them; RangeError names the parameter and its value."""
    from_us = parse_instant("from", from_text)
    to_us = parse_instant("to", to_text)
    if from_us >= to_us:
        raise RangeError(
            f'"from" ({from_text}) must lie before "to" ({to_text})', hint="a range is half-open: from included, to not"
        )
    if to_us - from_us > longest_us:
        days = longest_us // DAY_US
        raise RangeError(
            f'"from" ({from_text}) and "to" ({to_text}) are more than {days} days apart', hint="ask for it in parts"
        )
    return TimeRange(from_us=from_us, to_us=to_us)


def parse_instant(parameter: str, text: str | None) -> int:
    """Microseconds UTC of an RFC 3339 instant; digits below a microsecond are dropped. RangeError names `parameter`."""
    if not text:
        raise RangeError(f'"{parameter}" is missing', hint="an instant such as 2026-11-23T08:00:00Z")
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        _refuse(parameter, text, "is not an RFC 3339 instant", "write it as 2026-11-23T08:00:00Z or ...T09:00:00+01:00")
    zone = match["zone"]
    if zone is None:
        _refuse(
            parameter, text, "has no time zone", "append Z for UTC, or an offset such as +01:00 (%2B01:00 in a URL)"
        )
    try:
        instant = datetime.strptime(f"{match['date']} {match['time']} +0000", "%Y-%m-%d %H:%M:%S %z")
    except ValueError as error:
        raise RangeError(f'"{parameter}": {text!r} is no date and time: {error}') from error
    since_epoch = instant - _EPOCH - _offset(parameter, text, zone)
    if since_epoch < timedelta() or instant.year > _LAST_YEAR:
        _refuse(parameter, text, f"lies outside of 1970 to {_LAST_YEAR}", "")
    whole_seconds = since_epoch.days * 86_400 + since_epoch.seconds
    return whole_seconds * SECOND_US + int((match["fraction"] or "").ljust(6, "0")[:6])


def format_instant(wall_us: int) -> str:
    """RFC 3339 in UTC with microseconds, as all JSON of the product has it."""
    return (_EPOCH + timedelta(microseconds=wall_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _offset(parameter: str, text: str, zone: str) -> timedelta:
    if zone in "Zz":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        _refuse(parameter, text, f"has an impossible offset {zone.strip()}", "")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset


def _refuse(parameter: str, text: str, what: str, hint: str) -> NoReturn:
    raise RangeError(f'"{parameter}": {text!r} {what}', hint=hint)
