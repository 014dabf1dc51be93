"""A spool's disk that runs full while the object store is away: a real disk, the real processes, the whole oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason
from server.storm_plan import make_plan
from storm.rig import run_storm
from tests.s3_server import s3_server, servers_file

if TYPE_CHECKING:
    from pathlib import Path

FLEET = """\
sites:
  - name: gate
    cameras:
      - {name: important, class: high, url: rtsp://127.0.0.1/, bitrate: 2M}
      - {name: other, class: low, url: rtsp://127.0.0.1/, bitrate: 6M}
"""

SCRIPT = """\
steps:
  - {at: 1s, for: 21s, fault: link-down, link: store}
  - {at: 2s, for: 18s, fault: disk-full, left: 14}
  - {at: 5s, fault: kill, role: ship}
  - {at: 17s, fault: kill, role: record}
"""
"""What is left is some eleven seconds of the two cameras until the disk is 95 % full."""

DISK_MB = 64


@pytest.mark.scenario
@pytest.mark.timeout(300)
def test_a_full_spool_loses_nothing_silently(tmp_path: Path) -> None:
    """What is lost is declared, to the frame; what was durable of the important camera all comes back."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    with s3_server(tmp_path / "s3") as port:
        plan = make_plan(
            fleet=tmp_path / "fleet.yaml",
            script=tmp_path / "script.yaml",
            seconds=23,
            seed=5,
            data=tmp_path / "storm",
            servers=servers_file(tmp_path / "servers.yaml", port),
            spool_disk_mb=DISK_MB,
        )
        result = run_storm(replace(plan, kill_us=30_000_000, segment_s=2), say=print)
    print(result)
    assert result.violations == []
    given_up = {report.camera.name: len(report.given_up_us) for report in result.reports}
    assert given_up["other"] > 0
    assert given_up["important"] == 0
    assert GapReason.SPOOL_FULL in {gap.reason for report in result.reports for gap in report.gaps}
