"""Retention asks each stream every minute; the answers must not cost a walk through two months of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storage.clock import FakeClock
from storage.sqlite_catalog import SqliteCatalog
from storage.statements import statements
from tests.builders_catalog import STREAM

if TYPE_CHECKING:
    from pathlib import Path

BOUNDS = {"stream": STREAM.bytes, "ended_by_us": 2, "ended_after_us": 1, "limit": 100}


@pytest.mark.parametrize(
    ("statement", "way"),
    [
        ("unmarked_candidates", "USING PRIMARY KEY (stream=? AND start_us>? AND start_us<?)"),
        ("marked_candidates", "USING INDEX segments_marked (stream=? AND start_us>? AND start_us<?)"),
    ],
)
async def test_candidates_are_found_by_an_index(tmp_path: Path, statement: str, way: str) -> None:
    """With 89 000 rows a stream: 1 ms instead of 96."""
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", FakeClock()) as catalog:
        plan = await catalog.database.read(
            lambda connection: connection.execute(
                f"EXPLAIN QUERY PLAN {statements('expiry')[statement]}", BOUNDS
            ).fetchall()
        )
    assert [way in step["detail"] for step in plan] == [True]
