"""Looking at a camera before it is added: by the API, by the command line, at cameras of several kinds."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import os
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
import structlog

from simulator import CameraOptions, Credentials, Simulator, SimulatorOptions
from storage.clock import HostClock
from storage.model import DesiredSite
from tests.builders_playback import NOON_US, Archive
from tests.builders_server import serving
from tests.mjpeg_server import web_camera
from tests.ports import free_port
from tests.product import hulta
from tests.scenario.test_foreign_cameras import gstreamer, source_pictures

pytestmark = pytest.mark.scenario

PASSWORD = "canary-of-the-password"
LOOPBACK = {"site": "here"}


@pytest.fixture(name="http")
async def _http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    archive = await Archive.create(tmp_path, now_us=NOON_US)
    sites = [DesiredSite(name="here", networks=("127.0.0.0/8",)), DesiredSite(name="there", networks=("10.9.0.0/16",))]
    await archive.catalog.inventory.apply(sites, [], origin="api")
    archive.clock = HostClock()  # type: ignore[assignment] # real cameras take real time
    async with serving(archive) as http:
        yield http
    await archive.close()


async def look(http: httpx.AsyncClient, url: str, **asked: Any) -> dict[str, Any]:
    """What the API says of a camera."""
    response = await http.post("/api/v1/cameras/test", json={"url": url, **LOOPBACK, **asked})
    assert response.status_code == 200, response.text
    assert PASSWORD not in response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_camera_is_described(http: httpx.AsyncClient) -> None:
    """What it sends, how it was logged in, its clock; and its picture, which is the camera's."""
    login = Credentials(username="op", password=PASSWORD)
    camera = CameraOptions(name="cam/1", bitrate_bps=1_000_000, gop_us=500_000)
    options = SimulatorOptions(fleet=(camera,), port=0, credentials=login)
    async with Simulator(options) as simulator:
        said = await look(http, simulator.urls[0], username="op", password=PASSWORD, seconds=20)
    assert said["usable"], said
    assert (said["reason"], [found["subject"] for found in said["findings"]]) == (None, ["offer"])
    seen = said["camera"]
    assert (seen["codec"], seen["codec_name"], seen["width"], seen["height"]) == (
        "avc1.42c01e",
        "H.264 Baseline",
        640,
        360,
    )
    assert (seen["authentication"], seen["server"], seen["transport"]) == (
        "Digest MD5",
        "hulta simulator",
        "RTP over TCP",
    )
    assert (seen["gop_us"], round(seen["frames_per_s"], 2), seen["lost_packets"]) == (480_000, 25.0, 0)  # 12 frames
    assert seen["bitrate_bps"] == pytest.approx(1_000_000, rel=0.3)
    with av.open(io.BytesIO(base64.b64decode(seen["picture"])), format="jpeg_pipe") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape == (360, 640, 3)
    bar = picture[:40]
    assert bar.min() < 40  # black, with words in white
    assert bar.max() > 200


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"username": "op", "password": "wrong"}, "401 Unauthorized: wrong name or password"),
        ({}, "401 Unauthorized: it asks for a name and a password"),
    ],
)
async def test_a_refused_login_is_a_sentence(http: httpx.AsyncClient, asked: dict[str, str], words: str) -> None:
    """Two questions with two answers."""
    options = SimulatorOptions(credentials=Credentials(username="op", password=PASSWORD), port=0)
    async with Simulator(options) as simulator:
        said = await look(http, simulator.urls[0], **asked)
    assert (said["usable"], said["reason"], said["camera"]) == (False, "auth", None)
    assert said["verdict"].endswith(words)


async def test_nothing_outside_of_the_networks_is_spoken_to(http: httpx.AsyncClient) -> None:
    """Without a site the default rule holds, which leaves this host out; with one, its networks."""
    touched = asyncio.Event()

    async def touch(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        touched.set()
        writer.close()

    server = await asyncio.start_server(touch, "127.0.0.1", 0)
    async with server:
        url = f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for site in (None, "there"):
            said = await look(http, url, site=site)
            assert (said["reason"], said["camera"]) == ("unsupported", None)
            assert "`networks` do not allow it" in said["verdict"]
        assert not touched.is_set()
        said = await look(http, url)
        assert (said["reason"], touched.is_set()) == ("unreachable", True)
    unknown = await http.post("/api/v1/cameras/test", json={"url": url, "site": "nowhere"})
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (json.dumps({"url": "rtsp://10.0.0.1/"}), "text/plain", 415),
        (f'{{"url": "rtsp://u:{PASSWORD}@", "x": 1}}', "application/json", 400),
        (f'{{"url": "http://u:{PASSWORD}@10.0.0.1/"}}', "application/json", 400),
        (f'{{"url": "rtsp://10.0.0.1/", "password": "{PASSWORD}"}}', "application/json", 400),
        (f'{{"url": "rtsp://10.0.0.1/", "seconds": "{PASSWORD}"}}', "application/json", 400),
        ("{" + PASSWORD, "application/json", 400),
        (json.dumps({"url": "x" * 20_000}), "application/json", 413),
    ],
)
async def test_a_question_that_is_none_is_refused(http: httpx.AsyncClient, body: str, kind: str, status: int) -> None:
    """Other websites can send forms and plain text to this address, but no JSON. No answer repeats what was sent."""
    response = await http.post("/api/v1/cameras/test", content=body, headers={"Content-Type": kind})
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert PASSWORD not in response.text


async def test_an_odd_device_is_described(http: httpx.AsyncClient) -> None:
    """By libav, where the question says so; and refused with the remedy where it does not."""
    async with web_camera() as camera:
        said = await look(http, camera.url, source="libav", seconds=20)
        refused = await http.post("/api/v1/cameras/test", json={"url": camera.url, **LOOPBACK})
        picture = base64.b64decode(said["camera"]["picture"])
        assert said["verdict"].startswith("offers Motion JPEG 320x240 at ")
        assert (said["usable"], said["camera"]["transport"], said["camera"]["codec"]) == (True, "libav", "mp4v.6C")
    assert picture.startswith(b"\xff\xd8")
    assert (refused.status_code, "`source: libav`" in refused.json()["detail"]) == (400, True)


async def test_few_are_looked_at_at_once(http: httpx.AsyncClient) -> None:
    """Four; the fifth is told to come back, and the places are free again afterwards."""
    waiting: list[asyncio.StreamWriter] = []
    four = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.append(writer)
        if len(waiting) == 4:
            four.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        url = f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(look(http, url, seconds=30)) for _ in range(4)]
            await asyncio.wait_for(four.wait(), 20)
            fifth = await http.post("/api/v1/cameras/test", json={"url": url, **LOOPBACK})
            for connection in waiting:
                connection.close()
        assert (await look(http, url, seconds=1))["verdict"] == "no session within 1 s"
    assert (fifth.status_code, "Retry-After" in fifth.headers) == (503, True)
    assert [each.result()["reason"] for each in looks] == ["unreachable"] * 4
    assert (await look(http, url))["reason"] == "refused"


async def test_no_password_is_logged(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    """Not even by the libraries in between."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        for url in (f"rtsp://op:{PASSWORD}@127.0.0.1:1/", f"rtsp://op:{PASSWORD}@[::1"):
            await http.post("/api/v1/cameras/test", json={"url": url, **LOOPBACK})
    assert PASSWORD not in caplog.text + str(events)


def test_the_command_line_says_the_same(tmp_path: Path) -> None:
    """At a camera nobody here wrote: audio is not on offer there, RTCP comes, Digest is used; the picture is right."""
    port, begun_s = free_port(), time.monotonic()
    picture = tmp_path / "p.jpg"
    with gstreamer(port, "op", PASSWORD):
        command = hulta("cameras", "test", f"rtsp://127.0.0.1:{port}/slices", "--username", "op", "--json")
        done = subprocess.run(
            [*command, "--picture", str(picture)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "HULTA_CAMERA_PASSWORD": PASSWORD},
        )
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["camera"]["codec_name"], said["camera"]["gop_us"]) == ("H.264 Baseline", 1_000_000)
    assert said["camera"]["authentication"] == "Digest MD5"
    with av.open(str(picture), format="jpeg_pipe") as container:
        shown = next(container.decode(video=0)).to_ndarray(format="gray").astype(np.float32)
    # Video has black at 16 and white at 235 (BT.601), JPEG at 0 and 255.
    errors = [np.abs(shown - (truth - 16) * 255 / 219).mean() for truth in source_pictures(begun_s)]
    assert min(errors) < 6


@pytest.mark.parametrize(
    ("words", "code"),
    [(["rtsp://127.0.0.1:1/x"], 1), (["http://127.0.0.1/x"], 2), (["rtsp://127.0.0.1:1/x", "--seconds", "100"], 2)],
)
def test_exits_are_those_of_the_contract(words: list[str], code: int) -> None:
    """1: it cannot be recorded. 2: the question is wrong."""
    done = subprocess.run(hulta("cameras", "test", *words), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr
