"""The verdict on a storm: what was sent, announced, retrieved and declared, against what Hulta promises.

Pure functions; the evidence is collected elsewhere and outside the product.

Each rule is one sentence of the promise and returns the sentences that contradict it. Times compare the camera's clock
(when it sent a frame) with the product's (where the frame lies on the timeline), so they carry a tolerance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storm.case import Case
from storm.costs import KILL_US
from storm.facts import EDGE_US, Violation
from storm.outages import causes, outages
from storm.rules_frames import (
    bytes_are_identical,
    damage_has_a_cause,
    once_in_order,
    spoiled_is_declared,
    times_are_true,
    video_is_the_segments,
    video_keeps_time,
)
from storm.rules_loss import (
    announced_is_retrieved,
    gaps_are_short,
    gaps_are_tight,
    gaps_have_a_cause,
    loss_has_a_cause,
    loss_is_declared,
    recording_resumes,
)
from storm.rules_sound import sound_is_what_was_sent, sound_loss_is_declared
from storm.rules_spans import spans_are_complete, spans_are_footage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from storm.facts import CameraEvidence, Interval, Strike


def not_empty(case: Case) -> Iterator[str]:
    """A proof about nothing proves nothing."""
    camera = case.camera
    for what, count in (
        ("frame sent", len(camera.sent)),
        ("fragment announced durable", len(camera.announced)),
        ("frame retrieved", len(camera.frames)),
        ("fragment retrieved", len(camera.fragments)),
        ("span on the timeline", len(camera.spans)),
    ):
        if not count:
            yield f"no {what}: the run proves nothing"


def timeline_is_whole(case: Case) -> Iterator[str]:
    """Every instant of the range is a span or a gap, never both, and nothing is `missing`."""
    camera = case.camera
    at_us = camera.from_us
    for each in sorted((*camera.spans, *camera.gaps)):
        if each.start_us > at_us + EDGE_US:
            yield f"neither span nor gap from {at_us} for {(each.start_us - at_us) / 1e6:.3f} s"
        if each.start_us < at_us - EDGE_US and at_us > camera.from_us:
            yield f"{each} overlaps what comes before it by {(at_us - each.start_us) / 1e6:.3f} s"
        at_us = max(at_us, each.end_us)
    if at_us < camera.to_us - EDGE_US:
        yield f"neither span nor gap from {at_us} for {(camera.to_us - at_us) / 1e6:.3f} s"
    if camera.missing:
        yield f"{len(camera.missing)} intervals are `missing`: an object is gone, or nobody declared a hole"


def chain_verifies(case: Case) -> Iterator[str]:
    """Every segment reads without a fault, no frame is in two of them, and the hash chain of each run is unbroken."""
    yield from case.camera.complaints


RULES: tuple[Callable[[Case], Iterator[str]], ...] = (
    not_empty,
    announced_is_retrieved,
    once_in_order,
    bytes_are_identical,
    loss_is_declared,
    spans_are_complete,
    spans_are_footage,
    spoiled_is_declared,
    loss_has_a_cause,
    gaps_are_tight,
    gaps_have_a_cause,
    gaps_are_short,
    damage_has_a_cause,
    recording_resumes,
    timeline_is_whole,
    video_is_the_segments,
    times_are_true,
    video_keeps_time,
    chain_verifies,
    sound_is_what_was_sent,
    sound_loss_is_declared,
)


def case_of(
    camera: CameraEvidence,
    strikes: Sequence[Strike],
    *,
    cameras: int = 1,
    kill_us: int = KILL_US,
    began_us: int = 0,
    full: Sequence[Interval] = (),
) -> Case:
    """The evidence with the outages that follow from the faults and the kills, and when the disk was full."""
    found = causes(
        (strike for strike in strikes if strike.at_us < camera.to_us), camera.faults, cameras=cameras, kill_us=kill_us
    )
    return Case(camera=camera, outages=outages(camera.sent, found, camera.to_us), began_us=began_us, full=full)


def judge(case: Case) -> list[Violation]:
    """Every broken promise of one camera."""
    name = case.camera.name
    return [Violation(rule=rule.__name__, camera=name, detail=detail) for rule in RULES for detail in rule(case)]
