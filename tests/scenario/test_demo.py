"""`hulta demo`: what a stranger sees in the first minute."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.product import hulta

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.scenario


def test_one_command_records_and_shows_what_happened_a_moment_ago(tmp_path: Path) -> None:
    """It prints where the page is, records every camera, gives back what has just passed, and ends in order."""
    command = hulta("demo", "--cameras", "2", "--port", "0", "--data", tmp_path / "data")
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    try:
        said = demo.stdout.readline() + demo.stdout.readline()
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+", said)
        with httpx.Client(base_url=address, timeout=30) as http:
            assert "<title>Hulta</title>" in http.get("/").text
            end = wait_for_seconds(http, 4)
            query = {"from": (end - timedelta(seconds=3)).isoformat(), "to": end.isoformat()}
            video = http.get("/api/v1/cameras/demo-0002/video.mp4", params=query)
        assert (video.status_code, video.headers["hulta-complete"]) == (200, "true")
        file = tmp_path / "v.mp4"
        file.write_bytes(video.content)
        decoded = subprocess.run(
            ["ffmpeg", "-v", "warning", "-i", file, "-f", "null", "-"], capture_output=True, check=True
        )
        assert decoded.stderr == b""
    finally:
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=15)
    assert demo.returncode == 0
    assert "Traceback" not in errors


def wait_for_seconds(http: httpx.Client, seconds: int) -> datetime:
    """Wait until both cameras have so many seconds of durable footage; where it ends."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        cameras = http.get("/api/v1/cameras").json()
        if len(cameras) == 2 and all(camera["state"] == "recording" for camera in cameras):
            since = max(datetime.fromisoformat(camera["since"]) for camera in cameras)
            ends = [camera["durable_through"] for camera in cameras]
            end = min(datetime.fromisoformat(text) for text in ends) if all(ends) else since
            if end - since > timedelta(seconds=seconds):
                return end
        time.sleep(0.1)
    raise AssertionError("the cameras are not recorded")
