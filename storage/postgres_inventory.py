"""Sites, cameras and policies in the PostgreSQL catalog (contract: `storage.catalog.Inventory`)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from media.errors import Conflict, GapReason
from storage.camera_row import camera_columns, camera_of, id_in, no_camera, resealed
from storage.inventory_plan import Known, Plan, plan
from storage.model import DesiredSite, Policy, Site
from storage.postgres_ledger import load_ledgers, lock_streams
from storage.postgres_rows import text
from storage.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storage.clock import Clock
    from storage.model import Camera, Change, DesiredCamera, Origin
    from storage.postgres_database import PostgresDatabase
    from storage.secrets import SecretBox

_SQL = statements("postgres/inventory")
_GAPS = statements("postgres/gaps")


class PostgresInventory:
    """The `Inventory` of a PostgreSQL catalog. `box` seals the cameras' URLs, which hold their credentials."""

    def __init__(self, database: PostgresDatabase, clock: Clock, box: Callable[[], SecretBox]) -> None:
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

        async def planned(connection: Any) -> Plan:
            known = await _known(connection, box)
            return plan(known, desired, policies, origin=origin, prune=prune, now_us=now_us)

        async def write(connection: Any) -> Plan:
            await connection.execute(_SQL["alone"])
            outcome = await planned(connection)
            await _carry_out(connection, outcome, box, now_us)
            return outcome

        work = self._database.read(planned) if dry_run else self._database.write(write)
        return (await work).changes

    async def sites(self) -> list[Site]:
        """See `Inventory.sites`."""
        return [_site_of(row) for row in await self._database.fetch(_SQL["sites"])]

    async def cameras(self) -> list[Camera]:
        """See `Inventory.cameras`."""
        box = self._box()
        return [_camera_of(row, box) for row in await self._database.fetch(_SQL["cameras"])]

    async def camera(self, id_or_name: str) -> Camera:
        """See `Inventory.camera`."""
        return _one(await self._database.fetch(_SQL["camera"], *_place(id_or_name)), id_or_name, self._box())

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

        async def write(connection: Any) -> Camera:
            await connection.execute(_SQL["alone"])
            before = _one(await connection.fetch(_SQL["camera"], *_place(id_or_name)), id_or_name, box)
            after = replace(before, enabled=False, origin="api")
            await _carry_out(connection, Plan(cameras=[after]), box, now_us)
            return after

        return await self._database.write(write)

    async def policies(self) -> dict[str, Policy]:
        """See `Inventory.policies`."""
        return _policies_of(await self._database.fetch(_SQL["policies"]))

    async def reseal(self) -> int:
        """See `Inventory.reseal`."""
        box = self._box()

        async def write(connection: Any) -> int:
            await connection.execute(_SQL["alone"])
            rows = [
                (resealed(row, box, uuid=lambda value: value), row["id"])
                for row in await connection.fetch(_SQL["cameras"])
            ]
            changed = [each for each in rows if each[0] is not None]
            await connection.executemany(_SQL["reseal"], changed)
            return len(changed)

        return await self._database.write(write)


async def _known(connection: Any, box: SecretBox) -> Known:
    return Known(
        policies=_policies_of(await connection.fetch(_SQL["policies"])),
        sites={row["name"]: _site_of(row) for row in await connection.fetch(_SQL["sites"])},
        cameras=[_camera_of(row, box) for row in await connection.fetch(_SQL["cameras"])],
    )


def _policies_of(rows: Sequence[Any]) -> dict[str, Policy]:
    return {row["name"]: Policy(**dict(row)) for row in rows}


def _site_of(row: Any) -> Site:
    return Site(
        id=row["id"], name=row["name"], networks=tuple(json.loads(row["networks"])), uplink_bps=row["uplink_bps"]
    )


def _camera_of(row: Any, box: SecretBox) -> Camera:
    return camera_of(row, box, uuid=lambda value: value)


def _place(id_or_name: str) -> tuple[Any, str]:
    return id_in(id_or_name), text(id_or_name)


def _one(rows: Sequence[Any], id_or_name: str, box: SecretBox) -> Camera:
    if not rows:
        raise no_camera(id_or_name)
    return _camera_of(rows[0], box)


async def _carry_out(connection: Any, outcome: Plan, box: SecretBox, now_us: int) -> None:
    for policy in outcome.policies:
        rules = policy.keep_max_us, policy.keep_min_us, text(policy.purpose)
        await connection.execute(_SQL["put_policy"], policy.name, *rules)
    for site in outcome.sites:
        place = site.id, site.name, json.dumps(site.networks), site.uplink_bps
        await connection.execute(_SQL["put_site"], *place)
    if outcome.cameras:
        await _put_cameras(connection, outcome.cameras, box, now_us)


async def _put_cameras(connection: Any, cameras: Sequence[Camera], box: SecretBox, now_us: int) -> None:
    enabled = {row["id"] for row in await connection.fetch(_SQL["enabled"])}
    changed = [camera for camera in cameras if camera.enabled is not (camera.id in enabled)]
    await lock_streams(connection, [camera.stream for camera in cameras])
    await connection.execute(_SQL["step_aside"], [camera.id for camera in cameras])
    await connection.execute(
        _GAPS["adopt_streams"],
        [camera.stream for camera in cameras],
        [camera.id for camera in cameras],
        [camera.epoch for camera in cameras],
    )
    await connection.executemany(_SQL["put_camera"], [tuple(camera_columns(each, box).values()) for each in cameras])
    if changed:
        await _declare(connection, changed, now_us)


async def _declare(connection: Any, cameras: Sequence[Camera], now_us: int) -> None:
    """Cameras were enabled or disabled: from now on they are not recorded yet, or no longer, and a gap says so (I4).

    The run that takes the stream up ends the gap; footage that the recorder still delivers shortens it.
    """
    expected = [camera.stream for camera in cameras if camera.enabled]
    await connection.execute(_SQL["expect_since"], expected, now_us)
    ledgers = await load_ledgers(connection, dict.fromkeys([camera.stream for camera in cameras], now_us))
    for camera in cameras:
        reason = GapReason.SHUTDOWN if camera.enabled else GapReason.CAMERA_DISABLED
        ledgers.by_stream[camera.stream].open(now_us, reason)
    await ledgers.write(connection)
