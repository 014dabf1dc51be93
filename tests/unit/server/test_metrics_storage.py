"""What Prometheus is told of spool and store: numbers that an alert rule can compare."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from server.metrics_storage import disk_need, shipping

SHIP: dict[str, Any] = {
    "backlog_segments": 7,
    "backlog_bytes": 7000,
    "oldest_waiting_age_us": 90_000_000,
    "stored_segments": 12,
    "stored_bytes": 12_000,
    "failing_segments": 2,
    "error": "s3://footage cannot be reached",
    "journal": {"objects": 3, "waiting_changes": 4, "error": None},
    "spool": {
        "size_bytes": 1000,
        "free_bytes": 400,
        "step": 0,
        "given_up_segments": 5,
        "given_up_bytes": 6,
        "full_in_us": 3_600_000_000,
        "lasts_us": 7_200_000_000,
    },
}


class Given:
    """A collector of metrics that are there already."""

    def __init__(self, ship: dict[str, Any] | None) -> None:
        self._ship = ship

    def collect(self) -> list[Any]:
        """These."""
        return [*shipping(self._ship), *disk_need(None)]


def told(ship: dict[str, Any] | None) -> dict[str, float]:
    """Name and value of what is told of a document."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Given(ship))  # type: ignore[arg-type]
    lines = generate_latest(registry).decode().splitlines()
    pairs = [line.split() for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_backlog_store_journal_and_disk_are_told() -> None:
    """In bytes and seconds."""
    assert told(SHIP) == {
        "hulta_backlog_segments": 7,
        "hulta_backlog_bytes": 7000,
        "hulta_backlog_age_seconds": 90,
        "hulta_stored_segments_total": 12,
        "hulta_stored_bytes_total": 12_000,
        "hulta_store_failing": 1,
        "hulta_failing_segments": 2,
        "hulta_journal_failing": 0,
        "hulta_journal_waiting_changes": 4,
        "hulta_spool_full_in_seconds": 3600,
        "hulta_spool_lasts_seconds": 7200,
        "hulta_spool_size_bytes": 1000,
        "hulta_spool_free_bytes": 400,
        "hulta_spool_step": 0,
        "hulta_spool_given_up_segments_total": 5,
        "hulta_spool_given_up_bytes_total": 6,
    }


def test_a_disk_that_does_not_fill_has_no_time_until_it_is_full() -> None:
    """An alert rule that compares finds nothing, which is right."""
    well = {**SHIP, "error": None, "spool": {**SHIP["spool"], "full_in_us": None, "lasts_us": None}}
    names = told(well)
    assert names["hulta_store_failing"] == 0
    assert not {"hulta_spool_full_in_seconds", "hulta_spool_lasts_seconds"} & set(names)


def test_a_shipper_that_is_down_is_left_out() -> None:
    """`hulta_up` says so."""
    assert told(None) == {}
