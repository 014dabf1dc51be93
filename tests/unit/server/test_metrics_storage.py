"""What Prometheus is told of spool and store: numbers that an alert rule can compare."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from server.metrics_storage import recorded_disks, shipping

SHIP: dict[str, Any] = {
    "backlog_segments": 7,
    "backlog_bytes": 7000,
    "oldest_waiting_age_us": 90_000_000,
    "stored_segments": 12,
    "stored_bytes": 12_000,
    "failing_segments": 2,
    "error": "s3://footage cannot be reached",
    "journal": {"objects": 3, "waiting_changes": 4, "error": None},
    "spools": [
        {
            "path": "/srv/a",
            "size_bytes": 1000,
            "free_bytes": 400,
            "step": 0,
            "given_up_segments": 5,
            "given_up_bytes": 6,
            "full_in_us": 3_600_000_000,
            "lasts_us": 7_200_000_000,
        }
    ],
}


class Given:
    """A collector of metrics that are there already."""

    def __init__(self, ship: dict[str, Any] | None, record: dict[str, Any] | None = None) -> None:
        self._ship, self._record = ship, record

    def collect(self) -> list[Any]:
        """These."""
        return [*shipping(self._ship), *recorded_disks(self._record)]


def told(ship: dict[str, Any] | None, record: dict[str, Any] | None = None) -> dict[str, float]:
    """Name and value of what is told of documents."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Given(ship, record))  # type: ignore[arg-type]
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
        'hulta_spool_full_in_seconds{spool="/srv/a"}': 3600,
        'hulta_spool_lasts_seconds{spool="/srv/a"}': 7200,
        'hulta_spool_size_bytes{spool="/srv/a"}': 1000,
        'hulta_spool_free_bytes{spool="/srv/a"}': 400,
        'hulta_spool_step{spool="/srv/a"}': 0,
        'hulta_spool_given_up_segments_total{spool="/srv/a"}': 5,
        'hulta_spool_given_up_bytes_total{spool="/srv/a"}': 6,
    }


def test_a_disk_that_does_not_fill_has_no_time_until_it_is_full() -> None:
    """An alert rule that compares finds nothing, which is right."""
    well = {**SHIP, "error": None, "spools": [{**SHIP["spools"][0], "full_in_us": None, "lasts_us": None}]}
    names = told(well)
    assert names["hulta_store_failing"] == 0
    assert not [name for name in names if "_full_in_" in name or "_lasts_" in name]


def test_each_disk_of_several_is_told_and_whether_it_is_in_use() -> None:
    """One that failed is what the alert rule looks for."""
    need = {"measured_bytes_per_s": 9, "needed_bytes_per_s": 3}
    used, failed = {"path": "/srv/a", "retired": "", **need}, {"path": "/srv/b", "retired": "EIO"}
    assert told(None, {"spools": [used, failed]}) == {
        'hulta_spool_measured_bytes_per_second{spool="/srv/a"}': 9,
        'hulta_spool_needed_bytes_per_second{spool="/srv/a"}': 3,
        'hulta_spool_retired{spool="/srv/a"}': 0,
        'hulta_spool_retired{spool="/srv/b"}': 1,
    }


def test_a_shipper_that_is_down_is_left_out() -> None:
    """`hulta_up` says so."""
    assert told(None) == {}
