"""The storm in short: a few cameras of two codecs, half a minute, some faults, each part killed at least once.

`make storm` is the long one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.storm_plan import make_plan
from storm.rig import run_storm

if TYPE_CHECKING:
    from pathlib import Path

FLEET = """\
sites:
  - name: gate
    cameras:
      - {name: gate-1, url: rtsp://127.0.0.1/, bitrate: 1M, transport: udp, audio: true, simulate: {audio: opus}}
      - name: gate-2
        url: rtsp://127.0.0.1/
        bitrate: 800k
        audio: true
        simulate: {fps: 12, gop: 2s, codec: h265, audio: aac}
  - name: the yard
    cameras:
      - {name: yard 1, url: rtsp://127.0.0.1/, bitrate: 600k, simulate: {fps: 15, gop: 3s, b_frames: true, codec: h265}}
      - name: yard 2
        url: rtsp://127.0.0.1/
        bitrate: 1M
        transport: udp
        audio: true
        simulate: {fps: 30, audio: pcma}
"""

SCRIPT = """\
steps:
  - {at: 1s, for: 10s, fault: loss, percent: 3, cameras: [gate-1]}
  - {at: 7s, fault: timestamp-jump, by: 10s, cameras: [yard 2]}
  - {at: 9s, fault: cut, cameras: [gate-2]}
  - {at: 10s, for: 6s, fault: duplicate, percent: 5, cameras: ["gate-*"]}
  - {at: 11s, for: 6s, fault: "503", cameras: [yard 1]}
  - {at: 20s, for: 4s, fault: "off", sites: [the yard]}
  - {at: 2s, fault: kill, role: serve}
  - {at: 4s, fault: kill, role: record}
  - {at: 10s, fault: kill, role: ship}
  - {at: 14s, fault: kill, role: supervisor}
  - {at: 22s, fault: kill, role: keep}
  - {at: 26s, for: 2s, fault: pause, role: record}
"""


@pytest.mark.scenario
@pytest.mark.timeout(300)
def test_no_frame_is_lost_silently_whatever_goes_wrong(tmp_path: Path) -> None:
    """What was announced comes back, what did not come back is declared, and no more is declared than was lost."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    plan = make_plan(
        fleet=tmp_path / "fleet.yaml", script=tmp_path / "script.yaml", seconds=30, seed=34, data=tmp_path / "storm"
    )
    # How fast is for `make storm` to say, on a quiet machine.
    result = run_storm(replace(plan, kill_us=30_000_000), say=print)
    print(result)
    assert result.violations == []
    assert len(result.figures["kills"]) == 5, "every part is killed"
    assert {"loss", "timestamp-jump", "cut", "duplicate", "503", "off"} <= result.figures["faults"].keys()
    assert result.figures["frames_spoiled_on_their_way"] > 0
    assert result.figures["frames_of_sound_retrieved"] > 1000
