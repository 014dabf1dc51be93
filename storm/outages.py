"""When a camera could not be recorded, as the camera itself saw it: from a fault to its first frame to a later session.

An outage begins with a fault or a kill that may stop recording. It ends with the first frame that the camera sends once
the fault is over: to a new session, or, where sessions outlive the fault, to one that goes on. Whatever else goes wrong
meanwhile joins it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from storm.costs import COSTS, HANG_US, KILL_US, RECORDING_ROLES, UNSAVED_US, herd_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from storm.facts import FaultWindow, Sent, Strike


class Cause(NamedTuple):
    """A fault or a kill, as far as it concerns the recording of one camera.

    Recording is to be back by `due_us`, the wait for a sync sample not counted. `anew`: only a new session ends it.
    """

    start_us: int
    end_us: int
    kind: str
    due_us: int
    stops: bool = True
    anew: bool = False
    unsaved_us: int = 0
    dying_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A stretch in which a camera may go unrecorded, and why."""

    start_us: int
    end_us: int
    recovered: bool
    causes: tuple[Cause, ...]

    @property
    def last(self) -> Cause:
        """The cause that held recording up longest: what it had to come back from."""
        return max(self.causes, key=lambda cause: cause.due_us)

    @property
    def due_us(self) -> int:
        """By when recording was to be back, the wait for a sync sample not counted."""
        return self.last.due_us

    @property
    def again_us(self) -> int:
        """How long after the last cause the camera was being recorded again."""
        return self.end_us - self.last.end_us

    @property
    def lost_from_us(self) -> int:
        """From when on frames may be lost: a kill also takes what was not yet saved."""
        return min(cause.start_us - cause.unsaved_us for cause in self.causes)

    @property
    def kind(self) -> str:
        """What recording had to come back from."""
        return self.last.kind


class Sessions:
    """When a camera sent to whom, from its log."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        self._sent = sorted((each.sent_us, each.session) for each in sent)
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for sent_us, session in self._sent:
            first.setdefault(session, sent_us)
            last[session] = sent_us
        self._last = last
        self._starts = sorted((sent_us, session) for session, sent_us in first.items())

    def started_after(self, instant_us: int) -> int | None:
        """The first frame of the first session that began later."""
        index = bisect_left(self._starts, (instant_us + 1, -1))
        return self._starts[index][0] if index < len(self._starts) else None

    def going_on_after(self, instant_us: int, dying_us: int) -> int | None:
        """The first frame from an instant on to a session that is not given up within `dying_us`."""
        index = bisect_left(self._sent, (instant_us, -1))
        final_us = self._sent[-1][0] if self._sent else 0
        given_up: set[int] = set()
        for sent_us, session in self._sent[index:]:
            if session in given_up:
                continue
            if self._last[session] - instant_us >= dying_us or self._last[session] >= final_us:
                return sent_us
            given_up.add(session)
        return None


def causes(strikes: Iterable[Strike], faults: Iterable[FaultWindow], *, cameras: int, kill_us: int) -> list[Cause]:
    """Everything that may concern the recording of a camera, in the order of its beginning."""
    herd = herd_us(cameras)
    return sorted((*_of_strikes(strikes, kill_us + herd), *_of_faults(faults, herd)))


def _of_strikes(strikes: Iterable[Strike], again_us: int) -> Iterator[Cause]:
    for strike in strikes:
        if strike.kind == "kill" and strike.role in RECORDING_ROLES:
            due_us = strike.at_us + again_us
            yield Cause(strike.at_us, strike.at_us, "kill", due_us, anew=True, unsaved_us=UNSAVED_US)
        elif strike.kind == "pause" and strike.role == "record" and strike.end_us - strike.at_us >= HANG_US:
            due_us = strike.end_us + again_us
            yield Cause(strike.at_us, strike.end_us, "pause", due_us, unsaved_us=UNSAVED_US, dying_us=KILL_US)


def _of_faults(faults: Iterable[FaultWindow], herd: int) -> Iterator[Cause]:
    for fault in faults:
        cost = COSTS[fault.kind]
        if cost.stops or cost.prolongs:
            end_us = fault.start_us if cost.from_begin else fault.end_us
            due_us = end_us + cost.again_us + herd
            yield Cause(fault.start_us, end_us, fault.kind, due_us, stops=cost.stops, dying_us=cost.dying_us)


def outages(sent: Sequence[Sent], found: Sequence[Cause], until_us: int) -> list[Outage]:
    """The outages of one camera up to the end of the range. `found` is in the order of beginning."""
    sessions = Sessions(sent)
    result: list[Outage] = []
    for cause in found:
        if not cause.stops or cause.start_us >= until_us:
            continue
        outage = _outage(cause, sessions, until_us)
        if result and cause.start_us < result[-1].end_us:
            outage = _joined(result.pop(), outage)
        result.append(outage)
    prolonging = [cause for cause in found if not cause.stops]
    return [_prolonged(outage, prolonging) for outage in result]


def _outage(cause: Cause, sessions: Sessions, until_us: int) -> Outage:
    if cause.anew:
        again_us = sessions.started_after(cause.end_us)
    else:
        again_us = sessions.going_on_after(cause.end_us, cause.dying_us)
    recovered = again_us is not None and again_us <= until_us
    end_us = again_us if again_us is not None and recovered else until_us
    return Outage(start_us=cause.start_us, end_us=end_us, recovered=recovered, causes=(cause,))


def _joined(one: Outage, other: Outage) -> Outage:
    later = max(one, other, key=lambda outage: outage.end_us)
    return replace(one, end_us=later.end_us, recovered=later.recovered, causes=(*one.causes, *other.causes))


def _prolonged(outage: Outage, prolonging: Sequence[Cause]) -> Outage:
    met = [cause for cause in prolonging if cause.start_us < outage.end_us and cause.end_us > outage.start_us]
    return replace(outage, causes=(*outage.causes, *met))
