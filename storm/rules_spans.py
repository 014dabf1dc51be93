"""Rules about spans: what the timeline calls recorded is there, and what is not there is a gap as long as the hole."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from storm.facts import EDGE_US, SECOND_US, TOLERANCE_US, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from storm.case import Case
    from storm.facts import Interval, Seen

SILENT_US = 3 * SECOND_US
"""A camera that sends nothing for longer within a session leaves a gap; less is a frame that is shown for long."""


def spans_are_complete(case: Case) -> Iterator[str]:
    """Between two frames of R from which whole ones are missing lies a gap, and it is as long as what is missing."""
    asked = [each.frame for each in case.whole.values() if case.camera.asked(each.sent_us)]
    place = {frame: index for index, frame in enumerate(asked)}
    known = [case.stored.get(frame, seen) for frame, seen in sorted(case.retrieved.items()) if frame in place]
    holes = []
    for one, two in pairwise(known):
        missing = asked[place[one.frame] + 1 : place[two.frame]]
        if missing and not _is_gap(case, one, two, missing[0], missing[-1]):
            holes.append((one, two))
    if holes:
        one, two = holes[0]
        yield f"{len(holes)} holes inside spans, the first between frames {one.frame} and {two.frame}"


def _is_gap(case: Case, one: Seen, two: Seen, first: int, last: int) -> bool:
    """Whether gaps between two frames reach from the first to the last one missing, by the timeline's own time."""
    frame_us = SECOND_US // case.camera.fps
    found = [gap for gap in case.camera.gaps if gap.start_us < two.wall_us and gap.end_us > one.wall_us]
    slack_us = TOLERANCE_US + case.camera.shift_us + frame_us
    from_us = one.wall_us + (first - one.frame) * frame_us + slack_us
    to_us = two.wall_us - (two.frame - last) * frame_us - slack_us
    return bool(found) and min(found).start_us <= from_us and max(gap.end_us for gap in found) >= to_us


def spans_are_footage(case: Case) -> Iterator[str]:
    """A span begins and ends with a frame, and goes on without one only while a session was silent for a moment.

    It may also lack frames that were spoiled: `spoiled_is_declared` is about them.
    """
    stored = sorted(
        (seen.wall_us, seen.frame) for fragment in case.camera.fragments.values() for seen in fragment.frames
    )
    for span in joined(case.camera.spans):
        inside = stored[bisect_left(stored, (span.start_us - EDGE_US,)) : bisect_left(stored, (span.end_us,))]
        points = [(span.start_us, UNKNOWN), *inside, (span.end_us, UNKNOWN)]
        wrong = [(one, two) for one, two in pairwise(points) if _is_empty(case, one, two)]
        if wrong:
            (start_us, _), (end_us, _) = wrong[0]
            yield f"{span} has no footage from {start_us} for {(end_us - start_us) / 1e6:.2f} s"


def joined(spans: Iterable[Interval]) -> list[Interval]:
    """Spans with nothing between them are one."""
    result: list[Interval] = []
    for span in sorted(spans):
        if result and span.start_us <= result[-1].end_us + EDGE_US:
            result[-1] = result[-1]._replace(end_us=max(span.end_us, result[-1].end_us))
        else:
            result.append(span)
    return result


def _is_empty(case: Case, one: tuple[int, int], two: tuple[int, int]) -> bool:
    """Whether there is less between two points of a span than there should be."""
    (start_us, before), (end_us, after) = one, two
    frames_us = 2 * SECOND_US // case.camera.fps + case.camera.shift_us
    long_us = end_us - start_us - frames_us - TOLERANCE_US
    if long_us <= 0:
        return False
    sessions = {case.whole[frame].session if frame in case.whole else None for frame in (before, after)}
    if long_us <= SILENT_US and len(sessions) == 1 and None not in sessions:
        return False
    margin_us = max(case.tolerance_us(start_us), case.tolerance_us(end_us))
    missing = (each for each in case.spoiled.values() if each.frame not in case.retrieved)
    return not any(start_us - margin_us <= case.time.taken_us(each.frame) <= end_us + margin_us for each in missing)
