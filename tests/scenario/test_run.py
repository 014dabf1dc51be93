"""`hulta run` as a whole: real processes over simulated cameras, and what becomes of footage when they are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from server.role_lock import read_holder
from storage.layout import Layout
from tests.product import hulta, running, simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.scenario

ROLES = ("record", "ship", "keep", "serve")


class Product:
    """A running product with one camera called gate."""

    def __init__(self, folder: Path, http: httpx.Client) -> None:
        self.data = folder / "data"
        self.http = http

    def camera(self) -> dict[str, Any]:
        """The camera JSON; {} while the API does not answer."""
        try:
            answer = self.http.get("/api/v1/cameras/gate")
        except httpx.TransportError:
            return {}
        return answer.json() if answer.status_code == 200 else {}

    def records(self, *, after: datetime | None = None) -> datetime:
        """Wait until the camera is recorded, durably, beyond a moment; through when it is."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            camera = self.camera()
            through = datetime.fromisoformat(camera["durable_through"]) if camera.get("durable_through") else None
            if camera.get("state") == "recording" and through is not None and (after is None or through > after):
                return through
            time.sleep(0.05)
        raise AssertionError(f"does not record: {self.camera()}")

    def pid(self, role: str) -> int:
        """The process that has a role, as soon as one has: recording may begin before the last of them is up."""
        deadline = time.monotonic() + 20
        while (holder := read_holder(Layout(self.data).lock(role))) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert holder is not None
        return holder.pid

    def kill(self, role: str) -> datetime:
        """Kill -9; when."""
        os.kill(self.pid(role), signal.SIGKILL)
        return now()

    def timeline(self, start: datetime, end: datetime) -> dict[str, Any]:
        """The timeline of a range."""
        answer: dict[str, Any] = self.http.get("/api/v1/cameras/gate/timeline", params=within(start, end)).json()
        return answer

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the CLI over this data directory."""
        command = [*hulta(*words), "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=self.data)


def now() -> datetime:
    """The present."""
    return datetime.now(UTC)


def becomes(what: str, condition: Callable[[], bool], seconds: float = 40) -> None:
    """Return as soon as it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def within(start: datetime, end: datetime) -> dict[str, str]:
    """A range as query parameters."""
    return {"from": start.isoformat(), "to": end.isoformat()}


@contextmanager
def started(folder: Path) -> Iterator[Product]:
    """A product over a simulated camera."""
    with simulated("--bitrate", "500k") as urls, running(folder, {"gate": urls[0]}) as http:
        yield Product(folder, http)


@pytest.fixture(name="product", scope="module")
def _product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One for all tests that leave it as it was, but for gaps: it takes seconds to start."""
    with started(tmp_path_factory.mktemp("product")) as product:
        yield product


@pytest.fixture(name="own")
def _own(tmp_path: Path) -> Iterator[Product]:
    """One for a test that damages it."""
    with started(tmp_path) as product:
        yield product


def test_a_killed_recorder_is_back_within_five_seconds_and_keeps_what_was_durable(product: Product) -> None:
    """Kill -9: nothing durable is lost, and the hole is a gap with a reason."""
    began = product.records()
    before = product.records(after=began + timedelta(seconds=2))
    killed = product.kill("record")
    after = product.records(after=killed + timedelta(milliseconds=200))
    timeline = product.timeline(began, after)
    gaps = timeline["gaps"]
    start, end = (datetime.fromisoformat(instant) for instant in (gaps[0]["from"], gaps[-1]["to"]))
    assert {gap["reason"] for gap in gaps} <= {"crash", "no_sync"}
    assert before <= start <= killed
    assert end - killed < timedelta(seconds=5 + 1 + 3)  # 5 s, a sync sample, and a machine that runs other tests, too
    assert timeline["missing"] == []
    assert product.http.get("/api/v1/cameras/gate/video.mp4", params=within(began, before)).status_code == 200


def test_the_api_answers_those_who_ask_while_it_is_restarted(product: Product) -> None:
    """The supervisor holds the socket: nobody is refused, the answer only takes a moment longer."""
    product.records()
    for _ in range(3):
        product.kill("serve")
        with httpx.Client(base_url=product.http.base_url, timeout=30) as fresh:
            assert fresh.get("/healthz").status_code == 200


def test_recording_goes_on_without_a_catalog_also_across_a_restart(tmp_path: Path) -> None:
    """`record` needs its disk and its cameras; it starts from the last assignments."""
    with simulated("--bitrate", "500k") as urls:
        with running(tmp_path, {"gate": urls[0]}) as http:
            Product(tmp_path, http).records()
        spool = tmp_path / "data" / "spool"
        for path in (tmp_path / "data").glob("catalog.sqlite*"):
            path.unlink()
        (tmp_path / "data" / "catalog.sqlite").write_bytes(b"this is no database" * 1000)
        with running(tmp_path, {"gate": urls[0]}) as http:
            product = Product(tmp_path, http)
            becomes("it records", lambda: bool(list(spool.glob("[!.]*/*/*.mp4.open"))))
            assert product.http.get("/readyz").status_code == 503
            assert all(product.pid(role) for role in ("record", "serve"))


def test_sigterm_seals_what_was_recorded(tmp_path: Path) -> None:
    """All processes end in time, and no segment is left open."""
    with simulated("--bitrate", "500k") as urls:
        with running(tmp_path, {"gate": urls[0]}) as http:
            Product(tmp_path, http).records()
        assert list((tmp_path / "data" / "spool").rglob("*.open")) == []
        assert not any((tmp_path / "data" / "run").glob("*.sock"))


def test_the_command_line_answers_from_a_running_server(product: Product, tmp_path: Path) -> None:
    """status, footage and export find the server by its data directory."""
    began = product.records()
    end = product.records(after=began + timedelta(seconds=3))
    # A recorder that takes half a second to answer is said to be silent.
    becomes("recording", lambda: json.loads(product.ask("status", "gate", "--json").stdout)[0]["state"] == "recording")
    becomes("recording", lambda: "recording" in product.ask("status", "site").stdout)
    assert product.ask("status").returncode == 0
    assert product.ask("status", "nobody").returncode == 3

    words = ["--from", began.isoformat(), "--to", end.isoformat()]
    footage = product.ask("footage", "gate", *words)
    assert (footage.returncode, "recorded" in footage.stdout) == (0, True)
    assert json.loads(product.ask("footage", "gate", *words, "--json").stdout)["spans"]

    file = tmp_path / "minute.mp4"
    exported = product.ask("export", "gate", *words, "-o", str(file))
    assert exported.returncode == 0, exported.stderr
    served = product.http.get("/api/v1/cameras/gate/video.mp4", params=within(began, end)).content
    assert file.read_bytes() == served
    assert [path.name for path in tmp_path.glob("minute*")] == ["minute.mp4"]


@pytest.mark.parametrize(
    ("span", "code", "words"),
    [
        (("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"), 4, "no footage"),
        (("2026-01-01T00:01:00Z", "2026-01-01T00:00:00Z"), 2, "must lie before"),
        (("2026-01-01T00:00:00", "2026-01-01T00:01:00Z"), 2, "has no time zone"),
    ],
)
def test_an_export_that_cannot_be_is_a_sentence_and_leaves_no_file(
    product: Product, span: tuple[str, str], code: int, words: str
) -> None:
    """With the exit of the contract, and what was there before untouched."""
    product.records()
    folder = product.data.parent
    file = folder / "minute.mp4"
    file.write_bytes(b"an earlier export")
    options = ["--from", span[0], "--to", span[1], "-o", str(file)]
    answer = product.ask("export", "gate", *options)
    assert (answer.returncode, words in answer.stderr, "Traceback" in answer.stderr) == (code, True, False)
    assert [path.read_bytes() for path in folder.glob("minute*")] == [b"an earlier export"]
    assert product.ask("export", "nobody", *options).returncode == (3 if code == 4 else 2)


def test_a_camera_that_is_added_is_recorded_and_one_that_is_removed_is_not(product: Product) -> None:
    """Without a restart; the other camera does not notice."""
    began = product.records()
    pids = [product.pid(role) for role in ROLES]
    url = json.loads(product.ask("cameras", "list", "--json").stdout)[0]["url"]
    added = product.ask("cameras", "add", url, "--name", "second", "--site", "site")
    assert added.returncode == 0, added.stderr

    def state(name: str) -> str:
        answer: str = product.http.get(f"/api/v1/cameras/{name}").json()["state"]
        return answer

    becomes("second is recorded", lambda: state("second") == "recording")
    assert product.ask("cameras", "remove", "second").returncode == 0
    becomes("second is disabled", lambda: state("second") == "disabled")
    assert product.timeline(began, product.records(after=now()))["gaps"] == []
    assert [product.pid(role) for role in ROLES] == pids


def test_check_finds_nothing_wrong_after_a_kill_and_says_so_when_something_is(own: Product) -> None:
    """It runs beside the server; a vanished object is a finding and exit 1."""
    own.records()
    killed = own.kill("record")
    own.records(after=killed + timedelta(seconds=6))
    objects = own.data / "objects"
    becomes("something is stored", lambda: bool(list(objects.rglob("*.mp4"))))
    fine = own.ask("check", "--deep")
    assert (fine.returncode, "0 findings" in fine.stdout) == (0, True), fine.stdout
    lost = next(objects.rglob("*.mp4"))
    lost.unlink()
    wrong = own.ask("check", "--json")
    assert (wrong.returncode, json.loads(wrong.stdout)["ok"]) == (1, False)
    assert lost.name in wrong.stdout or "segment" in wrong.stdout


def test_a_port_in_use_is_a_sentence(product: Product, tmp_path: Path) -> None:
    """Before anything is started."""
    product.records()
    port = product.http.base_url.port
    answer = subprocess.run(
        [*hulta("demo", "--port", str(port), "--data", str(tmp_path / "other"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in answer.stderr
    assert "choose another port" in answer.stderr
    assert "Traceback" not in answer.stderr
