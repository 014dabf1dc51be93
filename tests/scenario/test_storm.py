"""The storm in short: four cameras, forty seconds, each part of the product killed at least once.

`make storm` is the long one: 20 cameras, 3 minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenario.storm import run_storm
from tests.scenario.storm_system import Plan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.scenario
@pytest.mark.timeout(300)
def test_no_frame_is_lost_silently_whatever_is_killed(tmp_path: Path) -> None:
    """What was announced comes back, what did not come back is declared, and no more is declared than was lost."""
    plan = Plan(
        data=tmp_path,
        cameras=4,
        seconds=40,
        kill_every_s=5,
        recovery_us=30_000_000,  # how fast is for `make storm` to say, on a quiet machine
        seed=34,  # supervisor, keep, supervisor, record, ship, record, serve, keep
    )
    result = run_storm(plan, say=print)
    print(result)
    assert result.violations == []
    assert len(result.figures["kills by role"]) == 5, "every part is killed"  # type: ignore[arg-type]
