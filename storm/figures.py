"""The numbers of a storm, each named with its unit, so that a verdict can be judged in its turn."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import reduce
from operator import add
from statistics import median
from typing import TYPE_CHECKING, Any

from storm.examination import CameraReport, Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storm.facts import Strike
    from storm.outages import Outage
    from storm.plan import StormPlan


def figures(
    plan: StormPlan, reports: Sequence[CameraReport], strikes: Sequence[Strike], from_us: int, to_us: int
) -> dict[str, Any]:
    """All of them, as plain values."""
    total = reduce(add, (report.counts for report in reports), Counts())
    return {
        "seed": plan.seed,
        "cameras": len(reports),
        "range_s": _seconds(to_us - from_us),
        "frames_sent": total.sent,
        "frames_retrieved": total.retrieved,
        "frames_lost_declared": total.lost_declared,
        "frames_lost_undeclared": total.lost_undeclared,
        "frames_spoiled_and_missing": total.spoiled_missing,
        "frames_duplicated": total.duplicated,
        "frames_spoiled_on_their_way": total.spoiled,
        "frames_retrieved_altered": total.altered,
        "frames_retrieved_without_number": total.unmarked,
        "fragments_announced_durable": total.fragments_announced,
        "fragments_retrieved": total.fragments_retrieved,
        "fragments_given_up_on_a_full_disk": total.fragments_given_up,
        "fragments_flagged_as_damaged": total.fragments_damaged,
        "frames_of_sound_sent": total.sounds_sent,
        "frames_of_sound_retrieved": total.sounds_retrieved,
        **_gaps(reports),
        **_again(reports),
        "kills": dict(Counter(strike.role for strike in strikes if strike.kind == "kill")),
        "pauses": dict(Counter(strike.role for strike in strikes if strike.kind == "pause")),
        "faults": fault_figures(reports, strikes),
    }


def interrupted(report: CameraReport) -> list[Outage]:
    """The outages of a camera in which something is declared as not recorded; the others were ridden out."""
    return [
        outage
        for outage in report.outages
        if outage.recovered
        and any(gap.start_us < outage.end_us and gap.end_us > outage.lost_from_us for gap in report.gaps)
    ]


def fault_figures(reports: Sequence[CameraReport], strikes: Sequence[Strike]) -> dict[str, dict[str, Any]]:
    """What became of each kind of fault: how often, on how many cameras, and how soon they were recorded again.

    A camera's fault counts once for each camera; a kill or a pause once, and the cameras that it may have stopped.
    """
    times, cameras = Counter(strike.kind for strike in strikes), defaultdict(set)
    for report in reports:
        for fault in report.faults:
            times[fault.kind] += 1
            cameras[fault.kind].add(report.camera.name)
        for cause in (cause for outage in report.outages for cause in outage.causes):
            cameras[cause.kind].add(report.camera.name)
    again = _again_us(reports)
    return {
        kind: {
            "times": times[kind],
            "cameras": len(cameras[kind]),
            "outages": len(again[kind]),
            **_again_of(again[kind]),
        }
        for kind in sorted({*times, *again})
    }


def _gaps(reports: Sequence[CameraReport]) -> dict[str, Any]:
    declared_us = sum(report.declared_us for report in reports)
    allowed_us = sum(report.allowance_us for report in reports)
    shares = [report.declared_us / report.allowance_us for report in reports if report.allowance_us]
    return {
        "gaps": sum(len(report.gaps) for report in reports),
        "gaps_by_reason": dict(Counter(gap.reason for report in reports for gap in report.gaps).most_common()),
        "gaps_total_s": _seconds(declared_us),
        "gaps_allowed_s": _seconds(allowed_us),
        "gaps_of_allowance_percent": round(100 * declared_us / allowed_us, 1) if allowed_us else None,
        "gaps_of_allowance_worst_camera_percent": round(100 * max(shares), 1) if shares else None,
    }


def _again(reports: Sequence[CameraReport]) -> dict[str, Any]:
    found = [took_us for times in _again_us(reports).values() for took_us in times]
    return {"outages": len(found), **_again_of(found)}


def _again_us(reports: Sequence[CameraReport]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for report in reports:
        for outage in interrupted(report):
            found[outage.kind].append(outage.again_us)
    return found


def _again_of(found: Iterable[int]) -> dict[str, Any]:
    times = [*found]
    return {
        "recording_again_median_s": _seconds(median(times)) if times else None,
        "recording_again_worst_s": _seconds(max(times)) if times else None,
    }


def _seconds(microseconds: float) -> float:
    return round(microseconds / 1_000_000, 2)
