"""Which hours have footage: what a page needs to paint months, without reading the months.

A calendar is coarse on purpose: hours of UTC, each with at most two things to say. Whoever wants to know more about
a day asks for its timeline. Days of the operator's own time zone are made of hours where they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playback.timerange import DAY_US, SECOND_US, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

HOUR_US = 3600 * SECOND_US

LONGEST_CALENDAR_US = 93 * DAY_US
"""Three months: 2232 looks into an index, whatever was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Whole hours of a camera. An hour may have both, or neither: it has expired, or nothing was expected in it."""

    camera: UUID
    from_us: int
    to_us: int
    recorded_us: tuple[int, ...]  # beginnings of the hours with footage that can be shown
    gaps_us: tuple[int, ...]  # beginnings of the hours in which something was not recorded, and why is known

    def to_json(self) -> dict[str, Any]:
        """The answer of the API: consecutive hours are one interval."""
        return {
            "camera": str(self.camera),
            **_interval(self.from_us, self.to_us),
            "recorded": [_interval(*hours) for hours in _joined(self.recorded_us)],
            "gaps": [_interval(*hours) for hours in _joined(self.gaps_us)],
        }


def whole_hours(from_us: int, to_us: int) -> tuple[int, int]:
    """The hours that a range touches, as a range."""
    return from_us // HOUR_US * HOUR_US, -(-to_us // HOUR_US) * HOUR_US


def _joined(hours_us: Iterable[int]) -> Iterator[tuple[int, int]]:
    start_us = end_us = None
    for hour_us in hours_us:
        if start_us is not None and end_us is not None and hour_us != end_us:
            yield start_us, end_us
            start_us = None
        start_us = hour_us if start_us is None else start_us
        end_us = hour_us + HOUR_US
    if start_us is not None and end_us is not None:
        yield start_us, end_us


def _interval(start_us: int, end_us: int) -> dict[str, str]:
    return {"from": format_instant(start_us), "to": format_instant(end_us)}
