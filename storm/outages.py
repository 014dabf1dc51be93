"""When a camera could not be recorded, as the camera itself saw it.

An outage begins with a fault or a kill that may stop recording. It ends with the first whole sync sample that the
camera sends once the fault is over: to a new session, or, where sessions outlive the fault, to one that goes on. (Where
packets are lost, the first one may be spoiled.) Whatever else goes wrong meanwhile joins it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from storm.costs import COSTS, HANG_US, KILL_US, RECORDING_ROLES, UNSAVED_US, herd_us
from storm.facts import SECOND_US

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
    role: str = ""
    """Of the process that was hit."""

    def said(self, zero_us: int) -> str:
        """For a sentence of the verdict: `kill record at 35.0 s`, counted as the console and the plot count."""
        when = "at" if self.end_us == self.start_us else "until"
        what = f"{self.kind} {self.role}" if self.role else self.kind
        return f"{what} {when} {(self.end_us - zero_us) / SECOND_US:.1f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A stretch in which a camera may go unrecorded, and why.

    At `reached_us` the camera sends again to somebody who stays; only at `end_us` it is a whole sync sample.
    """

    start_us: int
    reached_us: int
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


class Return(NamedTuple):
    """A session that a camera goes on with: its first frame from some instant on, and the first to begin with."""

    reached_us: int
    whole_us: int


class Sessions:
    """When a camera sent to whom, from its log; and from when on that could be recorded."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        self._frames = sorted((each.sent_us, each.session) for each in sent)
        self._beginnings = sorted((each.sent_us, each.session) for each in sent if each.sync and each.whole)
        first: dict[int, int] = {}
        self._last: dict[int, int] = {}
        for sent_us, session in self._frames:
            first.setdefault(session, sent_us)
            self._last[session] = sent_us
        self._starts = sorted((sent_us, session) for session, sent_us in first.items())

    def started_after(self, instant_us: int) -> Return | None:
        """The first session that began later and had a whole sync sample."""
        later = self._starts[bisect_left(self._starts, (instant_us + 1, -1)) :]
        return next((found for sent_us, session in later if (found := self._return(sent_us, session))), None)

    def going_on_after(self, instant_us: int, dying_us: int) -> Return | None:
        """The first session that is sent to from an instant on, and is not given up within `dying_us`."""
        final_us = self._frames[-1][0] if self._frames else 0
        tried: set[int] = set()
        for sent_us, session in self._frames[bisect_left(self._frames, (instant_us, -1)) :]:
            if session in tried:
                continue
            tried.add(session)
            if self._last[session] - instant_us >= dying_us or self._last[session] >= final_us:
                found = self._return(sent_us, session)
                if found is not None:
                    return found
        return None

    def _return(self, reached_us: int, session: int) -> Return | None:
        beginnings = self._beginnings[bisect_left(self._beginnings, (reached_us, -1)) :]
        return next((Return(reached_us, sent_us) for sent_us, other in beginnings if other == session), None)


def causes(strikes: Iterable[Strike], faults: Iterable[FaultWindow], *, cameras: int, kill_us: int) -> list[Cause]:
    """Everything that may concern the recording of a camera, in the order of its beginning."""
    herd = herd_us(cameras)
    return sorted((*_of_strikes(strikes, kill_us + herd), *_of_faults(faults, herd)))


def _of_strikes(strikes: Iterable[Strike], again_us: int) -> Iterator[Cause]:
    for strike in strikes:
        if strike.kind == "kill" and strike.role in RECORDING_ROLES:
            due_us = strike.at_us + again_us
            yield Cause(strike.at_us, strike.at_us, "kill", due_us, anew=True, unsaved_us=UNSAVED_US, role=strike.role)
        elif strike.kind == "pause" and strike.role == "record":
            due_us = strike.end_us + again_us
            cause = Cause(strike.at_us, strike.end_us, "pause", due_us, role=strike.role)
            if strike.end_us - strike.at_us < HANG_US:
                yield cause._replace(stops=False)  # who is coming back just then comes back later
            else:
                yield cause._replace(unsaved_us=UNSAVED_US, dying_us=KILL_US)


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
    end_us = cause.end_us
    back = sessions.started_after(end_us) if cause.anew else sessions.going_on_after(end_us, cause.dying_us)
    if back is None or back.whole_us > until_us:
        return Outage(start_us=cause.start_us, reached_us=until_us, end_us=until_us, recovered=False, causes=(cause,))
    return Outage(
        start_us=cause.start_us, reached_us=back.reached_us, end_us=back.whole_us, recovered=True, causes=(cause,)
    )


def _joined(one: Outage, other: Outage) -> Outage:
    later = max(one, other, key=lambda outage: outage.end_us)
    return replace(
        one,
        reached_us=later.reached_us,
        end_us=later.end_us,
        recovered=later.recovered,
        causes=(*one.causes, *other.causes),
    )


def _prolonged(outage: Outage, prolonging: Sequence[Cause]) -> Outage:
    met = [cause for cause in prolonging if cause.start_us < outage.end_us and cause.end_us > outage.start_us]
    return replace(outage, causes=(*outage.causes, *met))
