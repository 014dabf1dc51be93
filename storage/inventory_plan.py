"""What `apply` is to change: the difference between a desired list and what is known. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from media.errors import ConfigError
from storage.model import Camera, Change, DesiredCamera, FieldChange, Policy, Site, main_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from media.url import CameraUrl
    from storage.model import DesiredSite, Origin

_SHOWN_FIELDS = (
    *("name", "site", "policy", "klass", "origin", "bitrate_bps"),
    *("transport", "tls_ca", "tls_pin", "source", "audio"),
)
_HIDDEN = "***"


@dataclass(slots=True, kw_only=True)
class Plan:
    """Rows to write, and what they change in words. Empty lists: all is as desired."""

    changes: list[Change] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    cameras: list[Camera] = field(default_factory=list)
    renamed: int = 0  # so many of `cameras`, the first ones, take another name and must be written together

    def first(self, batch: int) -> Plan:
        """What is to be written first: all but cameras beyond a batch."""
        cameras = self.cameras[: max(batch, self.renamed)]
        return Plan(policies=self.policies, sites=self.sites, cameras=cameras)

    def rest(self, batch: int) -> Iterator[Plan]:
        """The rest, a batch at a time. Killed in between, the next `apply` finishes it."""
        for start in range(max(batch, self.renamed), len(self.cameras), batch):
            yield Plan(cameras=self.cameras[start : start + batch])


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the catalog holds."""

    policies: Mapping[str, Policy]
    sites: Mapping[str, Site]
    cameras: Sequence[Camera]


def plan(
    known: Known,
    desired: Sequence[DesiredSite],
    policies: Iterable[Policy],
    *,
    origin: Origin,
    prune: bool,
    now_us: int,
) -> Plan:
    """The difference. ConfigError names the camera that cannot be as desired."""
    outcome = Plan()
    wanted_policies = {policy.name: policy for policy in policies}
    for policy in wanted_policies.values():
        _plan_policy(outcome, known.policies.get(policy.name), policy)
    for site in desired:
        _plan_site(outcome, known.sites.get(site.name), site)
    wanted = [(camera, site.name) for site in desired for camera in site.cameras]
    matches = _match([camera for camera, _ in wanted], known.cameras)
    known_policies = {*known.policies, *wanted_policies}
    for (camera, site_name), before in zip(wanted, matches, strict=True):
        if camera.policy not in known_policies:
            raise ConfigError(f"camera {camera.name}: no policy named {camera.policy!r}")
        _plan_camera(outcome, before, _wanted_row(before, camera, site_name, origin, now_us))
    if prune:
        kept = {before.id for before in matches if before is not None}
        for before in known.cameras:
            if before.id not in kept and before.origin == origin and before.enabled:
                _plan_camera(outcome, before, replace(before, enabled=False))
    _require_unique_names(known.cameras, outcome.cameras)
    names = {camera.id: camera.name for camera in known.cameras}
    outcome.cameras.sort(key=lambda camera: names.get(camera.id, camera.name) == camera.name)
    outcome.renamed = sum(names.get(camera.id, camera.name) != camera.name for camera in outcome.cameras)
    return outcome


def _match(wanted: Sequence[DesiredCamera], known: Sequence[Camera]) -> list[Camera | None]:
    """The known camera behind each desired one: by id where it has one, else by name."""
    by_id = {camera.id: camera for camera in known}
    claimed = {camera.id for camera in wanted if camera.id is not None}
    if len(claimed) < sum(camera.id is not None for camera in wanted):
        raise ConfigError("two cameras have the same id")
    by_name = {camera.name: camera for camera in known if camera.id not in claimed}
    names: set[str] = set()
    for camera in wanted:
        if camera.name in names:
            raise ConfigError(f"camera {camera.name} is listed twice; names are unique over all sites")
        names.add(camera.name)
        if camera.id is not None and camera.id not in by_id and camera.name in by_name:
            raise ConfigError(
                f"camera {camera.name} is known with the id {by_name[camera.name].id}, not {camera.id}",
                hint="drop the id to keep that camera and its footage, or choose another name for a new camera",
            )
    return [by_name.get(camera.name) if camera.id is None else by_id.get(camera.id) for camera in wanted]


def _wanted_row(before: Camera | None, camera: DesiredCamera, site: str, origin: Origin, now_us: int) -> Camera:
    camera_id = before.id if before is not None else camera.id or uuid4()
    newly_enabled = camera.enabled and not (before is not None and before.enabled)
    return Camera(
        id=camera_id,
        name=camera.name,
        site=site,
        stream=main_stream(camera_id) if before is None else before.stream,
        epoch=1 if before is None else before.epoch,
        url=camera.url,
        policy=camera.policy,
        enabled=camera.enabled,
        origin=origin,
        enabled_since_us=now_us if before is None or newly_enabled else before.enabled_since_us,
        expected_since_us=None if before is None else before.expected_since_us,
        bitrate_bps=camera.bitrate_bps,
        transport=camera.transport,
        tls_ca=camera.tls_ca,
        tls_pin=camera.tls_pin,
        audio=camera.audio,
        source=camera.source,
        klass=camera.klass,
    )


def _plan_policy(outcome: Plan, before: Policy | None, after: Policy) -> None:
    if before == after:
        return
    outcome.policies.append(after)
    if before is None:
        outcome.changes.append(Change(noun="policy", verb="added", name=after.name))
        return
    fields = _fields(before, after, ("keep_max_us", "keep_min_us", "purpose"))
    outcome.changes.append(Change(noun="policy", verb="changed", name=after.name, fields=fields))


def _plan_site(outcome: Plan, before: Site | None, desired: DesiredSite) -> None:
    after = Site(
        id=uuid4() if before is None else before.id,
        name=desired.name,
        networks=desired.networks,
        uplink_bps=desired.uplink_bps,
    )
    if before == after:
        return
    outcome.sites.append(after)
    if before is None:
        outcome.changes.append(Change(noun="site", verb="added", name=after.name, id=after.id))
        return
    fields = _fields(before, after, ("networks", "uplink_bps"))
    outcome.changes.append(Change(noun="site", verb="changed", name=after.name, id=after.id, fields=fields))


def _plan_camera(outcome: Plan, before: Camera | None, after: Camera) -> None:
    if before == after:
        return
    outcome.cameras.append(after)
    if before is None:
        outcome.changes.append(Change(noun="camera", verb="added", name=after.name, id=after.id))
        return
    fields = _fields(before, after, _SHOWN_FIELDS)
    fields += _url_fields(before.url, after.url)
    if fields:
        outcome.changes.append(Change(noun="camera", verb="changed", name=after.name, id=after.id, fields=fields))
    if before.enabled is not after.enabled:
        verb: Literal["enabled", "disabled"] = "enabled" if after.enabled else "disabled"
        outcome.changes.append(Change(noun="camera", verb=verb, name=after.name, id=after.id))


def _fields(before: object, after: object, names: Iterable[str]) -> tuple[FieldChange, ...]:
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return tuple(FieldChange(name, _shown(was), _shown(will)) for name, was, will in pairs if was != will)


def _url_fields(before: CameraUrl, after: CameraUrl) -> tuple[FieldChange, ...]:
    if before == after:
        return ()
    if str(before) != str(after):
        return (FieldChange("url", str(before), str(after)),)
    return (FieldChange("credentials", _HIDDEN, _HIDDEN),)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def _require_unique_names(known: Sequence[Camera], changed: Sequence[Camera]) -> None:
    names: dict[str, UUID] = {}
    for camera in {camera.id: camera for camera in (*known, *changed)}.values():
        if camera.name in names:
            raise ConfigError(
                f"camera {camera.name}: the name belongs to camera {names[camera.name]} already",
                hint="give one of them another name",
            )
        names[camera.name] = camera.id
