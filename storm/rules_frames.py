"""Rules about what came back: each frame once, in order, as it was sent, where it belongs; damage only where it was."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from storm.costs import COSTS
from storm.facts import EDGE_US, SECOND_US, TOLERANCE_US, UNKNOWN, Seen
from storm.rules_loss import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storm.case import Case
    from storm.facts import Fragment

FRAGMENT_US = SECOND_US
"""A packet that is missed is told of in the fragment of the next frame, which may be the next fragment."""


def once_in_order(case: Case) -> Iterator[str]:
    """Each frame of R exactly once, in the order it was sent."""
    known = [seen for seen in case.camera.frames if seen.frame != UNKNOWN]
    wrong = [(one.frame, two.frame) for one, two in pairwise(known) if two.frame <= one.frame]
    if wrong:
        before, after = wrong[0]
        yield f"{len(wrong)} frames repeated or out of order, the first: {after} after {before}"
    yield from _too_many_unmarked(case)


def _too_many_unmarked(case: Case) -> Iterator[str]:
    """Frames without a number are not more than were spoiled between their neighbours that have one."""
    spoiled = sorted(case.spoiled)
    before, unmarked = 0, 0
    for seen in (*case.camera.frames, Seen(sys.maxsize, 0, 0, intact=True)):
        if seen.frame == UNKNOWN:
            unmarked += 1
            continue
        most = bisect_right(spoiled, seen.frame) - bisect_left(spoiled, before)
        if unmarked > most:
            yield f"{unmarked} frames without a number after {before}, where {most} were spoiled"
        before, unmarked = seen.frame, 0


def bytes_are_identical(case: Case) -> Iterator[str]:
    """The NAL units of every frame are the ones that were sent, unless it was spoiled and its fragment says so."""
    foreign = [
        seen.frame for seen in case.camera.frames if seen.frame not in case.crcs and not _is_owned_up(seen, case)
    ]
    if foreign:
        yield f"{len(foreign)} retrieved frames were never sent, the first {foreign[0]}"
    changed = [
        seen.frame
        for seen in case.camera.frames
        if seen.frame in case.crcs and is_altered(seen, case) and not _is_owned_up(seen, case)
    ]
    if changed:
        yield f"{len(changed)} frames with other bytes than were sent, the first {changed[0]}"


def is_altered(seen: Seen, case: Case) -> bool:
    """Whether a frame's bytes are not those that were sent."""
    return not seen.intact or seen.crc32 not in case.crcs.get(seen.frame, ())


def _is_owned_up(seen: Seen, case: Case) -> bool:
    """Whether a frame with other bytes was spoiled on its way, and is in a fragment that says that packets are missing.

    One without a mark cannot be told from another by its number, but by what it hashes to.
    """
    spoiled = seen.frame == UNKNOWN or seen.frame in case.spoiled
    return spoiled and (seen.frame, seen.crc32) in case.damaged_frames


def spoiled_is_declared(case: Case) -> Iterator[str]:
    """A spoiled frame that did not come back lies in a gap, or a fragment beside it says that packets are missing."""
    silent = [
        each
        for each in case.spoiled.values()
        if case.camera.asked(each.sent_us, 2 * TOLERANCE_US + FRAGMENT_US)
        and each.frame not in case.retrieved
        and not case.is_declared(each)
        and not any(_is_near(fragment, each.sent_us, case) for fragment in case.damaged)
    ]
    if silent:
        yield f"{len(silent)} spoiled frames are missing and nothing says so, the first {describe(silent[0])}"


def damage_has_a_cause(case: Case) -> Iterator[str]:
    """A fragment says that packets are missing only where a frame was spoiled, or packets had to look lost.

    Or where footage of B-frames ends: some that are shown before the last one of them were never sent.
    """
    spoiled = [each.sent_us for each in case.spoiled.values()]
    windows = [fault for fault in case.camera.faults if COSTS[fault.kind].spoils]
    wrong = [
        fragment
        for fragment in case.damaged
        if case.camera.asked(fragment.start_us)
        and not _ends_between_b_frames(fragment, case)
        and not any(_is_near(fragment, sent_us, case) for sent_us in spoiled)
        and not any(
            fragment.start_us - FRAGMENT_US - TOLERANCE_US <= window.end_us
            and window.start_us <= fragment.end_us + TOLERANCE_US
            for window in windows
        )
    ]
    if wrong:
        first = wrong[0]
        yield (
            f"{len(wrong)} fragments say that packets are missing where none was lost, the first "
            f"[{first.start_us}, {first.end_us}) with {first.lost_packets}"
        )


def _ends_between_b_frames(fragment: Fragment, case: Case) -> bool:
    return case.camera.shift_us > 0 and any(abs(gap.start_us - fragment.end_us) <= EDGE_US for gap in case.camera.gaps)


def _is_near(fragment: Fragment, sent_us: int, case: Case) -> bool:
    margin_us = case.tolerance_us(sent_us)
    return fragment.start_us - FRAGMENT_US - margin_us <= sent_us <= fragment.end_us + margin_us


def video_is_the_segments(case: Case) -> Iterator[str]:
    """`video.mp4` has exactly the frames that the segments hold for its range."""
    camera = case.camera
    shown = Counter(map(_named, camera.frames))
    frames = [seen for fragment in camera.fragments.values() for seen in fragment.frames]
    held = Counter(_named(seen) for seen in frames if camera.asked(seen.wall_us, -EDGE_US - camera.shift_us))
    inner = Counter(_named(seen) for seen in frames if camera.asked(seen.wall_us, EDGE_US - camera.shift_us))
    if hidden := inner - shown:
        yield f"{hidden.total()} frames are in segments but not in video.mp4, the first {min(hidden)[0]}"
    if strange := shown - held:
        yield f"{strange.total()} frames are in video.mp4 but in no segment, the first {min(strange)[0]}"


def _named(seen: Seen) -> tuple[int, int]:
    return seen.frame, seen.crc32


def times_are_true(case: Case) -> Iterator[str]:
    """A frame lies on the timeline where the camera took it, within the tolerance."""
    wrong = [
        (seen, off_us)
        for seen in case.stored.values()
        if seen.frame in case.crcs
        and abs(off_us := seen.wall_us - case.time.taken_us(seen.frame)) > TOLERANCE_US  # the quick look
        and abs(off_us) > case.tolerance_us(case.time.taken_us(seen.frame))
    ]
    if wrong:
        seen, off_us = max(wrong, key=lambda each: abs(each[1]))
        yield f"{len(wrong)} frames lie elsewhere on the timeline, the worst {seen.frame}, by {off_us / 1e6:.3f} s"


def video_keeps_time(case: Case) -> Iterator[str]:
    """In `video.mp4` a frame is shown where it lies on the timeline.

    A file keeps the camera's own pace inside a span, so a clock that has lied is still seen in it when the timeline has
    long been set right.
    """
    drifted_us = case.time.drifted_us
    lies = sorted((fault.start_us - TOLERANCE_US, COSTS[fault.kind].off_by_us) for fault in case.camera.faults)
    worst = [*accumulate((off_us for _, off_us in lies), max, initial=TOLERANCE_US)]
    wrong = [
        (seen, off_us)
        for seen in case.retrieved.values()
        if seen.frame in case.stored
        and abs(off_us := seen.wall_us - (at_us := case.stored[seen.frame].wall_us)) > TOLERANCE_US
        and abs(off_us) > worst[bisect_right(lies, (at_us, sys.maxsize))] + drifted_us
    ]
    if wrong:
        seen, off_us = max(wrong, key=lambda each: abs(each[1]))
        yield f"{len(wrong)} frames are shown elsewhere in video.mp4, the worst {seen.frame}, by {off_us / 1e6:.3f} s"
