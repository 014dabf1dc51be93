"""docs/quirks.md is an index: what it names exists, and what it leaves out has a reason."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quirks.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
COVERED = {row[0]: row for row in ROWS if len(row) == 5 and re.fullmatch(r"[A-Z][0-9]+", row[0])}
EXCUSED = " ".join(row[0] for row in ROWS if len(row) == 3)
EXPECTED = {"S": 26, "D": 10, "I": 8, "R": 6, "V": 19, "H": 8, "A": 8, "J": 2}


def _text(name: str) -> str:
    found = list((ROOT / "tests" / "unit").rglob(f"{name}.py"))
    assert found, f"no test file {name}"
    return "".join(path.read_text() for path in found)


def test_every_quirk_is_covered_or_excused() -> None:
    """By its number."""
    wanted = {f"{kind}{number}" for kind, most in EXPECTED.items() for number in range(1, most + 1)}
    assert wanted - set(COVERED) <= set(EXCUSED.split())
    assert set(COVERED) <= wanted


def test_every_quirk_is_named_by_its_tests() -> None:
    """The file is there and has the quirk's number in it."""
    missing = {
        f"{quirk}: {name}"
        for quirk, (_quirk, _seen, _what, *names) in COVERED.items()
        for name in names
        if name and not re.search(rf"(?i)\b{quirk}(?![0-9])|\btest_{quirk}_", _text(name))
    }
    assert missing == set()


def test_every_quirk_has_a_test() -> None:
    """Through the client or of the parser."""
    assert [quirk for quirk, row in COVERED.items() if not any(row[3:])] == []
