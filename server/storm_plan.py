"""From files to the plan of a storm: the fleet, its policies, and a script that fits both fleet and time."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from media.errors import ConfigError
from server.city import read_city
from server.fault_script import read_script
from server.quantities import format_duration
from server.settings import read_settings
from simulator.fault_parameters import show_duration
from simulator.faults import Place
from storm.links import link_names
from storm.plan import StormPlan, blows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from server.settings import CameraEntry, PolicyRules, Settings
    from simulator import CameraOptions
    from simulator.script import Step

ANYWHERE = "rtsp://127.0.0.1/"


def make_plan(
    *,
    fleet: Path,
    script: Path,
    seconds: int,
    seed: int,
    data: Path,
    cameras: int | None = None,
    servers: Path | None = None,
    spool_disk_mb: int = 0,
) -> StormPlan:
    """The plan of a storm over the first `cameras` of a fleet. ConfigError names file and line.

    `store` and `catalog` are those of the file `servers`, never those of the fleet: that may be what a city runs with.
    """
    settings, everyone = read_city(fleet)
    entries = {entry.name: entry for site in settings.sites for entry in site.cameras}
    lineup = [_heard(camera, entries[camera.name]) for camera in everyone if entries[camera.name].enabled]
    if not lineup:
        raise ConfigError(f"{fleet}:1: sites: no camera is enabled")
    if cameras is not None and cameras > len(lineup):
        raise ConfigError(f"--cameras {cameras}: {fleet} has {len(lineup)} that are enabled")
    lineup = lineup[:cameras]
    steps = read_script(script)
    for step in steps.steps:
        _require_time(step, seconds)
    product_config = {**_product_config(settings, lineup, entries), **_servers(servers)}
    for step in steps.steps:
        _require_link(step, product_config)
        _require_disk(step, spool_disk_mb)
    found = blows(steps, {camera.name: camera.site for camera in lineup}, seed)
    of_cameras = [(number, step) for number, step in enumerate(steps.steps, 1) if not _is_ours(step)]
    return StormPlan(
        data=data,
        cameras=lineup,
        fleet={"sites": _sites(lineup, _simulated)},
        product_config=product_config,
        camera_script={"steps": [_written(step) for _, step in of_cameras]} if of_cameras else {},
        step_numbers=[number for number, _ in of_cameras],
        blows=found,
        seconds=seconds,
        seed=seed,
        spool_disk_bytes=spool_disk_mb * 1_000_000,
    )


def _heard(camera: CameraOptions, entry: CameraEntry) -> CameraOptions:
    """A camera makes sound where it is to be recorded, and only there: then all that was sent is to come back."""
    return camera if entry.audio else replace(camera, audio="")


def _is_ours(step: Step) -> bool:
    """Whether it is about the product, not about a camera."""
    return not step.fault.kind.place.of_cameras


def _require_time(step: Step, seconds: int) -> None:
    over_us = step.at_us if step.end_us is None else step.end_us
    if over_us > seconds * 1_000_000:
        raise ConfigError(
            f"{step.place}: {step.fault.name} ends at {show_duration(over_us)}, the storm at {seconds}s",
            hint="give the storm more time with --minutes",
        )


def _require_link(step: Step, product_config: Mapping[str, Any]) -> None:
    link = step.fault.parameters.get("link")
    if link is not None and link not in link_names(product_config):
        raise ConfigError(
            f"{step.place}: {step.fault.name} is about the link to the {link}, and there is none",
            hint="--servers FILE with `store: {url: s3://..., endpoint: http://...}` or `catalog: {url: postgresql://...}`",
        )


def _require_disk(step: Step, spool_disk_mb: int) -> None:
    if step.fault.kind.place is Place.DISK and step.fault.number("left") >= spool_disk_mb:
        left = step.fault.number("left")
        has = f"one of {spool_disk_mb} MB" if spool_disk_mb else "none that a storm may fill"
        raise ConfigError(
            f"{step.place}: {step.fault.name} leaves {left} MB of the spool's disk: there is {has}",
            hint="--spool-disk MB mounts one for the spool alone",
        )


def _written(step: Step) -> dict[str, Any]:
    """A step as it stands in a script."""
    times = {"at": step.at_us, "for": step.for_us, "every": step.every_us}
    patterns = {"cameras": [*step.cameras], "sites": [*step.sites]}
    return {
        **{key: show_duration(value) for key, value in times.items() if value is not None},
        "fault": step.fault.name,
        **step.fault.written(),
        **{key: value for key, value in patterns.items() if value},
    }


def _sites(lineup: Iterable[CameraOptions], describe: Any) -> list[dict[str, Any]]:
    return [
        {"name": site, "cameras": [describe(camera) for camera in cameras]}
        for site, cameras in groupby(lineup, key=lambda camera: camera.site)
    ]


def _simulated(camera: CameraOptions) -> dict[str, Any]:
    return {
        "name": camera.name,
        "url": ANYWHERE,
        "bitrate": str(camera.bitrate_bps),
        "simulate": {
            "fps": camera.fps,
            "gop": f"{camera.gop_us // 1000}ms",
            "b_frames": camera.b_frames,
            "codec": camera.codec,
            **({"audio": camera.audio} if camera.audio else {}),
        },
    }


def _product_config(
    settings: Settings, lineup: Sequence[CameraOptions], entries: Mapping[str, CameraEntry]
) -> dict[str, Any]:
    def recorded(camera: CameraOptions) -> dict[str, Any]:
        entry = entries[camera.name]
        rate = {"bitrate": str(entry.bitrate)} if entry.bitrate else {}
        return {
            "name": camera.name,
            **rate,
            "policy": entry.policy,
            "class": entry.klass,
            "transport": entry.transport,
            **({"audio": True} if entry.audio else {}),
        }

    policies = {name: _policy(rules) for name, rules in settings.policies.items()}
    return {
        "policies": policies or {"default": {"keep_max": "1d"}},
        "sites": _sites(lineup, recorded),
    }


def _servers(path: Path | None) -> dict[str, Any]:
    """Object store and database as the file has them; what it does not name is embedded."""
    if path is None:
        return {}
    settings = read_settings(path)
    tables = {"store": settings.store, "catalog": settings.catalog}
    return {key: table.model_dump(mode="json", exclude_unset=True) for key, table in tables.items()}


def _policy(rules: PolicyRules) -> dict[str, Any]:
    least = {} if rules.keep_min is None else {"keep_min": format_duration(rules.keep_min)}
    return {"keep_max": format_duration(rules.keep_max), **least, "purpose": rules.purpose}
