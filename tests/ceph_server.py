"""A Ceph of its own on loopback, as an S3 server: one monitor, one disk in memory, one RADOS gateway.

The one server of the tests that enforces what S3 promises: conditional PUT, hashes, versions, object lock, quotas,
policies. It takes some 2 s to start, because its monitor proposes each change at once: alone as it is, it need not
collect a second's worth of them (14 s, and 3 s for the first bucket). A process starts it once.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio

from storage.s3_address import S3Address
from tests.ports import free_port

START_S = 120
USER, ACCESS_KEY, SECRET_KEY = "hulta", "hulta-test", "not-a-secret"
REGION = "us-east-1"

_CONFIG = """\
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{mon}
keyring = {root}/admin.keyring
run_dir = {root}/run
admin_socket = {root}/run/$name.asok
pid_file = {root}/run/$name.pid
log_file = {root}/$name.log
log_to_stderr = false
public_addr = 127.0.0.1
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
paxos_propose_interval = 0.01
paxos_min_wait = 0.01
osd_crush_chooseleaf_type = 0
[mon.a]
keyring = {root}/mon.keyring
mon_data = {root}/mon
[osd]
keyring = {root}/osd/keyring
osd_data = {root}/osd
osd_objectstore = memstore
memstore_device_bytes = {disk_bytes}
[client.rgw.a]
keyring = {root}/rgw/keyring
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_data = {root}/rgw
rgw_lc_debug_interval = 5
rgw_thread_pool_size = 64
"""


class Ceph:
    """A server that runs. `port` is the gateway's."""

    def __init__(self, root: Path, *, disk_bytes: int) -> None:
        self.root = root
        self.port = free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("mon", "osd", "rgw", "run"):
            (root / name).mkdir()
        self._fsid = str(uuid.uuid4())
        config = _CONFIG.format(fsid=self._fsid, mon=free_port(), root=root, port=self.port, disk_bytes=disk_bytes)
        (root / "ceph.conf").write_text(config)

    @property
    def endpoint(self) -> str:
        """As `store.endpoint` has it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pids(self) -> list[int]:
        """Of its processes."""
        return [process.pid for process in self._processes.values()]

    def start(self) -> None:
        """All of it; returns when the gateway answers."""
        self._keys()
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "mon.keyring")
        self._begin("mon", "ceph-mon", "-f", "-i", "a")
        disk = str(uuid.uuid4())
        self.ceph("osd", "new", disk)
        caps = ("mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd")
        self.ceph("auth", "get-or-create", "osd.0", *caps, "-o", "osd/keyring")
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", disk)
        self._begin("osd", "ceph-osd", "-f", "-i", "0")
        _until("the disk is up", lambda: json.loads(self.ceph("osd", "stat", "-f", "json"))["num_up_osds"] == 1)
        self.ceph("osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h1")
        self.ceph("auth", "get-or-create", "client.rgw.a", "mon", "allow rw", "osd", "allow rwx", "-o", "rgw/keyring")
        self.start_gateway()
        self.make_user(USER, ACCESS_KEY, SECRET_KEY)

    def start_gateway(self) -> None:
        """Start it, or start it again."""
        self._begin("rgw", "radosgw", "-f", "-n", "client.rgw.a")

        def answers() -> bool:
            assert self._processes["rgw"].poll() is None, (self.root / "rgw.out").read_text()
            with suppress(urllib3.exceptions.HTTPError):
                return urllib3.request("GET", self.endpoint, retries=False, timeout=1).status == 200
            return False

        _until("the gateway answers", answers)

    def kill_gateway(self) -> None:
        """As `kill -9` does."""
        gateway = self._processes.pop("rgw")
        gateway.kill()
        gateway.wait()

    def stop(self) -> None:
        """End everything that was started."""
        for process in reversed(self._processes.values()):
            process.kill()
            process.wait()
        self._processes.clear()

    def make_user(self, name: str, access_key: str, secret_key: str) -> None:
        """Somebody who may make buckets."""
        keys = (f"--access-key={access_key}", f"--secret-key={secret_key}")
        self.admin("user", "create", f"--uid={name}", f"--display-name={name}", *keys)

    def make_bucket(self, **options: Any) -> str:
        """A new bucket; its name."""
        name = f"footage-{uuid.uuid4()}"
        self.client().make_bucket(name, **options)
        return name

    def client(self) -> Minio:
        """Of the bucket's owner."""
        return Minio(
            f"127.0.0.1:{self.port}", access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, region=REGION
        )

    def address(self, **changes: Any) -> S3Address:
        """Of a new bucket, or of `bucket`."""
        values = {
            "prefix": "",
            "endpoint": self.endpoint,
            "region": REGION,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            **changes,
        }
        return S3Address(bucket=values.pop("bucket", None) or self.make_bucket(), **values)

    def ceph(self, *arguments: str) -> str:
        """The administrator's command."""
        return self._run("ceph", "--connect-timeout", str(START_S), *arguments)

    def admin(self, *arguments: str) -> str:
        """The gateway administrator's."""
        return self._run("radosgw-admin", *arguments)

    def _keys(self) -> None:
        everything = [word for daemon in ("mon", "osd", "mgr", "mds") for word in ("--cap", daemon, "allow *")]
        tool = "ceph-authtool"
        self._run(tool, "mon.keyring", "--create-keyring", "--gen-key", "-n", "mon.", *everything[:3], config=False)
        new = ("--create-keyring", "--gen-key", "-n", "client.admin")
        self._run(tool, "admin.keyring", *new, *everything, config=False)
        self._run(tool, "mon.keyring", "--import-keyring", "admin.keyring", config=False)
        config = (self.root / "ceph.conf").read_text()
        address = next(line.split(" = ")[1] for line in config.splitlines() if line.startswith("mon_host"))
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", f"[{address}]", "monmap", config=False)

    def _run(self, program: str, *arguments: str, config: bool = True) -> str:
        found = shutil.which(program)
        assert found is not None, f"no {program} here: run tests/prepare.sh"
        command = [found, *(("-c", str(self.root / "ceph.conf")) if config else ()), *arguments]
        done = subprocess.run(command, cwd=self.root, capture_output=True, check=False, timeout=START_S)
        assert done.returncode == 0, f"{program} {arguments}: {done.stderr.decode()}"
        return done.stdout.decode()

    def _begin(self, name: str, program: str, *arguments: str) -> None:
        found = shutil.which(program)
        assert found is not None, f"no {program} here: run tests/prepare.sh"
        command = [found, "-c", str(self.root / "ceph.conf"), *arguments]
        with (self.root / f"{name}.out").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, cwd=self.root, stdout=log, stderr=log)


@contextmanager
def ceph_server(*, disk_bytes: int = 4 << 30) -> Iterator[Ceph]:
    """One of its own, for tests that end it."""
    root = Path(tempfile.mkdtemp(prefix="hulta-ceph-"))
    server = Ceph(root, disk_bytes=disk_bytes)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root)


@cache
def shared_ceph() -> Ceph:
    """The one that all tests of this process share; each makes itself a bucket."""
    running = ceph_server()
    server = running.__enter__()
    owner = os.getpid()
    atexit.register(lambda: running.__exit__(None, None, None) if os.getpid() == owner else None)
    return server


def _until(what: str, holds: Any) -> None:
    deadline = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {START_S} s"
        time.sleep(0.1)
