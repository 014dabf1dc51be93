"""Rules about what did not come back: it is declared, it has a cause, and no more is declared than was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import GapReason
from storm.costs import UNSAVED_US
from storm.facts import EDGE_US, TOLERANCE_US

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storm.case import Case
    from storm.facts import CameraEvidence, Interval, Sent

REASONS = frozenset(GapReason)


def announced_is_retrieved(case: Case) -> Iterator[str]:
    """A ⊆ R: what was announced durable comes back, verified, but for what a full disk made the product give up."""
    camera = case.camera
    if lost := sorted(case.not_retrieved.keys() - case.given_up.keys()):
        yield f"{len(lost)} fragments announced durable are not retrievable, the first {lost[0]}"
    broken = sorted(key for key, fragment in camera.fragments.items() if not fragment.verified)
    if broken:
        yield f"{len(broken)} fragments do not fit their SHA-256, the first {broken[0]}"


def loss_is_declared(case: Case) -> Iterator[str]:
    """S \\ R ⊆ G: a frame that left whole and did not come back lies in a declared gap."""  # noqa: D301 - a difference
    silent = [each for each in case.lost if not case.is_declared(each)]
    if silent:
        yield f"{len(silent)} sent frames are lost outside every declared gap, the first {describe(silent[0])}"


def loss_has_a_cause(case: Case) -> Iterator[str]:
    """Frames are lost only while something kept the camera from being recorded, and at most 2 s before a kill.

    A full disk costs what its gaps say.
    """
    unexplained = [each for each in case.lost if not case.in_outage(each.sent_us) and not case.is_of_full_disk(each)]
    if unexplained:
        yield f"{len(unexplained)} frames were lost though nothing explains it, the first {describe(unexplained[0])}"


def gaps_are_tight(case: Case) -> Iterator[str]:
    """No frame that was sent and is retrievable lies inside a gap, by the camera's clock or by the product's own."""
    sent = [each for each in case.camera.sent if each.frame in case.retrieved]
    stored = [seen for fragment in case.camera.fragments.values() for seen in fragment.frames]
    for gap in case.camera.gaps:
        margin_us = max(case.tolerance_us(gap.start_us), case.tolerance_us(gap.end_us))
        inside = [
            each for each in sent if gap.start_us + margin_us < case.time.taken_us(each.frame) < gap.end_us - margin_us
        ]
        if inside:
            yield f"the gap {gap} covers {len(inside)} retrievable frames, the first {describe(inside[0])}"
        own = [seen for seen in stored if gap.start_us + EDGE_US < seen.wall_us < gap.end_us - EDGE_US]
        if own and not inside:
            yield f"the gap {gap} covers {len(own)} frames of segments, the first {own[0].frame}"


def gaps_have_a_cause(case: Case) -> Iterator[str]:
    """A gap lies where something kept the camera from being recorded, and nowhere else; it says what that was."""
    for gap in case.camera.gaps:
        if gap.reason not in REASONS:
            yield f"the gap {gap} has the reason `{gap.reason}`, which is none"
        reasons = [
            outage
            for outage in case.outages
            if outage.lost_from_us - TOLERANCE_US <= gap.end_us and gap.start_us <= outage.end_us + TOLERANCE_US
        ]
        if not reasons and gap not in case.full_disk_gaps:
            yield f"the gap {gap} of {(gap.end_us - gap.start_us) / 1e6:.2f} s has no cause"


def gaps_are_short(case: Case) -> Iterator[str]:
    """In all, no more is declared lost than the faults explain: outage + 2 s + one GOP for each.

    What a full disk costs is not bounded here: no more than was lost, say `gaps_are_tight` and `loss_is_declared`.
    """
    total_us, allowed_us = declared_us(case.camera), allowance_us(case)
    if total_us > allowed_us:
        count = len(case.outages)
        yield f"gaps of {total_us / 1e6:.2f} s in all, {allowed_us / 1e6:.2f} s allowed for {count} outages"


def recording_resumes(case: Case) -> Iterator[str]:
    """After a fault the camera is recording again in time, or could be, if its sync samples were whole.

    The wait for a sync sample is added.
    """
    for outage in case.outages:
        cause = outage.last.said(case.began_us)
        if not outage.recovered:
            if outage.due_us + case.gop_us(outage) < case.camera.to_us:
                yield f"never recorded again after {cause}"
        elif outage.reached_us > outage.due_us + case.gop_us(outage):
            ended_us = outage.last.end_us
            took_s, due_s = (outage.reached_us - ended_us) / 1e6, (outage.due_us - ended_us) / 1e6
            yield f"reached again only {took_s:.2f} s after {cause}; due after {due_s:.2f} s and a sync sample"


def declared_us(camera: CameraEvidence) -> int:
    """How much of the range is declared as not recorded."""
    return sum(_clipped_us(gap, camera) for gap in camera.gaps)


def allowance_us(case: Case) -> int:
    """How much may be."""
    of_outages = sum(outage.end_us - outage.start_us + UNSAVED_US + case.camera.gop_us for outage in case.outages)
    return of_outages + sum(_clipped_us(gap, case.camera) for gap in case.full_disk_gaps)


def describe(each: Sent) -> str:
    """A frame in a sentence of the verdict."""
    return f"{each.frame} sent at {each.sent_us}"


def _clipped_us(gap: Interval, camera: CameraEvidence) -> int:
    return max(0, min(gap.end_us, camera.to_us) - max(gap.start_us, camera.from_us))
