"""A storm's verdict with its figures, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from storm.examination import CameraReport
    from storm.facts import Strike, Violation

SHOWN = 40
"""Violations that are printed; the JSON has them all."""

HINTS = {
    "recording_resumes": (
        "recording_resumes is the first rule to fail where the host is too small: see what it ran out of, or try the "
        "same storm with fewer cameras"
    )
}
"""What may be behind a broken rule, for people."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What was found. The range asked for is `[from_us, to_us)`; the script began at `began_us`."""

    from_us: int = 0
    to_us: int = 0
    began_us: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    reports: Sequence[CameraReport] = ()
    strikes: Sequence[Strike] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was broken."""
        return not self.violations

    @property
    def rules_broken(self) -> set[str]:
        """The names of the rules that the evidence contradicts."""
        return {violation.rule for violation in self.violations}

    @property
    def hints(self) -> list[str]:
        """What may be behind the violations, each once."""
        return [hint for rule, hint in HINTS.items() if rule in self.rules_broken]

    def __str__(self) -> str:
        """What a person reads."""
        lines = [*figure_lines(self.figures), *map(str, self.violations[:SHOWN])]
        if len(self.violations) > SHOWN:
            lines.append(f"... and {len(self.violations) - SHOWN} more")
        lines += [f"hint: {hint}" for hint in self.hints]
        lines.append("PASSED" if self.passed else f"FAILED: {len(self.violations)} violations")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The same for programs, and what became of each camera. Instants are microseconds UTC."""
        document = {
            "passed": self.passed,
            "from_us": self.from_us,
            "to_us": self.to_us,
            "began_us": self.began_us,
            "figures": self.figures,
            "violations": [asdict(violation) for violation in self.violations],
            "strikes": [strike._asdict() for strike in self.strikes],
            "cameras": [camera_json(report) for report in self.reports],
        }
        return json.dumps(document, indent=1)


def figure_lines(figures: dict[str, Any]) -> Iterator[str]:
    """One line for each figure, its unit in the last word of the name."""
    for name, value in figures.items():
        words = name.replace("_", " ")
        if name != "faults":
            shown = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value
            yield f"{words:<44} {'-' if shown in {None, ''} else shown}"
    for kind, row in figures.get("faults", {}).items():
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items() if value is not None)
        yield f"fault {kind:<38} {shown}"


def camera_json(report: CameraReport) -> dict[str, Any]:
    """One camera for programs."""
    return {
        "name": report.camera.name,
        "site": report.camera.site,
        **asdict(report.counts),
        "gaps_s": report.declared_us / 1e6,
        "gaps_allowed_s": report.allowance_us / 1e6,
        "gaps": [gap._asdict() for gap in report.gaps],
        "faults": [{**fault._asdict(), "parameters": dict(fault.parameters)} for fault in report.faults],
        "outages": [
            {
                "start_us": outage.start_us,
                "end_us": outage.end_us,
                "kind": outage.kind,
                "again_s": outage.again_us / 1e6,
            }
            for outage in report.outages
        ],
    }
