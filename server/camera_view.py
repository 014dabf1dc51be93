"""A camera as the API shows it: what the catalog wants, what the recorder does, and what is safe.

`since` answers "why is this camera not recording, and since when": for a camera that does not record it is the end of
its newest footage, or that at which it was enabled, however often the recorder was restarted meanwhile. For one that
records it is where that began, restarts passed over (`server.uninterrupted`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from media.errors import GapReason
from playback.timerange import format_instant
from server.camera_remarks import Remarks
from server.uninterrupted import recording_since_us

if TYPE_CHECKING:
    from uuid import UUID

    from playback.library import Library
    from server.fleet import Fleet
    from storage.catalog import Catalog, Gaps
    from storage.clock import Clock
    from storage.model import Camera

LOOK_BACK_US = 900_000_000  # longer than any segment
MAX_GAPS_BACK = 200
SETTLED_US = 30_000_000  # after which the gap before the footage is in the catalog, if there was one

RECORDER_SILENT = {"state": "failed", "reason": GapReason.CRASH.value, "detail": "the recorder does not answer"}
NOT_TAKEN_UP = {"state": "connecting"}  # assigned a moment ago


class CameraView:
    """Makes camera JSON. Remembers the newest footage of each stream: it never moves back."""

    def __init__(self, *, catalog: Catalog, library: Library, fleet: Fleet, clock: Clock) -> None:
        self._catalog = catalog
        self._library = library
        self._fleet = fleet
        self._clock = clock
        self._remarks = Remarks()
        self._through_us: dict[UUID, int] = {}
        self._began_us: dict[UUID, tuple[int, int]] = {}  # since when the recorder says, and since when that is

    async def describe(self, camera: Camera) -> dict[str, Any]:
        """The camera JSON of the public contract."""
        live = self._live(camera)
        through_us = await self.durable_through_us(camera)
        return {
            "id": str(camera.id),
            "name": camera.name,
            "site": camera.site,
            "enabled": camera.enabled,
            "state": live["state"],
            "reason": live.get("reason"),
            "since": _instant(await self._since_us(live, through_us, camera)),
            "durable_through": _instant(through_us),
            "bitrate_bps": live.get("bitrate_bps"),
            "camera_clock_offset_us": live.get("camera_clock_offset_us"),
        }

    def remarks(self, camera: Camera) -> dict[str, Any]:
        """What there is to say about a camera beyond its state: why it fails, and what is odd though it records."""
        live, record = self._live(camera), self._fleet.record
        silent_us = 0 if record.answer is None else record.silent_us
        found = self._remarks.of(camera.stream, live, self._clock.wall_us(), silent_us=silent_us)
        return {
            "id": str(camera.id),
            "detail": (live.get("detail") or None) if live["state"] == "failed" else None,
            "remarks": [
                {"kind": remark.kind, "since": format_instant(remark.since_us), "words": remark.words}
                for remark in found
            ],
        }

    async def _since_us(self, live: dict[str, Any], through_us: int | None, camera: Camera) -> int | None:
        """Since when; of a camera that does not record since its newest footage, or since it was enabled."""
        since_us: int | None = live.get("since_us")
        if not camera.enabled:
            return through_us
        if live["state"] == "recording" and since_us is not None:
            return await self._recording_since_us(camera, since_us)
        known_us = camera.enabled_since_us if through_us is None else through_us
        return known_us if since_us is None else min(since_us, known_us)

    async def _recording_since_us(self, camera: Camera, since_us: int) -> int:
        said_us, began_us = self._began_us.get(camera.stream, (0, 0))
        if said_us == since_us:
            return began_us
        declared_us = camera.expected_since_us or camera.enabled_since_us
        began_us = await recording_since_us(self._catalog.gaps, camera.stream, since_us, declared_us)
        if began_us < since_us or self._clock.wall_us() - since_us > SETTLED_US:
            self._began_us[camera.stream] = since_us, began_us
        return began_us

    async def durable_through_us(self, camera: Camera) -> int | None:
        """Where the camera's newest durable footage ends."""
        live = self._fleet.stream(camera.stream)
        durable = live.get("durable") if live else None
        if durable is not None:
            self._through_us[camera.stream] = max(durable["through_us"], self._through_us.get(camera.stream, 0))
        elif camera.stream not in self._through_us:
            found = await self._newest_footage_us(camera)
            if found is None:
                return None
            self._through_us[camera.stream] = found
        return self._through_us[camera.stream]

    def _live(self, camera: Camera) -> dict[str, Any]:
        if not camera.enabled:
            return {"state": "disabled", "reason": GapReason.CAMERA_DISABLED.value}
        if self._fleet.record.answer is None:
            return RECORDER_SILENT
        return self._fleet.stream(camera.stream) or NOT_TAKEN_UP

    async def _newest_footage_us(self, camera: Camera) -> int | None:
        now_us = self._clock.wall_us()
        timeline = await self._library.timeline(camera, now_us - LOOK_BACK_US, now_us)
        if timeline.spans:
            return max(span.to_us for span in timeline.spans)
        edge_us = await _before_gaps(self._catalog.gaps, camera.stream, now_us)
        declared_us = camera.expected_since_us or camera.enabled_since_us
        return edge_us if declared_us < edge_us < now_us else None


async def _before_gaps(gaps: Gaps, stream: UUID, edge_us: int) -> int:
    """Go back over the gaps that touch one another, to where something else was."""
    for _ in range(MAX_GAPS_BACK):
        touching = await gaps.gaps(stream, edge_us - 1, edge_us)
        if not touching:
            break
        edge_us = touching[0].start_us
    return edge_us


def _instant(wall_us: int | None) -> str | None:
    return None if wall_us is None else format_instant(wall_us)
