"""Sites, cameras and policies in the SQLite catalog (contract: `storage.catalog.Inventory`)."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from media.errors import Conflict, GapReason
from storage.camera_row import camera_columns, camera_of, id_in, no_camera, resealed
from storage.inventory_plan import Known, Plan, plan
from storage.model import DesiredSite, Policy, Site
from storage.sqlite_ledger import load_ledger, write_gaps
from storage.sqlite_rows import blobs
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from sqlite3 import Connection, Row

    from storage.clock import Clock
    from storage.model import Camera, Change, DesiredCamera, Origin
    from storage.secrets import SecretBox
    from storage.sqlite_database import Database

_SQL = statements("inventory")

BATCH = 80  # cameras a transaction; each takes twelve rows at most, half of them marks of the outbox


class SqliteInventory:
    """The `Inventory` of a SQLite catalog. `box` seals the cameras' URLs, which hold their credentials."""

    def __init__(self, database: Database, clock: Clock, box: Callable[[], SecretBox]) -> None:
        self._database = database
        self._clock = clock
        self._box = box

    async def apply(
        self,
        desired: Sequence[DesiredSite],
        policies: Sequence[Policy],
        *,
        origin: Origin = "file",
        prune: bool = False,
        dry_run: bool = False,
    ) -> list[Change]:
        """See `Inventory.apply`."""
        box, now_us = self._box(), self._clock.wall_us()

        def planned(connection: Connection) -> Plan:
            return plan(_known(connection, box), desired, policies, origin=origin, prune=prune, now_us=now_us)

        def write(connection: Connection) -> Plan:
            outcome = planned(connection)
            _carry_out(connection, outcome.first(BATCH), box, now_us)
            return outcome

        if dry_run:
            return (await self._database.read(planned)).changes
        outcome = await self._database.write(write)
        for part in outcome.rest(BATCH):
            await self._database.write(partial(_carry_out, outcome=part, box=box, now_us=now_us))
        return outcome.changes

    async def sites(self) -> list[Site]:
        """See `Inventory.sites`."""
        return list((await self._database.read(_sites)).values())

    async def cameras(self) -> list[Camera]:
        """See `Inventory.cameras`."""
        box = self._box()
        return await self._database.read(lambda connection: _cameras(connection, box))

    async def camera(self, id_or_name: str) -> Camera:
        """See `Inventory.camera`."""
        box = self._box()
        return await self._database.read(lambda connection: _camera(connection, id_or_name, box))

    async def add(self, camera: DesiredCamera, *, site: str, change: bool = False) -> Camera:
        """See `Inventory.add`."""
        taken = [each for each in await self.cameras() if camera.name == each.name or camera.id == each.id]
        if taken and not change:
            raise Conflict(f"there is a camera {taken[0].name} already, with the id {taken[0].id}")
        known = {each.name: each for each in await self.sites()}.get(site)
        desired = DesiredSite(
            name=site,
            networks=() if known is None else known.networks,
            uplink_bps=None if known is None else known.uplink_bps,
            cameras=(camera,),
        )
        await self.apply([desired], [], origin="api")
        return await self.camera(camera.name)

    async def remove(self, id_or_name: str) -> Camera:
        """See `Inventory.remove`."""
        box, now_us = self._box(), self._clock.wall_us()

        def write(connection: Connection) -> Camera:
            before = _camera(connection, id_or_name, box)
            after = replace(before, enabled=False, origin="api")
            _carry_out(connection, Plan(cameras=[after]), box, now_us)
            return after

        return await self._database.write(write)

    async def policies(self) -> dict[str, Policy]:
        """See `Inventory.policies`."""
        return await self._database.read(_policies)

    async def reseal(self) -> int:
        """See `Inventory.reseal`."""
        box = self._box()

        def write(connection: Connection) -> int:
            rows = [{"id": row["id"], "sealed_url": _resealed(row, box)} for row in connection.execute(_SQL["cameras"])]
            changed = [each for each in rows if each["sealed_url"] is not None]
            connection.executemany(_SQL["reseal"], changed)
            return len(changed)

        return await self._database.write(write)


def _known(connection: Connection, box: SecretBox) -> Known:
    return Known(policies=_policies(connection), sites=_sites(connection), cameras=_cameras(connection, box))


def _policies(connection: Connection) -> dict[str, Policy]:
    return {row["name"]: Policy(**dict(row)) for row in connection.execute(_SQL["policies"])}


def _sites(connection: Connection) -> dict[str, Site]:
    return {
        row["name"]: Site(
            id=UUID(bytes=row["id"]),
            name=row["name"],
            networks=tuple(json.loads(row["networks"])),
            uplink_bps=row["uplink_bps"],
        )
        for row in connection.execute(_SQL["sites"])
    }


def _cameras(connection: Connection, box: SecretBox) -> list[Camera]:
    return [_camera_of(row, box) for row in connection.execute(_SQL["cameras"])]


def _camera_of(row: Row, box: SecretBox) -> Camera:
    return camera_of(row, box, uuid=lambda raw: UUID(bytes=raw))


def _resealed(row: Row, box: SecretBox) -> bytes | None:
    return resealed(row, box, uuid=lambda raw: UUID(bytes=raw))


def _camera(connection: Connection, id_or_name: str, box: SecretBox) -> Camera:
    candidate = id_in(id_or_name)
    place = {"id": None if candidate is None else candidate.bytes, "name": id_or_name}
    row = connection.execute(_SQL["camera"], place).fetchone()
    if row is None:
        raise no_camera(id_or_name)
    return _camera_of(row, box)


def _carry_out(connection: Connection, outcome: Plan, box: SecretBox, now_us: int) -> None:
    for policy in outcome.policies:
        connection.execute(
            _SQL["put_policy"],
            {
                "name": policy.name,
                "keep_max_us": policy.keep_max_us,
                "keep_min_us": policy.keep_min_us,
                "purpose": policy.purpose,
            },
        )
    for site in outcome.sites:
        columns = {"id": site.id.bytes, "name": site.name, "uplink_bps": site.uplink_bps}
        connection.execute(_SQL["put_site"], {**columns, "networks": json.dumps(site.networks)})
    _put_cameras(connection, outcome.cameras, box, now_us)


def _put_cameras(connection: Connection, cameras: Sequence[Camera], box: SecretBox, now_us: int) -> None:
    enabled = {row["id"] for row in connection.execute(_SQL["cameras"]) if row["enabled"]}
    for camera in cameras:
        connection.execute(_SQL["step_aside"], {"id": camera.id.bytes})
    for camera in cameras:
        _put_camera(connection, camera, box)
        if camera.enabled is not (camera.id.bytes in enabled):
            _declare(connection, camera, now_us)


def _put_camera(connection: Connection, camera: Camera, box: SecretBox) -> None:
    stream = {"id": camera.stream.bytes, "camera": camera.id.bytes, "epoch": camera.epoch}
    connection.execute(_SQL["put_stream"], stream)
    connection.execute(_SQL["put_camera"], blobs(camera_columns(camera, box)))


def _declare(connection: Connection, camera: Camera, now_us: int) -> None:
    """A camera was enabled or disabled: from now on it is not recorded yet, or no longer, and a gap says so (I4).

    The run that takes the stream up ends the gap; footage that the recorder still delivers shortens it.
    """
    if camera.enabled:
        connection.execute(_SQL["expect_since"], {"id": camera.stream.bytes, "since_us": now_us})
    ledger = load_ledger(connection, camera.stream, now_us)
    before = list(ledger.gaps)
    ledger.open(now_us, GapReason.SHUTDOWN if camera.enabled else GapReason.CAMERA_DISABLED)
    write_gaps(connection, before, ledger.gaps)
