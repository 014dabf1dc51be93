"""How much disk a storm needs, looked at before it starts: a full disk in the middle proves nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from storm.plan import StormFailed

if TYPE_CHECKING:
    from storm.plan import StormPlan

CALM_S = 240
"""What is recorded before and after the script, at most: until all cameras record, and until everything has settled."""

LOG_BYTES = 90
"""Of the sent log for each frame. Each camera's part of it is copied once."""

SPARE_BYTES = 512 << 20


def needed_bytes(plan: StormPlan, workers: int) -> int:
    """Footage and logs, and for each worker the longest video that it may fetch."""
    seconds = plan.seconds + CALM_S
    footage = [camera.bitrate_bps * seconds // 8 for camera in plan.cameras]
    logs = sum(camera.fps for camera in plan.cameras) * seconds * LOG_BYTES * 2
    return sum(footage) + logs + workers * max(footage, default=0) + plan.spool_disk_bytes + SPARE_BYTES


def require_room(plan: StormPlan, workers: int) -> None:
    """StormFailed if the disk has less."""
    needed, free = needed_bytes(plan, workers), shutil.disk_usage(plan.data).free
    if free < needed:
        raise StormFailed(
            f"{plan.data}: the storm needs {needed / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB free",
            hint="name another disk with --data, or storm for less time or with fewer cameras",
        )
