"""From the configuration to what the catalog is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.quantities import parse_duration_us
from server.settings import DEFAULT_POLICY
from storage.model import DesiredCamera, DesiredSite, Policy

if TYPE_CHECKING:
    from server.settings import CameraEntry, Settings
    from storage.catalog import Inventory
    from storage.model import Change

FALLBACK_POLICY = Policy(name=DEFAULT_POLICY, keep_max_us=parse_duration_us("30d"))
"""The policy `default` of a new catalog whose configuration states none: footage of people always has an end."""


async def apply_settings(
    inventory: Inventory, settings: Settings, *, prune: bool = False, dry_run: bool = False
) -> list[Change]:
    """Make the catalog agree with the configuration; the changes made, or those that would be made.

    A policy that the file does not state stays as it is: starting without a configuration must never shorten what an
    earlier one promised to keep.
    """
    policies = desired_policies(settings)
    known = await inventory.policies()
    if DEFAULT_POLICY not in known and DEFAULT_POLICY not in settings.policies:
        policies.append(FALLBACK_POLICY)
    return await inventory.apply(desired_sites(settings), policies, origin="file", prune=prune, dry_run=dry_run)


def desired_policies(settings: Settings) -> list[Policy]:
    """Every policy of the file."""
    return [
        Policy(name=name, keep_max_us=rules.keep_max, keep_min_us=rules.keep_min, purpose=rules.purpose)
        for name, rules in settings.policies.items()
    ]


def desired_sites(settings: Settings) -> list[DesiredSite]:
    """Every site of the file with its cameras."""
    return [
        DesiredSite(
            name=site.name,
            networks=site.networks,
            uplink_bps=site.uplink,
            cameras=tuple(_desired_camera(camera) for camera in site.cameras),
        )
        for site in settings.sites
    ]


def _desired_camera(camera: CameraEntry) -> DesiredCamera:
    return DesiredCamera(
        name=camera.name,
        url=camera.address,
        id=camera.id,
        policy=camera.policy,
        enabled=camera.enabled,
        bitrate_bps=camera.bitrate,
        transport=camera.transport,
        tls_ca=camera.tls_ca,
        tls_pin=camera.tls_pin,
        audio=camera.audio,
        source=camera.source,
        klass=camera.klass,
    )
