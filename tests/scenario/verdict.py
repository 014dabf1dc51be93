"""The verdict on a storm: what was sent, announced, retrieved and declared, against what Hulta promises.

Pure functions; the evidence is collected elsewhere and outside the product.

Each rule below is one sentence of the promise and returns the sentences that contradict it. Times compare the camera's
clock (when it sent a frame) with the product's (where the frame lies on the timeline), so they carry a tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.scenario.storm_facts import TOLERANCE_US, CameraEvidence, Interval, Kill, Seen, Sent, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

EDGE_US = 2_000
"""Rounding where the product speaks about its own times: a frame, a span and a gap are computed from ticks."""

UNSAVED_US = 2_000_000
"""What a kill may cost of what was already received: at most the last 2 s."""

RECOVERY_US = 5_000_000
"""How soon a camera is recording again after a kill, the wait for a sync sample not counted."""

RECORDING_ROLES = frozenset({"record", "supervisor"})
"""Killing these stops recording; killing any other must cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From the kill of a recording process to the camera's first frame of a later session; kills in between join it."""

    start_us: int
    end_us: int
    recovered: bool
    last_kill_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One camera's evidence with the faults it lived through."""

    camera: CameraEvidence
    outages: Sequence[Outage]
    gop_us: int
    recovery_us: int
    retrieved: Mapping[int, Seen] = field(default_factory=dict)


def outages(sent: Sequence[Sent], kills: Iterable[Kill], until_us: int) -> list[Outage]:
    """When the camera was not being recorded because of the kills, as the camera itself saw it."""
    starts = session_starts(sent)
    found: list[Outage] = []
    for kill in sorted(kill for kill in kills if kill.role in RECORDING_ROLES):
        again_us = next((start for start in starts if start > kill.at_us), None)
        end_us = until_us if again_us is None else again_us
        start_us = kill.at_us
        if found and found[-1].end_us >= end_us:
            start_us = found.pop().start_us
        found.append(Outage(start_us=start_us, end_us=end_us, recovered=again_us is not None, last_kill_us=kill.at_us))
    return found


def session_starts(sent: Sequence[Sent]) -> list[int]:
    """When the first frame of each session was sent."""
    first: dict[int, int] = {}
    for each in sent:
        first[each.session] = min(first.get(each.session, each.sent_us), each.sent_us)
    return sorted(first.values())


# The rules. Each yields what contradicts it.


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


def announced_is_retrieved(case: Case) -> Iterator[str]:
    """A ⊆ R: what was announced durable comes back, verified."""
    camera = case.camera
    lost = sorted(camera.announced - camera.fragments.keys())
    if lost:
        yield f"{len(lost)} fragments announced durable are not retrievable, the first {lost[0]}"
    broken = sorted(key for key, fragment in camera.fragments.items() if not fragment.verified)
    if broken:
        yield f"{len(broken)} fragments do not fit their SHA-256, the first {broken[0]}"


def once_in_order(case: Case) -> Iterator[str]:
    """Each frame of R exactly once, in the order it was sent."""
    wrong = [(one.frame, two.frame) for one, two in pairwise(case.camera.frames) if two.frame <= one.frame]
    if wrong:
        before, after = wrong[0]
        yield f"{len(wrong)} frames repeated or out of order, the first: {after} after {before}"


def bytes_are_identical(case: Case) -> Iterator[str]:
    """The NAL units of every frame of R are the ones that were sent."""
    sent = {each.frame: each.crc32 for each in case.camera.sent}
    foreign = [seen.frame for seen in case.camera.frames if seen.frame not in sent]
    if foreign:
        yield f"{len(foreign)} retrieved frames were never sent, the first {foreign[0]}"
    changed = [
        seen.frame for seen in case.camera.frames if not seen.intact or sent.get(seen.frame, seen.crc32) != seen.crc32
    ]
    if changed:
        yield f"{len(changed)} frames with other bytes than were sent, the first {changed[0]}"


def loss_is_declared(case: Case) -> Iterator[str]:
    """S \\ R ⊆ G: a frame that did not come back lies in a declared gap."""  # noqa: D301 - the set difference
    camera = case.camera
    silent = [
        each
        for each in camera.sent
        if camera.asked(each.sent_us)
        and each.frame not in case.retrieved
        and not any(gap.start_us - TOLERANCE_US <= each.sent_us <= gap.end_us + TOLERANCE_US for gap in camera.gaps)
    ]
    if silent:
        yield f"{len(silent)} sent frames are lost outside every declared gap, the first {_frame(silent[0])}"


def spans_are_complete(case: Case) -> Iterator[str]:
    """Between two frames of R from which others are missing lies a gap: no tolerance is needed to say that."""
    camera = case.camera
    sent = sorted({each.frame for each in camera.sent})
    place = {frame: index for index, frame in enumerate(sent)}
    known = sorted(seen for seen in camera.frames if seen.frame in place)
    holes = [
        (one, two)
        for one, two in pairwise(known)
        if place[two.frame] > place[one.frame] + 1
        and not any(gap.start_us < two.wall_us and gap.end_us > one.wall_us for gap in camera.gaps)
    ]
    if holes:
        one, two = holes[0]
        yield f"{len(holes)} holes inside spans, the first between frames {one.frame} and {two.frame}"


def loss_has_a_cause(case: Case) -> Iterator[str]:
    """Frames are lost only while recording was killed, and at most those of the 2 s before."""
    camera = case.camera
    unexplained = [
        each
        for each in camera.sent
        if camera.asked(each.sent_us)
        and each.frame not in case.retrieved
        and not any(
            outage.start_us - UNSAVED_US - TOLERANCE_US <= each.sent_us <= outage.end_us + case.gop_us + TOLERANCE_US
            for outage in case.outages
        )
    ]
    if unexplained:
        yield f"{len(unexplained)} frames were lost though no kill explains it, the first {_frame(unexplained[0])}"


def gaps_are_tight(case: Case) -> Iterator[str]:
    """No frame that was sent and is retrievable lies inside a gap, by the camera's clock or by the product's own."""
    for gap in case.camera.gaps:
        inside = [
            each
            for each in case.camera.sent
            if each.frame in case.retrieved and gap.start_us + TOLERANCE_US < each.sent_us < gap.end_us - TOLERANCE_US
        ]
        if inside:
            yield f"the gap {_span(gap)} covers {len(inside)} retrievable frames, the first {_frame(inside[0])}"
        own = [seen for seen in case.camera.frames if gap.start_us + EDGE_US < seen.wall_us < gap.end_us - EDGE_US]
        if own and not inside:
            yield f"the gap {_span(gap)} covers {len(own)} frames of video.mp4, the first {own[0].frame}"


def gaps_are_short(case: Case) -> Iterator[str]:
    """In all, no more is declared lost than the faults explain: downtime + 2 s + one GOP for each."""
    camera = case.camera
    total_us = sum(_clipped_us(gap, camera) for gap in camera.gaps)
    allowed_us = sum(outage.end_us - outage.start_us + UNSAVED_US + case.gop_us for outage in case.outages)
    if total_us > allowed_us:
        yield (
            f"gaps of {total_us / 1e6:.2f} s in all, {allowed_us / 1e6:.2f} s allowed for {len(case.outages)} outages"
        )


def recording_resumes(case: Case) -> Iterator[str]:
    """After a kill the camera is recording again in time; the wait for a sync sample is added."""
    for outage in case.outages:
        took_us = outage.end_us - outage.last_kill_us
        if not outage.recovered:
            yield f"never recorded again after the kill at {outage.last_kill_us}"
        elif took_us > case.recovery_us + case.gop_us:
            yield f"recording again only {took_us / 1e6:.2f} s after the kill at {outage.last_kill_us}"


def timeline_is_whole(case: Case) -> Iterator[str]:
    """Every instant of the range is a span or a gap, never both, and nothing is `missing`."""
    camera = case.camera
    at_us = camera.from_us
    for each in sorted((*camera.spans, *camera.gaps)):
        if each.start_us > at_us + EDGE_US:
            yield f"neither span nor gap from {at_us} for {(each.start_us - at_us) / 1e6:.3f} s"
        if each.start_us < at_us - EDGE_US and at_us > camera.from_us:
            yield f"{_span(each)} overlaps what comes before it by {(at_us - each.start_us) / 1e6:.3f} s"
        at_us = max(at_us, each.end_us)
    if at_us < camera.to_us - EDGE_US:
        yield f"neither span nor gap from {at_us} for {(camera.to_us - at_us) / 1e6:.3f} s"
    if camera.missing:
        yield f"{len(camera.missing)} intervals are `missing`: an object is gone, or nobody declared a hole"


def video_is_the_segments(case: Case) -> Iterator[str]:
    """`video.mp4` has exactly the frames that the segments hold for its range."""
    camera = case.camera
    shown = case.retrieved.keys()
    held = {
        frame
        for fragment in camera.fragments.values()
        for frame in fragment.frames
        if camera.asked(fragment.wall_us, margin_us=-case.gop_us)
    }
    inner = {
        frame
        for fragment in camera.fragments.values()
        for frame in fragment.frames
        if camera.asked(fragment.wall_us, margin_us=case.gop_us)
    }
    if inner - shown:
        yield f"{len(inner - shown)} frames are in segments but not in video.mp4, the first {min(inner - shown)}"
    if shown - held:
        yield f"{len(shown - held)} frames are in video.mp4 but in no segment, the first {min(shown - held)}"


def times_are_true(case: Case) -> Iterator[str]:
    """A frame lies on the timeline where the camera took it, within the tolerance.

    A camera counts its frames from 1970 at its frame rate, so the number tells when a frame was due. Its phase is what
    its most punctual frame was late by: the camera's own process may be kept waiting, its clock is not.
    """
    camera = case.camera
    if not camera.sent:
        return
    phase_us = min(each.sent_us - each.frame * camera.frame_us for each in camera.sent)
    wrong = [
        (seen, seen.wall_us - seen.frame * camera.frame_us - phase_us)
        for seen in camera.frames
        if abs(seen.wall_us - seen.frame * camera.frame_us - phase_us) > TOLERANCE_US
    ]
    if wrong:
        seen, off_us = max(wrong, key=lambda each: abs(each[1]))
        yield f"{len(wrong)} frames lie elsewhere on the timeline, the worst {seen.frame}, by {off_us / 1e6:.3f} s"


def chain_verifies(case: Case) -> Iterator[str]:
    """The hash chain of each run of the stream is unbroken."""
    yield from case.camera.chain_breaks


RULES: tuple[Callable[[Case], Iterator[str]], ...] = (
    not_empty,
    announced_is_retrieved,
    once_in_order,
    bytes_are_identical,
    loss_is_declared,
    spans_are_complete,
    loss_has_a_cause,
    gaps_are_tight,
    gaps_are_short,
    recording_resumes,
    timeline_is_whole,
    video_is_the_segments,
    times_are_true,
    chain_verifies,
)


def judge(
    camera: CameraEvidence, kills: Sequence[Kill], *, gop_us: int, recovery_us: int = RECOVERY_US
) -> list[Violation]:
    """Every broken promise of one camera."""
    case = Case(
        camera=camera,
        outages=outages(camera.sent, [kill for kill in kills if kill.at_us < camera.to_us], camera.to_us),
        gop_us=gop_us,
        recovery_us=recovery_us,
        retrieved={seen.frame: seen for seen in camera.frames},
    )
    return [Violation(rule=rule.__name__, camera=camera.name, detail=detail) for rule in RULES for detail in rule(case)]


def _clipped_us(gap: Interval, camera: CameraEvidence) -> int:
    return max(0, min(gap.end_us, camera.to_us) - max(gap.start_us, camera.from_us))


def _span(each: Interval) -> str:
    return f"{each.reason or 'span'} [{each.start_us}, {each.end_us})"


def _frame(each: Sent) -> str:
    return f"{each.frame} sent at {each.sent_us}"
