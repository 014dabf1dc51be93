"""The product as its users start it: real processes, ended when the block ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.ports import free_port

STOP_S = 15


def hulta(*words: str | Path) -> list[str]:
    """A command line of the product."""
    return [sys.executable, "-P", "-m", "server", *map(str, words)]


@contextmanager
def simulated(*options: str | Path, cameras: int = 1) -> Iterator[list[str]]:
    """`hulta simulate` with these options, once all its cameras are announced. Yields their URLs."""
    alike = [] if "--fleet" in options else ["--cameras", str(cameras)]
    command = hulta("simulate", *alike, "--port", "0", *options)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield [child.stdout.readline().strip() for _ in range(cameras)]
    finally:
        _stop(child)
        child.stdout.close()


@contextmanager
def running(
    folder: Path,
    cameras: Mapping[str, str | dict[str, str]],
    *,
    segment_s: int = 5,
    keep_max: str = "2d",
    **tables: Mapping[str, object] | None,
) -> Iterator[httpx.Client]:
    """`hulta run` over these cameras (name: URL, or all their keys). Yields a client of its API once that answers.

    Further tables of the configuration as they are: `store`, `catalog`.
    """
    port = free_port()
    config = folder / "hulta.yaml"
    site = {
        "name": "site",
        "networks": ["127.0.0.0/8"],
        "cameras": [
            {"name": name, **({"url": keys} if isinstance(keys, str) else keys)} for name, keys in cameras.items()
        ],
    }
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "host": {"name": "test", "listen": f"127.0.0.1:{port}"},
                "segments": {"seconds": segment_s},
                "spool": {"accept_loss": True},
                "policies": {"default": {"keep_max": keep_max}},
                "sites": [site],
                **{name: table for name, table in tables.items() if table},
            }
        )
    )
    with (folder / "hulta.log").open("ab") as log:
        child = subprocess.Popen(hulta("run", "--config", config, "--data", folder / "data"), stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        _stop(child)


def _stop(child: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        raise AssertionError(f"{child.args!r} did not end within {STOP_S} s of SIGTERM") from None


def output_of(command: Sequence[str | Path]) -> tuple[str, str]:
    """What a peer program prints on both outputs; it must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
