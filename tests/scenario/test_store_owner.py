"""A bucket that another installation writes into, as an operator meets it."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from minio import Minio

from tests.product import hulta, running, simulated
from tests.s3_server import shared_rclone
from tests.waiting import eventually

pytestmark = pytest.mark.scenario


async def said(folder: Path, *words: str) -> str:
    """What a command prints."""
    command = hulta(*words, "--config", folder / "hulta.yaml", "--data", folder / "data")
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def recorded(client: httpx.Client) -> bool:
    """Whether the camera is recorded; not while nobody answers yet."""
    with suppress(httpx.TransportError):
        return bool(client.get("/api/v1/cameras/gate").json().get("durable_through"))
    return False


async def test_a_bucket_of_another_installation_is_left_alone(tmp_path: Path) -> None:
    """The second one records, says whose the bucket is, and ships once a person has said so."""
    address = shared_rclone().address()
    host, first, second = address.host, tmp_path / "first", tmp_path / "second"
    objects = Minio(host, address.access_key, address.secret_key, secure=False)
    keys = {"access_key": address.access_key, "secret_key": address.secret_key}
    store = {"url": f"s3://{address.bucket}", "endpoint": address.endpoint, **keys}

    def segments() -> set[str]:
        found = objects.list_objects(address.bucket, recursive=True)
        return {name for each in found if (name := each.object_name or "").endswith(".mp4")}

    with simulated("--bitrate", "500k") as (url,):
        for folder in (first, second):
            folder.mkdir()
        with running(first, {"gate": url}, segment_s=1, store=store):
            await eventually("the first one has shipped", segments, 60)
        theirs = segments()
        with running(second, {"gate": url}, segment_s=1, store=store) as client:
            await eventually("the second one records", lambda: recorded(client), 60)
            words = ""
            while "belongs to catalog" not in words:
                words = await said(second, "status")
            refused = (second / "hulta.log").read_text()
            assert "hulta store accept" in refused
            assert "retention_not_begun" in refused
            assert segments() == theirs
            owner = await said(first, "store", "show")
            assert owner == await said(second, "store", "show")
            assert "uses it from now on" in await said(second, "store", "accept")
            assert owner != await said(second, "store", "show")
            await eventually("the second one ships", lambda: segments() > theirs, 60)
