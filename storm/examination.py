"""One camera examined from end to end, in a process of its own: evidence, verdict, and what remains of both.

What is fetched is large and is let go with the process; what remains is counts, intervals and violations.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import av

from media.errors import HultaError
from storm.evidence import collect
from storm.facts import UNKNOWN, Violation
from storm.rules_frames import is_altered
from storm.rules_loss import allowance_us, declared_us
from storm.verdict import case_of, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from uuid import UUID

    from simulator.options import CameraOptions
    from storm.api import Api
    from storm.case import Case
    from storm.facts import FaultWindow, FragmentId, Interval, Strike
    from storm.outages import Outage

MOST_WORKERS = 4

UNREADABLE = (HultaError, LookupError, TypeError, ValueError, av.error.FFmpegError)
"""An answer that failed, or one that is not what the API promises: a key or a header is missing, a time is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be examined of one camera."""

    api: Api
    camera: CameraOptions
    cameras: int
    from_us: int
    to_us: int
    began_us: int
    sent_log: Path | None  # none if it sent nothing
    announced: Mapping[FragmentId, int]
    faults: Sequence[FaultWindow]
    strikes: Sequence[Strike]
    kill_us: int
    full: Sequence[Interval]
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Frames and fragments of one camera, or of all, in the range.

    Every frame sent is retrieved, or lost, or was spoiled on its way and is missing. One that came back `unmarked` is
    among the missing: nobody can say which of them it is.
    """

    sent: int = 0
    spoiled: int = 0
    retrieved: int = 0
    altered: int = 0
    unmarked: int = 0
    lost_declared: int = 0
    lost_undeclared: int = 0
    spoiled_missing: int = 0
    duplicated: int = 0
    fragments_announced: int = 0
    fragments_retrieved: int = 0
    fragments_given_up: int = 0
    fragments_damaged: int = 0
    sounds_sent: int = 0
    sounds_retrieved: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraReport:
    """What is left of one camera's examination."""

    camera: CameraOptions
    violations: Sequence[Violation]
    counts: Counts = field(default_factory=Counts)
    spans: Sequence[Interval] = ()
    gaps: Sequence[Interval] = ()
    damaged: Sequence[tuple[int, int]] = ()
    faults: Sequence[FaultWindow] = ()
    outages: Sequence[Outage] = ()
    declared_us: int = 0
    allowance_us: int = 0
    segments: frozenset[UUID] = frozenset()
    given_up_us: Sequence[int] = ()
    """Where fragments ended that were called durable and had to go, in the order of time."""


def examine_all(questions: Sequence[Question]) -> Iterator[CameraReport]:
    """All cameras, some at a time, in their order."""
    # Fresh processes: a copy of this one would come with its threads' locks as they happen to be.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers(), mp_context=context) as pool:
        yield from pool.map(examine, questions)


def workers() -> int:
    """How many cameras are examined at a time."""
    return min(MOST_WORKERS, os.cpu_count() or 1)


def examine(question: Question) -> CameraReport:
    """One camera. What cannot be read is a violation."""
    try:
        evidence, segments = collect(
            question.api,
            question.camera,
            from_us=question.from_us,
            to_us=question.to_us,
            sent_log=question.sent_log,
            announced=question.announced,
            faults=question.faults,
            scratch=question.scratch,
        )
    except UNREADABLE as error:
        detail = f"{type(error).__name__}: {error}"
        violation = Violation(rule="evidence_is_readable", camera=question.camera.name, detail=detail)
        return CameraReport(camera=question.camera, violations=[violation], faults=question.faults)
    case = case_of(
        evidence,
        question.strikes,
        cameras=question.cameras,
        kill_us=question.kill_us,
        began_us=question.began_us,
        full=question.full,
    )
    return CameraReport(
        camera=question.camera,
        violations=judge(case),
        counts=count(case),
        spans=evidence.spans,
        gaps=evidence.gaps,
        damaged=[(fragment.start_us, fragment.end_us) for fragment in case.damaged],
        faults=question.faults,
        outages=case.outages,
        declared_us=declared_us(evidence),
        allowance_us=allowance_us(case),
        segments=frozenset(segments),
        given_up_us=sorted(case.given_up.values()),
    )


def count(case: Case) -> Counts:
    """The numbers of one camera."""
    camera = case.camera
    whole, spoiled = (
        {each.frame for each in frames.values() if camera.asked(each.sent_us)} for frames in (case.whole, case.spoiled)
    )
    sent = whole | spoiled
    undeclared = [each for each in case.lost if not case.is_declared(each)]
    known = sorted(seen.frame for seen in camera.frames if seen.frame != UNKNOWN)
    return Counts(
        sent=len(sent),
        spoiled=len(spoiled),
        retrieved=len(sent & case.retrieved.keys()),
        altered=len({seen.frame for seen in camera.frames if seen.frame in sent and is_altered(seen, case)}),
        unmarked=sum(seen.frame == UNKNOWN for seen in camera.frames),
        lost_declared=len(case.lost) - len(undeclared),
        lost_undeclared=len(undeclared),
        spoiled_missing=len(spoiled - case.retrieved.keys()),
        duplicated=sum(one == two for one, two in pairwise(known)),
        fragments_announced=len(camera.announced),
        fragments_retrieved=len(camera.fragments),
        fragments_given_up=len(case.given_up),
        fragments_damaged=len(case.damaged),
        sounds_sent=len({each.frame for each in camera.sound_sent}),
        sounds_retrieved=sum(len(each.frames) for each in camera.sounds),
    )
