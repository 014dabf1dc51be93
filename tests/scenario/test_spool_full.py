"""A spool's disk that runs full while the object store is away: a real disk, the real processes, the whole oracle."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.storm_plan import make_plan
from storage.spool_room import Step, room_of
from storm.rig import run_storm
from tests.small_disk import in_memory

if TYPE_CHECKING:
    from pathlib import Path

FLEET = """\
sites:
  - name: gate
    cameras:
      - {name: important, class: high, url: rtsp://127.0.0.1/, bitrate: 2M}
      - {name: other, class: low, url: rtsp://127.0.0.1/, bitrate: 6M}
"""

DISK_BYTES = 64 << 20
ROOM_BYTES = 14 << 20
"""Left on the disk when the store goes away: some eleven seconds of the two cameras until it is 95 % full."""

OF_A_LOSS = {"loss_has_a_cause", "gaps_have_a_cause", "gaps_are_short", "chain_verifies"}
"""What a declared loss looks like to an oracle that knows of faults of cameras and processes, not of a full disk."""

OF_GIVING_UP = OF_A_LOSS | {"announced_is_retrieved", "gaps_are_tight"}
"""Footage that was durable and is given up was announced and is not retrieved; its gap holds frames that were safe."""


class Trouble:
    """The store goes away and most of the disk with it, until the script is over."""

    def __init__(self, data: Path) -> None:
        self.steps: list[Step] = []
        self._objects, self._away = data / "objects", data / "objects.away"
        self._spool = data / "spool"

    def say(self, words: str) -> None:
        """What the storm says it is about to do."""
        print(words)
        if "of storm begin" in words:
            self._objects.mkdir(exist_ok=True)  # nothing may be stored yet
            self._objects.rename(self._away)
            self._objects.write_text("no directory")
            filler = room_of(self._spool).free_bytes - ROOM_BYTES
            (self._spool / "filler").write_bytes(bytes(filler))
        elif "the script is over" in words:
            self.steps.append(room_of(self._spool).step)
            self._objects.unlink()
            self._away.rename(self._objects)
            (self._spool / "filler").unlink()


@pytest.mark.scenario
@pytest.mark.timeout(300)
def test_a_full_spool_loses_nothing_silently(tmp_path: Path) -> None:
    """What is lost is declared, to the frame; what was durable of the important camera all comes back."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "script.yaml").write_text("steps:\n  - {at: 5s, fault: kill, role: ship}\n")
    plan = make_plan(
        fleet=tmp_path / "fleet.yaml", script=tmp_path / "script.yaml", seconds=20, seed=5, data=tmp_path / "storm"
    )
    trouble = Trouble(plan.data / "hulta")
    with in_memory(plan.data / "hulta" / "spool", DISK_BYTES):
        result = run_storm(replace(plan, kill_us=30_000_000, segment_s=2), say=trouble.say)
    print(result)
    allowed = {"important": OF_A_LOSS, "other": OF_GIVING_UP}
    assert [each for each in result.violations if each.rule not in allowed.get(each.camera, set())] == []
    said = [json.loads(line) for line in (plan.data / "hulta.log").read_text().splitlines() if line.startswith("{")]
    events = [line["event"] for line in said]
    assert "footage_given_up" in events
    assert "announced_is_retrieved" in {each.rule for each in result.violations if each.camera == "other"}
    assert {"spool_full"} == {gap.reason for report in result.reports for gap in report.gaps}
