"""An alert: something about a camera, or the recorder, that somebody should know, or that it is over. Pure values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from playback.timerange import format_instant

STOPPED, RECORDER_SILENT = "stopped", "recorder_silent"
FROZEN_PICTURE, FROZEN_TIMESTAMPS, CAMERA_CLOCK = "frozen_picture", "frozen_timestamps", "camera_clock"
STORE_SILENT, SPOOL_FILLING = "store_silent", "spool_filling"

_BEGUN = {
    STOPPED: "does not record",
    RECORDER_SILENT: "the recorder does not answer",
    FROZEN_PICTURE: "shows the same picture again and again",
    FROZEN_TIMESTAMPS: "sends timestamps that stand still",
    CAMERA_CLOCK: "has a wrong clock",
    STORE_SILENT: "the object store takes nothing",
    SPOOL_FILLING: "the spool's disk fills",
}
_OVER = {
    STOPPED: "records again",
    RECORDER_SILENT: "the recorder answers again",
    FROZEN_PICTURE: "shows new pictures again",
    FROZEN_TIMESTAMPS: "sends timestamps that go on again",
    CAMERA_CLOCK: "has the right time again",
    STORE_SILENT: "the object store takes footage again",
    SPOOL_FILLING: "the spool's disk has room again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that began or is over. `camera` is empty where it concerns all of this host's."""

    id: str
    """Unique; both messages of one episode share what stands before the dot."""
    kind: str
    over: bool
    camera: str
    name: str
    since_us: int
    at_us: int
    """When it was noticed."""
    reason: str = ""
    detail: str = ""
    camera_clock_offset_us: int | None = None

    @property
    def words(self) -> str:
        """A line for people."""
        said = (_OVER if self.over else _BEGUN)[self.kind]
        why = ": ".join(part for part in (self.reason, self.detail) if part)
        subject = f"{self.name} {said}" if self.name else said
        return f"{subject}{f' ({why})' if why and not self.over else ''}, since {format_instant(self.since_us)}"

    def to_json(self) -> dict[str, Any]:
        """As a webhook gets it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": "over" if self.over else "begun",
            "camera": self.camera or None,
            "name": self.name or None,
            "since": format_instant(self.since_us),
            "at": format_instant(self.at_us),
            "reason": self.reason or None,
            "detail": self.detail or None,
            "camera_clock_offset_us": self.camera_clock_offset_us,
            "text": self.words,
        }

    def to_stored(self) -> dict[str, Any]:
        """For the file of what is still to be sent."""
        return asdict(self)

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> Self:
        """And back. TypeError, KeyError or ValueError for anything else."""
        if stored["kind"] not in _BEGUN or not all(isinstance(stored[name], int) for name in ("since_us", "at_us")):
            raise ValueError("not an alert")
        return cls(**stored)
