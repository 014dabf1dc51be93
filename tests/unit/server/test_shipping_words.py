"""What an operator is told about shipping: nothing while all is well, else what fails, what waits, that it is safe."""

from __future__ import annotations

from typing import Any

from server.shipping_words import shipping_words

WELL: dict[str, Any] = {
    "error": None,
    "backlog_segments": 3,
    "backlog_bytes": 90_000_000,
    "oldest_waiting_age_us": 600_000_000,
    "failing_segments": 0,
    "failing": {},
    "spools": [],
    "absent_spools": {},
    "store": {"place": "s3://footage at s3.example", "can": "conditional PUT", "warnings": ()},
}


def test_nothing_is_said_while_all_is_well() -> None:
    """A backlog of a few segments is how it always is."""
    assert list(shipping_words(WELL)) == []


def test_a_store_that_takes_nothing_is_named_with_what_waits() -> None:
    """And that recording does not depend on it."""
    error = "none of 4 segments could be stored: s3://footage at s3.example cannot be reached"
    assert list(shipping_words({**WELL, "error": error, "failing_segments": 4})) == [
        f"the object store takes nothing: {error}",
        "3 segments (90.0 MB) wait in the spool, the oldest since 10 min; recording goes on",
    ]


def test_single_segments_that_fail_are_told_with_an_example() -> None:
    """The others go on."""
    (line,) = shipping_words({**WELL, "failing_segments": 2, "failing": {"6ba7": "it has other bytes", "7": "x"}})
    assert line == "2 segments could not be stored and are tried again, such as 6ba7: it has other bytes"


def test_what_the_server_cannot_do_is_told() -> None:
    """Which guarantee is lower."""
    store = {**WELL["store"], "warnings": ("the object store does not know conditional PUT",)}
    assert list(shipping_words({**WELL, "store": store})) == ["the object store does not know conditional PUT"]


def test_a_shipper_that_is_down_is_told() -> None:
    """With what that means."""
    assert list(shipping_words(None)) == ["ship does not answer: what is recorded stays in the spool"]


def test_a_disk_that_fills_is_told_while_there_is_time() -> None:
    """Two days before; not what is years away, and not of a disk that does not fill."""
    spool = {"path": "/spool", "free_bytes": 120_000_000_000, "full_in_us": 5 * 3_600_000_000}
    assert list(shipping_words({**WELL, "spools": [spool]})) == [
        "the disk of /spool is full in 5 h if it goes on like this (120.0 GB are free)"
    ]
    for full_in_us in (49 * 3_600_000_000, None):
        assert list(shipping_words({**WELL, "spools": [{**spool, "full_in_us": full_in_us}]})) == []
