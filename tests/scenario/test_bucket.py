"""A bucket that goes away while cameras are recorded: everything arrives, and the bytes are the same."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from storm.proxy import Down, FaultProxy
from tests.ceph_server import ACCESS_KEY, SECRET_KEY, shared_ceph
from tests.product import hulta, running, simulated
from tests.waiting import eventually

pytestmark = pytest.mark.scenario


def video(client: httpx.Client, through: datetime) -> tuple[bytes, str]:
    """Five seconds up to one second before an instant, exactly."""
    first, last = ((through - timedelta(seconds=back)).isoformat() for back in (6, 1))
    answer = client.get("/api/v1/cameras/gate/video.mp4", params={"from": first, "to": last})
    assert answer.status_code == 200, answer.text
    return answer.content, answer.headers["etag"]


def linked(client: httpx.Client, through: datetime) -> bytes:
    """Four bytes of a segment by a link that anybody may follow."""
    asked = {"from": (through - timedelta(seconds=6)).isoformat(), "to": through.isoformat(), "links": "store"}
    playlist = client.get("/api/v1/cameras/gate/playlist.m3u8", params=asked).text
    uri = next(line for line in playlist.splitlines() if line.startswith("http"))
    return httpx.get(uri, headers={"Range": "bytes=4-7"}).content


def durable(client: httpx.Client) -> datetime | None:
    """Up to when; None while nothing is, or nobody answers."""
    try:
        through = client.get("/api/v1/cameras/gate").json().get("durable_through")
    except httpx.TransportError:
        return None
    return None if through is None else datetime.fromisoformat(through)


async def said(folder: Path, *words: str) -> str:
    """What a command prints, on both outputs."""
    command = hulta(*words, "--config", folder / "hulta.yaml", "--data", folder / "data")
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (done.returncode, SECRET_KEY in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr
    return done.stdout + done.stderr


def waiting(client: httpx.Client) -> int:
    """Segments that are not in the bucket yet."""
    lines = client.get("/metrics").text.splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("hulta_backlog_segments "))))


@pytest.mark.timeout(240)
async def test_a_bucket_goes_away_and_comes_back(tmp_path: Path) -> None:
    """What is asked for meanwhile comes from the spool, afterwards from the bucket: the same bytes."""
    ceph = shared_ceph()
    bucket, objects = ceph.make_bucket(), ceph.client()

    def stored() -> list[str]:
        found = objects.list_objects(bucket, prefix="boras/v1/", recursive=True)
        return [name for each in found if (name := each.object_name or "").endswith(".mp4")]

    with FaultProxy("127.0.0.1", ceph.port) as link, simulated("--bitrate", "1M") as urls:
        store = {
            "url": f"s3://{bucket}/boras",
            "endpoint": f"http://127.0.0.1:{link.port}",
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "links": True,
        }
        with running(tmp_path, {"gate": urls[0]}, segment_s=2, store=store) as client:
            await eventually("the first segment is in the bucket", stored, 60)
            with link.suffering(Down()):
                await eventually("segments wait", lambda: waiting(client) >= 3, 60)
                through = durable(client)
                assert through is not None
                meanwhile = video(client, through)
                assert "the object store takes nothing" in await said(tmp_path, "status")
            count = len(stored())
            await eventually("what waited has arrived", lambda: waiting(client) == 0 and len(stored()) >= count + 3, 60)
            assert video(client, through) == meanwhile
            assert linked(client, through) == b"ftyp"
            assert "0 findings" in await said(tmp_path, "check", "--deep")
    assert SECRET_KEY not in (tmp_path / "hulta.log").read_text()
