"""What policy says about each segment, as a pure function: keep, mark, unmark or purge, each with its reason.

Ages are counted from a segment's end:

    end               mark_age                         purge_age                   keep_max
     |------ kept -------|------ marked, still there ------|------ room to work ------|
               keep_min, or keep_max - delay    mark_age + delay, at the latest keep_max - room

`delay` is 24 h, a tenth of keep_max if that is less, and never more than what lies between keep_min and keep_max.
`room` is left for the deleting itself, so that it is done by keep_max. A mark that came late, because `keep` was down,
still stands for the time of `reflection`. Where a policy leaves no time between its two figures, "never early" wins:
the footage goes right after keep_min.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from storage.model import SegmentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from storage.model import Expiring, Policy

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

DELAY_MAX_US = DAY_US
ROOM_MAX_US = 10 * MINUTE_US
REFLECTION_MAX_US = HOUR_US


class Action(StrEnum):
    """What is to be done with a segment now."""

    KEEP = "keep"
    MARK = "mark"
    UNMARK = "unmark"
    PURGE = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A policy as ages of a segment. `reflection_us` counts from the mark: time for somebody to object."""

    mark_age_us: int
    purge_age_us: int
    reflection_us: int
    room_us: int

    @classmethod
    def of(cls, policy: Policy) -> Schedule:
        """When things happen under this policy."""
        keep_max_us, keep_min_us = policy.keep_max_us, policy.keep_min_us
        delay_us = min(DELAY_MAX_US, keep_max_us // 10)
        if keep_min_us is not None:
            delay_us = max(0, min(delay_us, keep_max_us - keep_min_us))
        mark_age_us = keep_max_us - delay_us if keep_min_us is None else keep_min_us
        room_us = min(ROOM_MAX_US, delay_us // 4)
        return cls(
            mark_age_us=mark_age_us,
            purge_age_us=max(mark_age_us, min(mark_age_us + delay_us, keep_max_us - room_us)),
            reflection_us=min(REFLECTION_MAX_US, delay_us // 2),
            room_us=room_us,
        )

    def mark_us(self, end_us: int) -> int:
        """When a segment is to be marked."""
        return end_us + self.mark_age_us

    def purge_us(self, end_us: int, marked_us: int) -> int:
        """When a marked segment is to be purged."""
        return max(end_us + self.purge_age_us, marked_us + self.reflection_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done with one segment, since when that is due, and why."""

    expiring: Expiring
    action: Action
    due_us: int
    reason: str
    policy: str = ""

    @property
    def id(self) -> UUID:
        """The segment's id."""
        return self.expiring.segment.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Decisions about segments at an instant, in the order in which the segments were given."""

    now_us: int
    decisions: tuple[Decision, ...]

    def of(self, action: Action) -> tuple[Decision, ...]:
        """The decisions for one action."""
        return tuple(decision for decision in self.decisions if decision.action is action)

    def __str__(self) -> str:
        """A line for each action and reason, and how much it concerns."""
        lines = [f"plan of {utc(self.now_us)}"]
        by_reason = attrgetter("action", "reason")
        for (action, reason), group in groupby(sorted(self.decisions, key=by_reason), key=by_reason):
            segments = [decision.expiring.segment for decision in group]
            size_bytes = sum(segment.size_bytes for segment in segments)
            oldest_us, newest_us = min(s.start_us for s in segments), max(s.end_us for s in segments)
            lines.append(
                f"  {action:<6} {len(segments):>6} segments {size_bytes:>15,} bytes"
                f"  {utc(oldest_us)} to {utc(newest_us)}  {reason}"
            )
        return "\n".join(lines)


def decide(segments: Iterable[Expiring], policies: Mapping[UUID, Policy], now_us: int) -> Plan:
    """What is to be done with each segment at `now_us`. `policies` are by stream; a stream without one is kept."""
    return Plan(
        now_us=now_us,
        decisions=tuple(_decide(each, policies.get(each.segment.identity.stream), now_us) for each in segments),
    )


def _decide(expiring: Expiring, policy: Policy | None, now_us: int) -> Decision:
    segment = expiring.segment
    if segment.state is SegmentState.PURGING:
        return _decision(expiring, Action.PURGE, now_us, "its deletion was begun", expiring.policy)
    if policy is None:
        action = Action.UNMARK if segment.state is SegmentState.MARKED else Action.KEEP
        return _decision(expiring, action, now_us, "no policy is known for its stream")
    schedule = Schedule.of(policy)
    if segment.state is not SegmentState.MARKED:
        action = Action.MARK if now_us >= schedule.mark_us(segment.end_us) else Action.KEEP
        return _decision(expiring, action, schedule.mark_us(segment.end_us), explain(policy), policy.name)
    if now_us < schedule.mark_us(segment.end_us):
        return _decision(expiring, Action.UNMARK, now_us, explain(policy), policy.name)
    marked_us = now_us if expiring.marked_us is None else expiring.marked_us
    purge_us = schedule.purge_us(segment.end_us, marked_us)
    action = Action.PURGE if now_us >= purge_us else Action.KEEP
    return _decision(expiring, action, purge_us, explain(policy), policy.name)


def _decision(expiring: Expiring, action: Action, due_us: int, reason: str, policy: str = "") -> Decision:
    return Decision(expiring=expiring, action=action, due_us=due_us, reason=reason, policy=policy)


def explain(policy: Policy) -> str:
    """The policy in a few words, as it goes into marks and tombstones."""
    least = "" if policy.keep_min_us is None else f" and at least {span(policy.keep_min_us)}"
    return f"policy {policy.name} keeps at most {span(policy.keep_max_us)}{least}"


def span(microseconds: int) -> str:
    """A length of time in its two largest units: `62d`, `1d 12h`, `90s` as `1m 30s`."""
    seconds = microseconds // SECOND_US
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def utc(instant_us: int) -> str:
    """RFC 3339 to the second."""
    return datetime.fromtimestamp(instant_us // SECOND_US, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
