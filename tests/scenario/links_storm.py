"""A storm whose object store is a real Ceph and whose catalog is in a real PostgreSQL; both go away, again and again.

    python -m tests.scenario.links_storm [options of `hulta storm`]

By default half an hour with the faults of examples/storm-links-script.yaml, over 30 cameras. The verdict is its own.
Ceph keeps its objects in memory and PostgreSQL does not sync: it is the links that are tried here, not their disks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.ceph_server import ACCESS_KEY, SECRET_KEY, ceph_server
from tests.postgres_server import postgres_server
from tests.product import hulta

EXAMPLES = Path(__file__).parents[2] / "examples"
DISK_BYTES = 8 << 30
USUAL = {
    "--fleet": EXAMPLES / "storm.yaml",
    "--script": EXAMPLES / "storm-links-script.yaml",
    "--minutes": "30",
    "--cameras": "30",
}


def main(options: list[str]) -> int:
    """The storm's exit."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ceph_server(disk_bytes=DISK_BYTES) as ceph,
        postgres_server() as pg,
    ):
        subprocess.run(["psql", "-q", "-c", "CREATE DATABASE storm", f"{pg.url}/postgres"], check=True)
        servers = Path(folder) / "servers.yaml"
        store = {"url": f"s3://{ceph.make_bucket()}/storm", "endpoint": ceph.endpoint, "access_key": ACCESS_KEY}
        catalog = {"url": f"{pg.url}/storm", "accept_loss": True}
        # JSON is YAML.
        servers.write_text(json.dumps({"store": {**store, "secret_key": "${S3_SECRET_KEY}"}, "catalog": catalog}))
        usual = [word for name, value in USUAL.items() if name not in options for word in (name, value)]
        command = hulta("storm", *usual, "--servers", servers, *options)
        return subprocess.run(command, env={**os.environ, "S3_SECRET_KEY": SECRET_KEY}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
