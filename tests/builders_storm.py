"""Builders for the storm's verdict: what is known of a camera after a storm, made up.

A camera sends 25 frames a second from START on; `record` is killed at 20 s, having lost what was not yet durable, and
the camera sends to a new session from 23 s on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from storm.costs import KILL_US
from storm.facts import CameraEvidence, FaultWindow, Fragment, FragmentId, Interval, Seen, Sent, Strike, Violation
from storm.verdict import case_of, judge

SECOND = 1_000_000
START = 1_800_000_000 * SECOND
FPS = 25
FRAME = SECOND // FPS
FIRST = START // FRAME
"""The number of the frame at START: cameras count from 1970."""

CRC = 7


def at(seconds: float) -> int:
    """An instant of the storm."""
    return START + round(seconds * SECOND)


KILLS = (Strike(at(20), "record"), Strike(at(25), "serve"))


def sent_frames(*, until: float = 40, died: float = 20, again: float = 23) -> list[Sent]:
    """What the camera logs: 25 frames a second, but nobody is connected from `died` to `again`."""
    frames = []
    for number in range(round(until * FPS)):
        sent_us = START + number * FRAME
        if sent_us < at(died):
            frames.append(Sent(FIRST + number, sent_us, CRC, 1))
        elif sent_us >= at(again):
            frames.append(Sent(FIRST + number, sent_us, CRC, 2))
    return frames


def seen(sent: Sent) -> Seen:
    """The frame as it comes back."""
    return Seen(sent.frame, sent.frame * FRAME, sent.crc32, True)


def fragments_of(kept: list[Sent], *, later_run_from: float = 20) -> dict[FragmentId, Fragment]:
    """One for each second; a new run from some second on."""
    fragments: dict[FragmentId, Fragment] = {}
    for second in range(60):
        frames = tuple(seen(each) for each in kept if at(second) <= each.frame * FRAME < at(second + 1))
        if frames:
            key = FragmentId(1 if second < later_run_from else 2, 1, 0, second)
            fragments[key] = Fragment(frames, frames[0].wall_us, frames[-1].wall_us + FRAME, True)
    return fragments


def ends_of(fragments: Mapping[FragmentId, Fragment], *, but_last: int = 0) -> dict[FragmentId, int]:
    """As they are announced, all or all but the last ones."""
    return {key: fragments[key].end_us for key in list(fragments)[: len(fragments) - but_last]}


def evidence(*, durable: float = 19, died: float = 20, again: float = 23, reason: str = "crash") -> CameraEvidence:
    """A clean storm: everything but [durable, again) came back, and that is one declared gap."""
    sent = sent_frames(died=died, again=again)
    kept = [each for each in sent if not at(durable) <= each.sent_us < at(again)]
    fragments = fragments_of(kept)
    return CameraEvidence(
        name="cam-1",
        from_us=at(1),
        to_us=at(39),
        fps=FPS,
        gop_us=SECOND,
        sent=sent,
        announced=ends_of(fragments, but_last=2),
        fragments=fragments,
        frames=[seen(each) for each in kept if at(1) <= each.sent_us < at(39)],
        spans=[Interval(at(0), at(durable)), Interval(at(again), at(39))],
        gaps=[Interval(at(durable), at(again), reason)],
    )


def undisturbed() -> CameraEvidence:
    """A camera to which nothing happened."""
    sent = sent_frames(died=40)
    fragments = fragments_of(sent, later_run_from=60)
    return replace(
        evidence(),
        sent=sent,
        fragments=fragments,
        announced=ends_of(fragments),
        frames=[seen(each) for each in sent if at(1) <= each.sent_us < at(39)],
        spans=[Interval(at(0), at(39))],
        gaps=[],
    )


def fault(kind: str, start: float, end: float | None = None, **parameters: object) -> FaultWindow:
    """A fault of the camera; without an end it happens in an instant."""
    return FaultWindow(kind, at(start), at(start if end is None else end), 1, tuple(sorted(parameters.items())))


def verdict(
    camera: CameraEvidence,
    strikes: tuple[Strike, ...] = KILLS,
    *,
    kill_us: int = KILL_US,
    full: tuple[Interval, ...] = (),
) -> list[Violation]:
    """Every broken promise; the spool's disk was `full`."""
    return judge(case_of(camera, strikes, kill_us=kill_us, full=full))


def rules_broken(
    camera: CameraEvidence, strikes: tuple[Strike, ...] = KILLS, *, full: tuple[Interval, ...] = ()
) -> set[str]:
    """The names of the rules that the evidence contradicts."""
    return {violation.rule for violation in verdict(camera, strikes, full=full)}


def spoil(camera: CameraEvidence, frame: int) -> CameraEvidence:
    """The same camera, but a frame did not leave it whole."""
    sent = [each._replace(whole=False) if each.frame == frame else each for each in camera.sent]
    return replace(camera, sent=sent)


def alter(camera: CameraEvidence, number: int, *, lost_packets: int, **changed: object) -> CameraEvidence:
    """The same camera, but a frame came back otherwise; its fragment says that so many packets are missing."""

    def altered(one: Seen) -> Seen:
        return one._replace(**changed) if one.frame == number else one  # type: ignore[arg-type]

    fragments = {
        key: fragment._replace(
            frames=tuple(map(altered, fragment.frames)),
            lost_packets=lost_packets if any(one.frame == number for one in fragment.frames) else fragment.lost_packets,
        )
        for key, fragment in camera.fragments.items()
    }
    return replace(camera, fragments=fragments, frames=[altered(one) for one in camera.frames])


def without(camera: CameraEvidence, *frames: int, lost_packets: int = 0) -> CameraEvidence:
    """The same camera, but frames did not come back; their fragments say that so many packets are missing."""
    lost = {*frames}
    fragments = {
        key: fragment._replace(
            frames=tuple(one for one in fragment.frames if one.frame not in lost),
            lost_packets=lost_packets if any(one.frame in lost for one in fragment.frames) else 0,
        )
        for key, fragment in camera.fragments.items()
    }
    return replace(camera, fragments=fragments, frames=[one for one in camera.frames if one.frame not in lost])


def moved(camera: CameraEvidence, by_us: int, *, first: int, stop: int) -> CameraEvidence:
    """The same camera, but frames `first` to `stop` lie elsewhere on the timeline, and so in the video."""

    def move(one: Seen) -> Seen:
        return one._replace(wall_us=one.wall_us + by_us) if first <= one.frame < stop else one

    fragments = {
        key: fragment._replace(frames=tuple(map(move, fragment.frames))) for key, fragment in camera.fragments.items()
    }
    return replace(camera, fragments=fragments, frames=[move(one) for one in camera.frames])
