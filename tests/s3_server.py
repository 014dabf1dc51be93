"""An S3 server of its own on loopback: rclone's, which is quick to start.

It checks signatures and keeps objects as files. It ignores `If-None-Match` and answers ranges with 200: not for tests
of those.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

ACCESS_KEY, SECRET_KEY, BUCKET = "hulta", "not-a-secret", "footage"
START_S = 30


@contextmanager
def s3_server(directory: Path) -> Iterator[int]:
    """The port of a server with an empty bucket, kept as files in `directory`."""
    (directory / BUCKET).mkdir(parents=True)
    port = free_port()
    rclone = Path(sys.executable).with_name("rclone")
    address, keys = f"127.0.0.1:{port}", f"{ACCESS_KEY},{SECRET_KEY}"
    command = [rclone, "serve", "s3", "--config", "/dev/null", "--addr", address, "--auth-key", keys, directory]
    with (directory / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as server:
        try:
            _wait_until_ready(server, port)
            yield port
        finally:
            server.terminate()


def _wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(START_S * 20):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError("rclone has ended: its log is beside the bucket")
    raise AssertionError(f"rclone does not listen after {START_S} s")
