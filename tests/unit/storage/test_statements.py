"""SQL by name."""

from __future__ import annotations

import re

from storage.statements import migrations, statements


def test_statements_are_found_by_name() -> None:
    """Each begins after its name and ends before the next."""
    found = statements("footage")
    assert found["segment"] == "SELECT * FROM segments WHERE id = :id;"
    assert all(
        statement.rstrip().endswith(";") for noun in ("footage", "gaps") for statement in statements(noun).values()
    )


def test_migrations_are_numbered_without_gaps() -> None:
    """From 1, each once."""
    numbers = [number for number, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_times_and_sizes_have_their_unit_in_the_name() -> None:
    """Every integer column that is a time or a size says in what."""
    units = ("_us", "_ticks", "_bytes", "_bps")
    plain = {
        "epoch",
        "run",
        "sequence",
        "span",
        "timescale",
        "samples",
        "sync_samples",
        "lost_packets",
        "width",
        "height",
    }
    plain |= {"number", "enabled", "journal_offset", "event"}
    columns = {
        name for _, script in migrations() for name in re.findall(r"^    (\w+) +INTEGER", script, flags=re.MULTILINE)
    }
    assert columns
    assert {name for name in columns if not name.endswith(units)} <= plain
