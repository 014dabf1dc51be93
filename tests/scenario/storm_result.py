"""A storm's verdict with its figures, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from tests.scenario.verdict import UNSAVED_US, outages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.scenario.storm_facts import CameraEvidence, Kill, Violation
    from tests.scenario.storm_system import Plan


@dataclass(slots=True, kw_only=True)
class Result:
    """What was found."""

    figures: dict[str, object] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was broken."""
        return not self.violations

    @property
    def rules_broken(self) -> set[str]:
        """The names of the rules that the evidence contradicts."""
        return {violation.rule for violation in self.violations}

    def __str__(self) -> str:
        """What a person reads."""
        lines = [f"{name:<32} {value}" for name, value in self.figures.items()]
        verdict = "PASSED" if self.passed else f"FAILED: {len(self.violations)} violations"
        return "\n".join([*lines, *map(str, self.violations), verdict])

    def to_json(self) -> str:
        """The same for programs."""
        found = [asdict(violation) for violation in self.violations]
        return json.dumps({"passed": self.passed, "figures": self.figures, "violations": found}, indent=1)


def figures(plan: Plan, cameras: Sequence[CameraEvidence], kills: Sequence[Kill]) -> dict[str, object]:
    """The numbers of a run."""
    retrieved = [{seen.frame for seen in camera.frames} for camera in cameras]
    sent = [{each.frame for each in camera.sent if camera.asked(each.sent_us)} for camera in cameras]
    return {
        "seed": plan.seed,
        "cameras": len(cameras),
        "range (s)": _seconds(max((camera.to_us - camera.from_us for camera in cameras), default=0)),
        "kills": len(kills),
        "kills by role": dict(Counter(kill.role for kill in kills)),
        "frames sent in the range": sum(map(len, sent)),
        "frames retrieved": sum(map(len, retrieved)),
        "frames sent, not retrieved": sum(len(s - r) for s, r in zip(sent, retrieved, strict=True)),
        "fragments retrieved": sum(len(camera.fragments) for camera in cameras),
        "fragments seen announced": sum(len(camera.announced) for camera in cameras),
        "gaps": sum(len(camera.gaps) for camera in cameras),
        "gap reasons": dict(Counter(gap.reason for camera in cameras for gap in camera.gaps)),
        **_times(plan, cameras, kills),
    }


def _times(plan: Plan, cameras: Sequence[CameraEvidence], kills: Sequence[Kill]) -> dict[str, object]:
    faults = [outages(camera.sent, kills, camera.to_us) for camera in cameras]
    gaps_us = [sum(gap.end_us - gap.start_us for gap in camera.gaps) for camera in cameras]
    allowed_us = [sum(o.end_us - o.start_us + UNSAVED_US + plan.gop_us for o in found) for found in faults]
    recovery_us = sorted(outage.end_us - outage.last_kill_us for found in faults for outage in found)
    shares = [gap / allowed for gap, allowed in zip(gaps_us, allowed_us, strict=True) if allowed]
    return {
        "gap per camera, worst (s)": _seconds(max(gaps_us, default=0)),
        "gap / allowance, worst": round(max(shares, default=0), 2),
        "recording again, median (s)": _seconds(recovery_us[len(recovery_us) // 2]) if recovery_us else None,
        "recording again, worst (s)": _seconds(recovery_us[-1]) if recovery_us else None,
    }


def _seconds(microseconds: int) -> float:
    return round(microseconds / 1_000_000, 2)
