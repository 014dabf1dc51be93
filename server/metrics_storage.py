"""Metrics of what lies between cameras and object store: the spool, its disk, shipping, the catalog's journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
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
        *_spool(ship.get("spool") or {}),
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


def _spool(spool: dict[str, Any]) -> list[Metric]:
    """How full its disk is, and what that has cost."""
    if spool.get("size_bytes") is None:
        return []
    given_up = "Segments given up because the disk was full."
    forecasts = {
        "full_in": "Until the spool's disk is full, at the trend of 20 minutes; absent while it is not filling.",
        "lasts": "How long there would be room if from now on nothing were stored.",
    }
    return [
        *(
            gauge(f"hulta_spool_{name}_seconds", text, spool[f"{name}_us"] / 1_000_000)
            for name, text in forecasts.items()
            if spool.get(f"{name}_us") is not None
        ),
        gauge("hulta_spool_size_bytes", "Size of the spool's disk, as far as it may be used.", spool["size_bytes"]),
        gauge("hulta_spool_free_bytes", "Free space on the spool's disk.", spool["free_bytes"]),
        gauge("hulta_spool_step", "0, or the percentage at which the spool's present step begins.", spool["step"]),
        counter("hulta_spool_given_up_segments", given_up, spool["given_up_segments"]),
        counter("hulta_spool_given_up_bytes", "Their size.", spool["given_up_bytes"]),
    ]


def disk_need(record: dict[str, Any] | None) -> list[Metric]:
    """What the cameras need of the spool's disk, and what it could do when recording began."""
    spool = (record or {}).get("spool") or {}
    words = {"measured": "What the spool's disk did when recording began", "needed": "What its cameras need of it"}
    return [
        gauge(f"hulta_spool_{kind}_{unit}_per_second", f"{words[kind]}, in {unit}.", spool[f"{kind}_{unit}_per_s"])
        for kind in words
        for unit in ("bytes", "syncs")
        if spool.get(f"{kind}_{unit}_per_s") is not None
    ]


def gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """A counter without labels; `_total` is added to its name."""
    return CounterMetricFamily(name, text, value=value)
