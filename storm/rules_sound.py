"""Rules about sound: each frame once, in order, as it was sent; none is missing beside its pictures without a word."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from storm.facts import SECOND_US
from storm.rules_loss import describe
from storm.rules_spans import joined
from storm.sound import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from storm.case import Case
    from storm.facts import Interval, Sent

FRAGMENT_US = SECOND_US
"""What is missed is told of in the fragment of the next frame."""

LATE_US = 300_000
"""Sound comes later than the pictures beside it and is written with the next: so much of it may be missing where
footage ends, with the pictures behind it; and where it begins, before the first frame of sound came."""


def sound_is_what_was_sent(case: Case) -> Iterator[str]:
    """Every stored frame of sound was sent about then; each is there once, and in order."""
    camera = case.camera
    if camera.sounds and not camera.sound_sent:
        yield f"{len(camera.sounds)} fragments of sound of a camera that was not to be heard"
        return
    if camera.sound_sent and not camera.sounds:
        yield "no fragment of sound was retrieved: the run proves nothing about it"
    stored = [*numbers([heard for each in camera.sounds for heard in each.frames], camera.sound_sent)]
    if foreign := stored.count(None):
        yield f"{foreign} frames of sound were never sent, or not then"
    known = [number for number in stored if number is not None]
    wrong = [(one, two) for one, two in pairwise(known) if two <= one]
    if wrong:
        before, after = wrong[0]
        yield f"{len(wrong)} frames of sound repeated or out of order, the first: {after} after {before}"


def sound_loss_is_declared(case: Case) -> Iterator[str]:
    """A frame of sound sent while its pictures were recorded is stored, or a fragment beside it says some is lost."""
    camera = case.camera
    stored = {*numbers([heard for each in camera.sounds for heard in each.frames], camera.sound_sent)}
    damaged = [each for each in camera.sounds if each.lost_packets]
    spans = joined(camera.spans)
    silent = []
    for each in camera.sound_sent:
        if each.frame in stored or not _beside_pictures(each, spans, case):
            continue
        margin_us = case.tolerance_us(each.sent_us)
        if not any(
            fragment.start_us - FRAGMENT_US - margin_us <= each.sent_us <= fragment.end_us + margin_us
            for fragment in damaged
        ):
            silent.append(each)
    if silent:
        yield f"{len(silent)} frames of sound are missing and nothing says so, the first {describe(silent[0])}"


def _beside_pictures(each: Sent, spans: Sequence[Interval], case: Case) -> bool:
    """Whether a frame that could arrive was sent surely while pictures were recorded."""
    if not each.whole and not case.loses(each.sent_us):
        return False
    margin_us = case.tolerance_us(each.sent_us) + LATE_US
    inside = any(span.start_us + margin_us <= each.sent_us < span.end_us - margin_us for span in spans)
    return inside and case.camera.asked(each.sent_us)
