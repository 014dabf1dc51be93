"""The grown form, from nothing: an empty bucket of a real Ceph and an empty database of a real PostgreSQL."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from server.status_socket import read_status
from storage.clock import HostClock
from storage.layout import Layout
from storage.model import SegmentState
from storage.postgres_catalog import PostgresCatalog
from storage.secrets import SecretBox
from tests.ceph_server import ACCESS_KEY, SECRET_KEY, shared_ceph
from tests.postgres_server import empty_database
from tests.product import hulta, output_of, running, simulated
from tests.scenario.test_round_trip import FILMS, RoundTrip, check_units, make_film, recorded, units
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from storage.model import Segment
    from storage.postgres_address import PostgresAddress

pytestmark = pytest.mark.scenario


async def kill(data: Layout, role: str) -> None:
    """SIGKILL, once the role answers; until its successor does."""
    before: dict[str, Any] = {}

    async def answers() -> bool:
        before.update(await read_status(data.socket(role)) or {})
        return bool(before)

    while not await answers():
        pass
    os.kill(before["pid"], signal.SIGKILL)
    while (await read_status(data.socket(role)) or before)["pid"] == before["pid"]:
        pass


async def rows_of(address: PostgresAddress, data: Layout, camera: UUID) -> list[Segment]:
    """Every segment that the catalog has of a camera."""
    catalog = await PostgresCatalog.open(address, HostClock(), SecretBox.at(data.key))
    try:
        stream = (await catalog.inventory.camera(str(camera))).stream
        return await catalog.footage.segments(stream, 0, 2**62)
    finally:
        await catalog.close()


@pytest.mark.timeout(180)
async def test_the_round_trip_over_a_bucket_and_a_database_that_were_empty(tmp_path: Path) -> None:
    """Bit for bit, while `ship` and `record` are killed; then rows are objects, by size and hash, and none is more."""
    film, ceph, data = tmp_path / "film.mp4", shared_ceph(), Layout(tmp_path / "data")
    make_film(film, *FILMS["b-frames"])
    bucket, objects = ceph.make_bucket(), ceph.client()
    store = {"url": f"s3://{bucket}/boras", "endpoint": ceph.endpoint}
    keys = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    async with empty_database() as address:
        place = {"url": f"postgresql://{address.host}:{address.port}/{address.database}", "username": address.username}
        with simulated("--file", film) as urls:
            cameras = {"film": urls[0]}
            with running(tmp_path, cameras, store={**store, **keys}, catalog={**place, "accept_loss": True}) as client:
                await eventually("the first span begins", lambda: recorded(client, "film"), 60)
                await kill(data, "ship")
                trip = RoundTrip(client, {"film": film})
                await trip.go()
                export = tmp_path / "export.mp4"
                export.write_bytes(trip.exports["film"])
                check_units(units(film), units(export))
                await kill(data, "record")
                await eventually("it is recorded again", lambda: len(recorded(client, "film")) > 1, 30)
                camera = client.get("/api/v1/cameras/film").json()["id"]
                remove = hulta("cameras", "remove", "film", "--config", tmp_path / "hulta.yaml", "--data", data.root)
                output_of(remove)
                await eventually("the spool is empty", lambda: not list(data.spool.rglob(f"{camera}*")), 60)
        rows = await rows_of(address, data, camera)
    listed = {each.object_name: each for each in objects.list_objects(bucket, prefix="boras/v1/", recursive=True)}
    films = {name: each.size for name, each in listed.items() if name and name.endswith(".mp4")}
    assert films == {f"boras/{row.key}": row.size_bytes for row in rows}
    assert len(rows) >= 4
    assert {row.state for row in rows} == {SegmentState.STORED}
    for row in rows:
        with objects.get_object(bucket, f"boras/{row.key}") as answer:
            assert hashlib.sha256(answer.read()).digest() == row.sha256
    assert any("/_journal/" in name for name in listed if name)
