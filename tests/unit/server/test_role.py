"""What a process imports before it can work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = ("fastapi", "typer", "av", "cv2", "sqlite3", "asyncpg", "simulator", "playback.library")


def imported_by(code: str) -> set[str]:
    """Which of the heavy modules are there after some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_record_starts_without_catalog_and_web_framework() -> None:
    """It never opens the catalog, so it does not load what could; after a kill that is half a second of footage."""
    assert imported_by("import server.__main__, server.role, server.role_record") == set()


@pytest.mark.parametrize("name", ["ship", "keep"])
def test_ship_and_keep_start_without_web_framework_and_decoder(name: str) -> None:
    """They move and delete files; they do not look into pictures."""
    found = imported_by(f"import server.role, server.role_{name}")
    assert found == set()


def test_the_supervisor_starts_without_the_other_commands() -> None:
    """A successor is back sooner."""
    found = imported_by("from server.cli import build; build(['run'])")
    assert found == {"typer"}
