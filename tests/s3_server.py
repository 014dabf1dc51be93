"""An S3 server of its own on loopback: rclone's, which is quick to start.

It checks signatures and keeps objects as files. It ignores `If-None-Match`, compares nothing with its hash and answers
ranges with 200: what Hulta does about that is tested with it.
"""

from __future__ import annotations

import atexit
import json
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minio import Minio

from storage.s3_address import S3Address
from tests.ports import free_port

ACCESS_KEY, SECRET_KEY, BUCKET = "hulta", "not-a-secret", "footage"
START_S = 30


@contextmanager
def s3_server(directory: Path, *, tls: Path | None = None) -> Iterator[int]:
    """The port of a server with an empty bucket, kept as files in `directory`. `tls`: its certificate and key."""
    (directory / BUCKET).mkdir(parents=True)
    port = free_port()
    rclone = Path(sys.executable).with_name("rclone")
    address, keys = f"127.0.0.1:{port}", f"{ACCESS_KEY},{SECRET_KEY}"
    secured = () if tls is None else ("--cert", tls, "--key", tls)
    options = ("--config", "/dev/null", "--addr", address, "--auth-key", keys, *secured)
    command = [rclone, "serve", "s3", *options, directory]
    with (directory / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as server:
        try:
            _wait_until_ready(server, port)
            yield port
        finally:
            server.terminate()


def servers_file(path: Path, port: int) -> Path:
    """For `hulta storm --servers`: this server, and nothing about a catalog."""
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    store = {"url": f"s3://{BUCKET}/storm", "endpoint": f"http://127.0.0.1:{port}", **keys}
    path.write_text(json.dumps({"store": store}))  # JSON is YAML
    path.chmod(0o600)
    return path


@dataclass(frozen=True, slots=True)
class Rclone:
    """A server that runs."""

    port: int

    def address(self, *, prefix: str = "") -> S3Address:
        """Of a new bucket."""
        name = f"footage-{uuid.uuid4()}"
        client = Minio(f"127.0.0.1:{self.port}", ACCESS_KEY, SECRET_KEY, secure=False)
        client.make_bucket(name)
        return S3Address(
            bucket=name,
            prefix=prefix,
            endpoint=f"http://127.0.0.1:{self.port}",
            region="us-east-1",
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )


@cache
def shared_rclone() -> Rclone:
    """The one that all tests of this process share; each makes itself a bucket."""
    running = ExitStack()
    buckets = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="hulta-s3-")))
    server = Rclone(running.enter_context(s3_server(buckets)))
    atexit.register(running.close)
    return server


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
