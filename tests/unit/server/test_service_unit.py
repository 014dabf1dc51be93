"""The systemd unit that is shipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from server.child import Patience

UNIT = Path(__file__).parents[3] / "packaging" / "hulta.service"


def setting(name: str) -> str:
    """What the unit says."""
    (line,) = (line for line in UNIT.read_text().splitlines() if line.startswith(f"{name}="))
    return line.partition("=")[2]


def test_the_unit_gives_the_supervisor_the_time_it_needs() -> None:
    """To stop its children, and to take over from a predecessor before the watchdog barks."""
    assert int(setting("TimeoutStopSec")) > Patience().stop_s + 2
    assert int(setting("WatchdogSec")) / 2 > 2 * Patience().predecessor_s
    assert (setting("Type"), setting("KillMode"), setting("Restart")) == ("notify", "mixed", "always")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """No unknown or misspelt setting."""
    unit = tmp_path / "hulta.service"
    unit.write_text(UNIT.read_text().replace("/opt/hulta/bin/hulta", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []
