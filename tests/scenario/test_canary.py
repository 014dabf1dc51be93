"""Passwords go to whom they are for and to nobody else.

Each is a canary: after every kind of failure and question it is looked for, in each form it could take, in everything
that the product prints, answers, stores or shows of its processes.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from server.role_lock import read_holder
from storage.layout import Layout
from tests.canary import (
    KEY,
    PASSWORDS,
    core_limit,
    family_of,
    found_in,
    found_in_files,
    found_in_process,
)
from tests.echoing_peers import camera, echo, redirect_to, refusing_database, refusing_store
from tests.postgres_server import postgres_server, program
from tests.product import hulta, running, simulated

pytestmark = pytest.mark.scenario

USER = "operator"
CANARY = PASSWORDS["camera"]
LOGIN = f"{quote(USER)}:{quote(CANARY, safe='')}"
REASONS = {"wrong": "auth", "dead": "refused", "echo": "protocol", "moved": "auth", "plain": "tls"}


def test_the_search_finds_what_it_looks_for() -> None:
    """Each secret in each form, as text of a URL, of JSON, of a header and of a dump would have it."""
    for name, secret in PASSWORDS.items():
        login = f"{USER}:{secret}".encode()
        hiding = [
            secret.encode(),
            quote(secret, safe="").encode(),
            json.dumps(secret).encode(),
            login,
            login.hex().encode(),
            repr(login.decode()).encode(),
        ]
        hiding += [base64.b64encode(b"-" * length + login + b"...") for length in range(3)]
        assert [name in found_in(content) for content in hiding] == [True] * len(hiding)
    assert found_in(KEY.encode()) == {"key"}
    assert found_in(b"operator:***@127.0.0.1") == set()


def wait_until(what: str, condition: Callable[[], object]) -> None:
    """Until a condition holds."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):  # not started yet
            if condition():
                return
        time.sleep(0.05)
    raise AssertionError(f"not within 40 s: {what}")


def states(http: httpx.Client) -> dict[str, tuple[str, str | None]]:
    """State and reason of each camera."""
    answer = http.get("/api/v1/cameras")
    return {each["name"]: (each["state"], each["reason"]) for each in answer.json()} if answer.is_success else {}


def answers(http: httpx.Client, cameras: list[str]) -> Iterator[bytes]:
    """What the API says to every kind of question, right and wrong."""
    tails = ["", "/timeline?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z", "/timeline?from=x", "/frame.jpg?at=x"]
    for name, tail in itertools.product([*cameras, "nobody"], tails):
        yield http.get(f"/api/v1/cameras/{name}{tail}").content
    for path in ("/api/v1/cameras", "/metrics", "/readyz", "/api/openapi.json", "/nowhere", "/"):
        response = http.get(path)
        yield response.content + repr(response.headers).encode()


def looks(http: httpx.Client, urls: dict[str, str]) -> Iterator[bytes]:
    """What the API says of a camera that it is to look at, right and wrong."""
    for url in [*urls.values(), f"rtsp://{LOGIN}@", f"http://{LOGIN}@127.0.0.1/", f"rtsp://{LOGIN}@127.0.0.1:port/"]:
        question: dict[str, Any] = {"url": url, "seconds": 1, "picture": False, "site": "site"}
        yield http.post("/api/v1/cameras/test", json=question).content
        yield http.post("/api/v1/cameras/test", json={**question, "password": CANARY}).content
        yield http.post("/api/v1/cameras/test", json={**question, "seconds": [CANARY]}).content


def said(*words: str | Path, **environment: str) -> bytes:
    """All that a command prints, whether it succeeds or not."""
    done = subprocess.run(
        hulta(*words), capture_output=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    return done.stdout + done.stderr


def in_parallel(commands: list[tuple[str | Path, ...]], **environment: str) -> list[bytes]:
    """The same of several."""
    with ThreadPoolExecutor(3) as threads:
        return list(threads.map(lambda words: said(*words, **environment), commands))


def require_silent_processes(data: Path) -> None:
    """No secret in what others see of any of them; in the supervisor's environment are those that were put there."""
    ((supervisor, children),) = family_of(data).items()
    assert len(children) >= 4
    assert {pid: found for pid in children if (found := found_in_process(pid))} == {}
    assert found_in_process(supervisor, ("cmdline", "comm")) == set()
    assert {core_limit(pid) for pid in (supervisor, *children)} == {"0"}


def kill(data: Path, role: str, number: signal.Signals) -> None:
    """End a role and wait until it is back."""
    lock = Layout(data).lock(role)
    holder = read_holder(lock)
    assert holder is not None
    os.kill(holder.pid, number)
    wait_until(f"{role} is back", lambda: read_holder(lock) not in {None, holder})


def export(http: httpx.Client, data: Path, file: Path) -> None:
    """A few seconds of the camera that lets in."""
    through = http.get("/api/v1/cameras/right").json()["durable_through"]
    to = datetime.fromisoformat(through)
    bounds = ["--from", (to - timedelta(seconds=2)).isoformat(), "--to", to.isoformat()]
    words = said("export", "right", *bounds, "-o", file, "--data", data)
    assert file.exists(), words
    assert found_in(words + file.read_bytes()) == set()


def test_a_cameras_login_is_in_no_log_answer_file_or_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of cameras that let in, refuse, are away, repeat the login, send elsewhere and cannot speak TLS."""
    data = tmp_path / "data"
    monkeypatch.setenv("HULTA_LOG", "debug")
    monkeypatch.setenv("HULTA_KEY", KEY)
    monkeypatch.setenv("GATE_PASSWORD", CANARY)
    with ExitStack() as stack:
        right, wrong = (
            stack.enter_context(simulated("--username", user, "--password", password))[0].replace("rtsp://", "")
            for user, password in ((USER, CANARY), ("x", "y"))
        )
        elsewhere, heard = stack.enter_context(camera(echo, host="127.0.0.2"))
        moved, _ = stack.enter_context(camera(redirect_to(f"rtsp://127.0.0.2:{elsewhere}/")))
        echoing, _ = stack.enter_context(camera(echo))
        urls = {
            "right": f"rtsp://{LOGIN}@{right}",
            "wrong": f"rtsp://{LOGIN}@{wrong}",
            "dead": f"rtsp://{LOGIN}@127.0.0.1:1/",
            "echo": f"rtsp://{LOGIN}@127.0.0.1:{echoing}/",
            "moved": f"rtsp://{LOGIN}@127.0.0.1:{moved}/",
            "plain": f"rtsps://{LOGIN}@{right}",
        }
        cameras: dict[str, Any] = {name: {"url": url} for name, url in urls.items()}
        cameras["right"] = {"url": f"rtsp://{right}", "username": USER, "password": "${GATE_PASSWORD}"}
        cameras["odd"] = {"url": urls["right"], "source": "libav"}
        with running(tmp_path, cameras, segment_s=1) as http:
            wait_until("all are as expected", lambda: states(http).get("odd", ("",))[0] == "recording")
            expected = {name: ("failed", reason) for name, reason in REASONS.items()}
            wait_until("the others fail", lambda: expected.items() <= states(http).items())
            require_silent_processes(data)
            assert [found_in(answer) for answer in answers(http, list(cameras))] == [set()] * 38
            assert [found_in(answer) for answer in looks(http, urls)] == [set()] * 27
            export(http, data, tmp_path / "export.mp4")
            kill(data, "record", signal.SIGABRT)
            kill(data, "ship", signal.SIGSEGV)
            wait_until("it records again", lambda: states(http)["right"][0] == "recording")
            require_silent_processes(data)
            commands: list[tuple[str | Path, ...]] = [
                *[(*words, "--data", data) for words in (["status"], ["status", "--json"], ["cameras", "list"])],
                ("cameras", "list", "--json", "--data", data),
                ("check", "--data", data),
                *[("cameras", "test", url, "--seconds", "1") for url in urls.values()],
                ("cameras", "test", f"rtsp://127.0.0.1:{echoing}/", "--username", USER, "--json", "--seconds", "1"),
            ]
            words = in_parallel(commands, HULTA_CAMERA_PASSWORD=CANARY)
            assert [found_in(each) for each in words] == [set()] * len(commands)
    assert not any(b"uthorization" in request for request in heard), "a login that is for another host"
    names = {path.name for path in tmp_path.rglob("*")}
    assert {"hulta.log", "assignments.json", "catalog.sqlite", "export.mp4"} <= names
    assert "key" not in names
    assert list((data / "objects" / "v1" / "_journal").rglob("*.jsonl.gz"))
    assert b"camera_failed" in (tmp_path / "hulta.log").read_bytes()
    assert found_in_files(tmp_path) == {}


def test_a_broken_catalog_or_key_tells_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever command meets it."""
    monkeypatch.setenv("HULTA_CAMERA_PASSWORD", CANARY)
    data = tmp_path / "data"
    add = ("cameras", "add", "rtsp://10.0.0.1/", "--name", "gate", "--site", "s", "--username", USER, "--data", data)
    assert b"gate is" in said(*add)
    asking = [("cameras", "list", "--data", data), (*add, "--change"), ("cameras", "remove", "gate", "--data", data)]
    with_another_key = in_parallel(asking, HULTA_KEY=KEY)
    assert [b"was sealed by the key" in words for words in with_another_key] == [True] * 3
    (data / "key").chmod(0o644)
    open_to_others = in_parallel(asking)
    assert [b"chmod 600" in words for words in open_to_others] == [True] * 3
    (data / "key").chmod(0o600)
    assert found_in_files(tmp_path) == {}
    (data / "catalog.sqlite").write_bytes(b"\0" * 65_536)
    broken = in_parallel(asking)
    assert [b"error: " in words for words in broken] == [True] * 3
    assert found_in(b"".join([*with_another_key, *open_to_others, *broken])) == set()


def bucket(endpoint: str) -> dict[str, str]:
    """A store whose secrets are canaries."""
    secrets = {"secret_key": "${STORE_KEY}", "session_token": "${STORE_TOKEN}"}
    return {"url": "s3://footage/x", "endpoint": endpoint, "region": "eu-north-1", "access_key": "hulta", **secrets}


def test_the_stores_keys_are_in_no_log_answer_file_or_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server that repeats what it is sent, and refuses it; of none, and of one that cannot speak TLS."""
    data, log, configs = tmp_path / "data", tmp_path / "hulta.log", {}
    for name, value in (("HULTA_LOG", "debug"), ("STORE_KEY", PASSWORDS["store"]), ("STORE_TOKEN", PASSWORDS["token"])):
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        (url,) = stack.enter_context(simulated())
        endpoint = stack.enter_context(refusing_store())
        for name, other in (("down", "http://127.0.0.1:1"), ("tls", endpoint.replace("http:", "https:"))):
            configs[name] = tmp_path / f"{name}.yaml"
            configs[name].write_text(json.dumps({"store": bucket(other)}))
        with running(tmp_path, {"gate": url}, segment_s=1, store=bucket(endpoint)) as http:
            wait_until("it records", lambda: states(http).get("gate", ("",))[0] == "recording")
            wait_until("it cannot store", lambda: b"SignatureDoesNotMatch" in log.read_bytes())
            require_silent_processes(data)
            assert [found_in(answer) for answer in answers(http, ["gate"])] == [set()] * 14
            configs["refused"] = tmp_path / "hulta.yaml"
            checks = in_parallel([("check", "--config", config, "--data", data) for config in configs.values()])
            words = in_parallel([("status", "--data", data), ("config", "check", configs["refused"])])
            assert [b"error: " in each for each in checks] == [True] * 3
            assert found_in(b"".join([*checks, *words])) == set()
    assert found_in_files(tmp_path) == {}


def test_the_catalogs_password_is_in_no_log_answer_file_or_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a database that works; of one that repeats the password, of none, and of one that cannot speak TLS."""
    data = tmp_path / "data"
    monkeypatch.setenv("HULTA_LOG", "debug")
    monkeypatch.setenv("CATALOG_PASSWORD", PASSWORDS["catalog"])
    login = {"username": "hulta", "password": "${CATALOG_PASSWORD}", "accept_loss": True}
    with ExitStack() as stack:
        (url,) = stack.enter_context(simulated("--username", USER, "--password", CANARY))
        database = stack.enter_context(postgres_server()).url
        place = {**login, "url": f"{database.replace('hulta@', '')}/postgres"}
        port = stack.enter_context(refusing_database())
        faulty = {
            "refused": {"url": f"postgresql://127.0.0.1:{port}/x"},
            "down": {"url": "postgresql://127.0.0.1:1/x"},
            "tls": {"url": f"postgresql://127.0.0.1:{port}/x", "sslmode": "require"},
            "unknown": {"url": place["url"].replace("/postgres", "/nowhere")},
            "inside": {"url": "postgresql://u:${CATALOG_PASSWORD}@127.0.0.1:1/x/y"},
        }
        for name, keys in faulty.items():
            table = keys if name == "inside" else {**login, **keys}
            (tmp_path / f"{name}.yaml").write_text(json.dumps({"catalog": table}))
        cameras = {"right": {"url": url, "username": USER, "password": CANARY}}
        with running(tmp_path, cameras, segment_s=1, catalog=place) as http:
            wait_until("it records", lambda: states(http).get("right", ("",))[0] == "recording")
            require_silent_processes(data)
            assert [found_in(answer) for answer in answers(http, ["right"])] == [set()] * 14
            commands: list[tuple[str | Path, ...]] = [
                ("cameras", "list", "--config", tmp_path / f"{name}.yaml", "--data", data) for name in faulty
            ]
            told = in_parallel([*commands, ("config", "check", tmp_path / "hulta.yaml")])
            assert [b"error: " in words for words in told] == [True] * 5 + [False]
            assert [found_in(words) for words in told] == [set()] * 6
        dump = subprocess.run([program("pg_dump"), place["url"], "-U", "hulta"], capture_output=True, check=True).stdout
        assert b"COPY hulta.cameras" in dump
        assert found_in(dump) == set()
    assert found_in_files(tmp_path) == {}


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
    assert found_in(done.stdout + done.stderr) == set()
