"""The spool's disk, as an operator meets it: not mounted, another one's."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.product import hulta, running, simulated
from tests.small_disk import Ext4Disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.scenario

PATIENCE_S = 40


def _alone(*words: str, data: Path) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = hulta(*words, "--data", data)
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def _metrics_once(client: httpx.Client, true: Callable[[str], bool]) -> str:
    """The metrics, once something is true of them."""
    deadline, text = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):  # not up yet
            text = client.get("/metrics").text
            if true(text):
                return text
        time.sleep(0.1)
    raise AssertionError(text)


def test_a_disk_that_is_mounted_late_is_waited_for(tmp_path: Path) -> None:
    """Nothing is written to the disk below it, `serve` answers meanwhile, and recording begins by itself."""
    data = tmp_path / "data"
    disk = Ext4Disk(tmp_path / "disk", 64 << 20)
    data.mkdir()
    with disk.mounted(data / "spool"):
        assert _alone("spool", "accept", data=data).returncode == 0
        shown = _alone("spool", "show", data=data).stdout
    for role in ("record", "ship"):
        ended = _alone(role, data=data)
        assert ended.returncode == 1
        assert "is not there: it was the last time" in ended.stderr
        assert "hint: mount it" in ended.stderr
    with simulated() as (url,), running(tmp_path, {"gate": url}) as client:
        _metrics_once(client, lambda text: 'hulta_restarts_total{role="record"}' in text)
        assert 'hulta_up{role="record"} 0.0' in client.get("/metrics").text
        assert list((data / "spool").iterdir()) == []
        with disk.mounted(data / "spool"):
            recording = 'hulta_camera_state{camera="gate",site="site",state="recording"} 1.0'
            _metrics_once(client, lambda text: recording in text)
            assert _alone("spool", "show", data=data).stdout == shown


def test_another_installations_disk_is_refused_until_a_person_accepts_it(tmp_path: Path) -> None:
    """By both roles, with its installation named; afterwards the first one refuses it."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for data in (ours, theirs):
        data.mkdir()
        assert _alone("spool", "accept", data=data).returncode == 0
    (ours / "spool").rename(tmp_path / "away")
    (theirs / "spool").rename(ours / "spool")
    for role in ("record", "ship"):
        ended = _alone(role, data=ours)
        assert ended.returncode == 1
        assert "belongs to installation" in ended.stderr
    assert _alone("spool", "accept", data=ours).returncode == 0
    assert "generation 2" in _alone("spool", "show", data=ours).stdout
