"""Each role as a command of its own."""

from __future__ import annotations

import signal
import stat
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.ports import free_port
from tests.product import hulta

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.scenario


@contextmanager
def role(name: str, folder: Path, port: int, address: str = "127.0.0.1") -> Iterator[subprocess.Popen[str]]:
    """A role that was started by hand; it must end by itself when told."""
    config = folder / "hulta.yaml"
    config.write_text(f"host: {{listen: '{address}:{port}'}}\nspool: {{accept_loss: true}}\n")
    command = hulta(name, "--config", config, "--data", folder / "data")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)


def answers(url: str) -> httpx.Response:
    """Wait for an answer."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            return httpx.get(url)
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def ask(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of the CLI over the data directory."""
    return subprocess.run([*hulta(command), "--data", folder / "data"], capture_output=True, text=True, check=False)


def test_an_address_that_others_can_reach_asks_for_the_token(tmp_path: Path) -> None:
    """From the first start; the command line finds the token by itself, others are given it."""
    port = free_port()
    with role("serve", tmp_path, port, "0.0.0.0"):
        assert answers(f"http://127.0.0.1:{port}/api/v1/cameras").status_code == 401
        token = tmp_path / "data" / "token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        login = {"Authorization": f"Bearer {token.read_text().strip()}", "Host": "recorder.example"}
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/cameras", headers=login).json() == []
        assert answers(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert ask("status", tmp_path).returncode == 0
        token.unlink()
        asked = ask("status", tmp_path)
        assert (asked.returncode, "Send the token" in asked.stderr) == (1, True)


@pytest.mark.parametrize("name", ["record", "ship", "keep", "serve"])
def test_a_role_runs_alone_and_once(tmp_path: Path, name: str) -> None:
    """The second is told who is first; SIGTERM ends the first in order."""
    socket = tmp_path / "data" / "run" / f"{name}.sock"
    with role(name, tmp_path, free_port()) as first:
        deadline = time.monotonic() + 40
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert socket.exists()
        with role(name, tmp_path, free_port()) as second:
            assert second.wait(20) == 1
            assert second.stderr is not None
            errors = second.stderr.read()
            assert f"{name} already runs on {tmp_path / 'data'} (pid {first.pid})" in errors
            assert "Traceback" not in errors
    assert first.returncode == 0
