"""A camera's password goes to the camera and to nobody else.

The password is a canary: after every kind of failure and question it is looked for, in each form it could take, in
everything that the product prints, answers, stores or shows of its processes.
"""

from __future__ import annotations

import base64
import itertools
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from tests.product import hulta, running, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator
pytestmark = pytest.mark.scenario

USER = "operator"
CANARY = "Ca/nary:17 @ö?&"


def forms(secret: str) -> list[bytes]:
    """A secret as it is, percent-encoded, in base64 at each alignment, in hex."""
    raw = secret.encode()
    texts = {
        raw,
        quote(secret, safe="").encode(),
        quote(secret).encode(),
        raw.hex().encode(),
        repr(secret)[1:-1].encode(),
    }
    for padding in range(3):
        encoded = base64.b64encode(b"x" * padding + raw).rstrip(b"=")
        texts.add(encoded[4 if padding else 0 : -2])
    return sorted(texts)


def found_in(content: bytes) -> list[bytes]:
    """The forms of the canary that are in some bytes."""
    return [form for form in forms(CANARY) if form in content]


def files_of(folder: Path) -> Iterator[Path]:
    """Every file the product wrote, but the configuration, where the password comes from."""
    return (path for path in folder.rglob("*") if path.is_file() and path.name != "hulta.yaml")


def processes_of(data: Path) -> list[int]:
    """The product's processes on a data directory."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(data).encode() in words:
            found.append(int(place.name))
    return found


def wait_for(http: httpx.Client, camera: str, state: str) -> None:
    """Wait until a camera is in a state."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):  # not started yet
            if http.get(f"/api/v1/cameras/{camera}").json().get("state") == state:
                return
        time.sleep(0.05)
    raise AssertionError(f"{camera} is not {state}")


def answers(http: httpx.Client) -> Iterator[bytes]:
    """What the API says to every kind of question, right and wrong."""
    secret = quote(CANARY, safe="")
    cameras = ["right", "wrong", "dead", f"{USER}:{secret}"]
    tails = ["", "/timeline?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z", "/timeline?from=x", "/frame.jpg?at=x"]
    for camera, tail in itertools.product(cameras[:3], tails):
        yield http.get(f"/api/v1/cameras/{camera}{tail}").content
    for path in ("/api/v1/cameras", "/metrics", "/readyz", "/api/openapi.json", "/nowhere", "/"):
        response = http.get(path)
        yield response.content + repr(response.headers).encode()


def test_a_password_is_in_no_log_answer_file_or_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a camera that lets in, one that refuses the password, and one that is not there."""
    login = f"{quote(USER)}:{quote(CANARY, safe='')}"
    with (
        simulated("--username", USER, "--password", CANARY) as right,
        simulated("--username", "x", "--password", "y") as wrong,
    ):
        cameras = {
            "right": right[0].replace("rtsp://", f"rtsp://{login}@"),
            "wrong": wrong[0].replace("rtsp://", f"rtsp://{login}@"),
            "dead": f"rtsp://{login}@127.0.0.1:1/",
        }
        monkeypatch.setenv("HULTA_LOG", "debug")
        with running(tmp_path, cameras) as http:
            wait_for(http, "right", "recording")
            wait_for(http, "wrong", "failed")
            wait_for(http, "dead", "failed")
            assert http.get("/api/v1/cameras/wrong").json()["reason"] == "auth"
            assert [found_in(answer) for answer in answers(http)] == [[]] * 18
            pids = processes_of(tmp_path / "data")
            assert len(pids) == 5
            for pid, name in itertools.product(pids, ("cmdline", "environ", "comm")):
                assert found_in(Path(f"/proc/{pid}/{name}").read_bytes()) == []
            for words in (
                ["status"],
                ["status", "--json"],
                ["cameras", "list"],
                ["cameras", "list", "--json"],
                ["check"],
            ):
                done = subprocess.run([*hulta(*words), "--data", tmp_path / "data"], capture_output=True, check=False)
                assert found_in(done.stdout + done.stderr) == []
        written = list(files_of(tmp_path))
        names = {path.name for path in written}
        assert {"hulta.log", "assignments.json", "catalog.sqlite", "journal"} <= names
        assert b"camera_failed" in (tmp_path / "hulta.log").read_bytes()
        assert {path: found_in(path.read_bytes()) for path in written if found_in(path.read_bytes())} == {}


@pytest.mark.parametrize(
    "line",
    [
        "url: 'http://operator:{}@10.0.0.1/'",
        "url: 'rtsp://operator:{}@'",
        "url: 'rtsp://operator:{}@10.0.0.1:port/'",
        "url: 'rtsp://10.0.0.1/', password: '{}'",
        "url: 'rtsp://10.0.0.1/', username: u, password: '{}', bitrate: '{}'",
        "url: 'rtsp://10.0.0.1/', username: u, password: ['{}']",
        "url: 'rtsp://10.0.0.1/', username: u, passwrd: '{}'",
        "url: '{}'",
        "url: 'rtsp://10.0.0.1/', id: '{}'",
    ],
)
def test_a_faulty_configuration_is_explained_without_its_secrets(tmp_path: Path, line: str) -> None:
    """Wherever the password slipped to."""
    config = tmp_path / "hulta.yaml"
    config.write_text("sites: [{name: s, cameras: [{name: c, " + line.replace("{}", CANARY) + "}]}]\n")
    done = subprocess.run(hulta("config", "check", config), capture_output=True, check=False)
    assert done.returncode == 2
    assert b"hulta.yaml:1: sites[0].cameras[0]" in done.stderr
    assert found_in(done.stdout + done.stderr) == []
