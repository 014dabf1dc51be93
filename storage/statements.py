"""Named statements: SQL lives in `sql/<noun>.sql`, each statement under a line `-- name: <name>` with a comment why."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")


@cache
def statements(noun: str) -> dict[str, str]:
    """The statements of `sql/<noun>.sql` by name."""
    text = (files("storage") / "sql" / f"{noun}.sql").read_text("utf-8")
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))


@cache
def migrations(place: str = "migrations") -> list[tuple[int, str]]:
    """All migrations of `sql/<place>/` in order: number and script."""
    folder = files("storage") / "sql" / place
    return sorted(
        (int(match[1]), entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if (match := _MIGRATION.fullmatch(entry.name))
    )
