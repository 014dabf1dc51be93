"""Whether the spool's disk can keep up with the cameras: what they need, against what was measured at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from storage.spool_probe import DiskProbe, DiskRate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ingest.assignments import Assignment

ASSUMED_BPS = 4_000_000
"""Of a camera whose bitrate nobody has stated: that of a city's, 1080p25."""

PER_CENT = 70
"""Of what was measured counts as what there is: `ship` reads every byte again, and a quarter of a second flatters."""

log = structlog.get_logger()


def needed(assignments: Iterable[Assignment]) -> DiskRate:
    """A fragment of each stream a second is one sync; each segment has another for its seal and one for its name."""
    bits = syncs_millis = 0
    for assignment in assignments:
        bits += assignment.bitrate_bps or ASSUMED_BPS
        syncs_millis += 1000 + 2 * 1_000_000_000 // assignment.segment_us
    return DiskRate(bits // 8, -(-syncs_millis // 1000))


def shortfall(need: DiskRate, measured: DiskRate) -> str:
    """What will not fit, with the figures; "" if all does. A figure of 0 was not measured."""
    short = [
        f"{what(wants)} (it did {what(has)})"
        for wants, has, what in zip(need, measured, (_megabytes, _syncs), strict=True)
        if has and wants * 100 > has * PER_CENT
    ]
    if not short:
        return ""
    words = " and ".join(short)
    return f"the spool's disk may not keep up with its cameras: they need {words}, of which {PER_CENT} % count"


class DiskNeed:
    """Compares the two, says so once, and again when either changes."""

    def __init__(self, spool: Path) -> None:
        self._probe = DiskProbe(spool)
        self._need = DiskRate(0, 0)
        self._warning = ""

    def start(self) -> None:
        """Measure, beside everything else."""
        self._probe.start()

    def assign(self, assignments: Iterable[Assignment]) -> None:
        """These streams are to be recorded."""
        self._need = needed(assignments)

    def look(self) -> None:
        """Once a second or so: say what is new."""
        warning = "" if self._probe.rate is None else shortfall(self._need, self._probe.rate)
        if warning and warning != self._warning:
            log.warning("disk_too_slow", warning=warning)
        self._warning = warning

    def state(self) -> dict[str, Any]:
        """JSON-ready."""
        rate = self._probe.rate
        return {
            "measured_bytes_per_s": None if rate is None else rate.bytes_per_s,
            "measured_syncs_per_s": None if rate is None else rate.syncs_per_s,
            "needed_bytes_per_s": self._need.bytes_per_s,
            "needed_syncs_per_s": self._need.syncs_per_s,
            "warning": self._warning,
        }


def _megabytes(bytes_per_s: int) -> str:
    return f"{bytes_per_s / 1e6:.1f} MB/s"


def _syncs(syncs_per_s: int) -> str:
    return f"{syncs_per_s} syncs/s"
