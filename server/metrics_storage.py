"""Metrics of what lies between cameras and object store: the spool, its disk, shipping, the catalog's journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client.core import Metric


def shipping(ship: dict[str, Any] | None) -> list[Metric]:
    """What waits in the spool for the object store."""
    if ship is None:
        return []
    return [
        gauge(
            "hulta_backlog_segments", "Sealed segments not yet in the object store.", ship.get("backlog_segments", 0)
        ),
        gauge("hulta_backlog_bytes", "Their size.", ship.get("backlog_bytes", 0)),
        gauge(
            "hulta_backlog_age_seconds",
            "Since when the oldest of them waits.",
            ship.get("oldest_waiting_age_us", 0) / 1_000_000,
        ),
        counter("hulta_stored_segments", "Segments stored by this shipping process.", ship.get("stored_segments", 0)),
        counter("hulta_stored_bytes", "Their size.", ship.get("stored_bytes", 0)),
        gauge(
            "hulta_store_failing",
            "1 while the object store takes nothing; segments that alone cannot be stored: hulta_failing_segments.",
            float(bool(ship.get("error"))),
        ),
        gauge("hulta_failing_segments", "Segments that are tried again.", ship.get("failing_segments", 0)),
        *_journal(ship.get("journal") or {}),
        *_spools(ship.get("spools", ())),
    ]


def _journal(journal: dict[str, Any]) -> list[Metric]:
    """What the store has still to be told of the catalog (docs/formats/catalog-journal.md)."""
    failing = gauge(
        "hulta_journal_failing", "1 while no journal object can be written.", float(bool(journal.get("error")))
    )
    if journal.get("waiting_changes") is None:
        return [failing]
    text = "Changes of the catalog that no journal object tells yet."
    return [failing, gauge("hulta_journal_waiting_changes", text, journal["waiting_changes"])]


def _spools(spools: Sequence[dict[str, Any]]) -> list[Metric]:
    """How full their disks are, and what that has cost."""
    metrics: list[Metric] = []
    for name, text, key, scale in _OF_SPOOLS:
        kind = CounterMetricFamily if name in _COUNTED else GaugeMetricFamily
        metric = kind(f"hulta_spool_{name}", text, labels=["spool"])
        for spool in spools:
            if spool.get("size_bytes") is not None and spool.get(key) is not None:
                metric.add_metric([spool["path"]], spool[key] / scale)
        metrics += [metric] if metric.samples else []
    return metrics


_OF_SPOOLS = (
    (
        "full_in_seconds",
        "Until the spool's disk is full, at the trend of 20 minutes; absent while it is not filling.",
        "full_in_us",
        1_000_000,
    ),
    ("lasts_seconds", "How long there would be room if from now on nothing were stored.", "lasts_us", 1_000_000),
    ("size_bytes", "Size of the spool's disk, as far as it may be used.", "size_bytes", 1),
    ("free_bytes", "Free space on the spool's disk.", "free_bytes", 1),
    ("step", "0, or the percentage at which the spool's present step begins.", "step", 1),
    ("given_up_segments", "Segments given up because the disk was full.", "given_up_segments", 1),
    ("given_up_bytes", "Their size.", "given_up_bytes", 1),
)
_COUNTED = frozenset({"given_up_segments", "given_up_bytes"})


def recorded_disks(record: dict[str, Any] | None) -> list[Metric]:
    """What the cameras need of each disk, what it could do when recording began, and whether it is in use."""
    spools = (record or {}).get("spools", ())
    words = {"measured": "What the spool's disk did when recording began", "needed": "What its cameras need of it"}
    metrics: list[Metric] = []
    for kind, text in words.items():
        for unit in ("bytes", "syncs"):
            metric = GaugeMetricFamily(f"hulta_spool_{kind}_{unit}_per_second", f"{text}, in {unit}.", labels=["spool"])
            for spool in spools:
                if spool.get(f"{kind}_{unit}_per_s") is not None:
                    metric.add_metric([spool["path"]], spool[f"{kind}_{unit}_per_s"])
            metrics += [metric] if metric.samples else []
    retired = GaugeMetricFamily("hulta_spool_retired", "1 for a spool that is not recorded on.", labels=["spool"])
    for spool in spools:
        retired.add_metric([spool["path"]], float(bool(spool["retired"])))
    return [*metrics, *([retired] if spools else [])]


def gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """A counter without labels; `_total` is added to its name."""
    return CounterMetricFamily(name, text, value=value)
