"""Rules about all cameras together."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from storm.facts import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from storm.examination import CameraReport
    from storm.facts import Interval, Strike

CLASSES = ("low", "normal", "high")
"""The lowest first."""

STORE_AWAY = frozenset({"link-down", "link-vanished"})


def lowest_class_goes_first(
    reports: Sequence[CameraReport],
    classes: Mapping[str, str],
    strikes: Sequence[Strike],
    full: Sequence[Interval],
    segment_s: int,
) -> Iterator[str]:
    """On a full disk nothing of a camera is given up while a camera of a lower class has footage there.

    Judged is what was recorded while the store was away, and only if it was away for as long as the disk was full: then
    all of it was in the spool, the lower camera's, too, once its segment was sealed.
    """
    for away in (strike for strike in strikes if strike.kind in STORE_AWAY and strike.role == "store"):
        if any(away.at_us < each.end_us and each.end_us > away.end_us for each in full):
            continue
        for report, lower in product(reports, reports):
            lost_us = [each for each in report.given_up_us if away.at_us < each < away.end_us]
            if not lost_us or _rank(lower, classes) >= _rank(report, classes):
                continue
            sealed_us = lost_us[-1] - (segment_s + 1) * SECOND_US
            kept = [span for span in lower.spans if span.end_us > away.at_us and span.start_us < sealed_us]
            if kept:
                yield f"{report.camera.name} lost what ended at {lost_us[-1]}, {lower.camera.name} kept the {kept[0]}"


def _rank(report: CameraReport, classes: Mapping[str, str]) -> int:
    return CLASSES.index(classes[report.camera.name])
