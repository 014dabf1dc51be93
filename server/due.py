"""What a configuration would shorten: the footage that becomes due for deletion as soon as it is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention.policy import Schedule
from server.desired import desired_policies
from server.quantities import format_bytes

if TYPE_CHECKING:
    from server.settings import Settings
    from storage.catalog import Catalog
    from storage.model import Policy


@dataclass(slots=True)
class Due:
    """Footage that is kept today and due tomorrow."""

    cameras: int = 0
    segments: int = 0
    size_bytes: int = 0

    def __str__(self) -> str:
        amount = f"{self.segments} segments ({format_bytes(self.size_bytes)}) of {self.cameras} cameras"
        return f"{amount} would become due for deletion, as they are older than they may be then"


async def newly_due(catalog: Catalog, settings: Settings, now_us: int) -> Due:
    """How much is older than its camera's policy will allow, and not than it allows now. Reads the rows of that."""
    known = await catalog.inventory.policies()
    wanted = {**known, **{policy.name: policy for policy in desired_policies(settings)}}
    listed = {camera.name: camera.policy for site in settings.sites for camera in site.cameras}
    due = Due()
    for camera in await catalog.inventory.cameras():
        before, after = known.get(camera.policy), wanted.get(listed.get(camera.name, camera.policy))
        ages = _ages(before, after)
        if ages is None:
            continue
        segments, size_bytes = await catalog.expiry.unmarked(
            camera.stream, ended_after_us=now_us - ages[0], ended_by_us=now_us - ages[1]
        )
        due.cameras += segments > 0
        due.segments += segments
        due.size_bytes += size_bytes
    return due


def _ages(before: Policy | None, after: Policy | None) -> tuple[int, int] | None:
    """The age at which footage is marked, before and after, if that is sooner."""
    if before is None or after is None:
        return None
    ages = Schedule.of(before).mark_age_us, Schedule.of(after).mark_age_us
    return ages if ages[1] < ages[0] else None
