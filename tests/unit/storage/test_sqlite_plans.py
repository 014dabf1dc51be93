"""How SQLite answers: by keys and indexes, never by a walk over all there is. 20 million rows allow nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from storage import sqlite_schema
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = ("segments", "segment_samples", "tombstones", "gaps", "events")
WALKED_IN_ORDER = {
    "SCAN segments USING INDEX segments_waiting": "a partial index of what is not stored yet, in its order, to a limit",
    "SCAN segments USING INDEX segments_purging": "a partial index of what is being deleted, in its order, to a limit",
}
"""Step of a plan: why it may walk."""


@pytest.fixture(name="connection")
def _connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "catalog.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        sqlite_schema.migrate(connection, path)
        yield connection


@pytest.mark.parametrize(
    ("noun", "name"), [(noun, name) for noun in ("footage", "gaps", "expiry", "inventory") for name in statements(noun)]
)
def test_no_statement_walks_over_a_large_table(connection: sqlite3.Connection, noun: str, name: str) -> None:
    """Each step that touches one is a search."""
    sql = statements(noun)[name]
    parameters = dict.fromkeys(
        [word.strip(":(),;") for word in sql.replace("(", " ").split() if word.startswith(":")], 0
    )
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    walks = [step for step in steps if step.startswith("SCAN") and any(f" {table}" in step for table in LARGE)]
    assert [walk for walk in walks if walk not in WALKED_IN_ORDER] == []
