"""From what the recorder says of itself, again and again, to alerts: what began, what is over. Pure.

1. A camera that is enabled and does not record for `stopped_after` has stopped. It is back once it has recorded for
   10 s: one that comes and goes is away.
2. A condition (`ingest.conditions`) is told when the recorder tells it, and is over when it says no more of it. A
   recorder that was restarted knows nothing yet, so there it is over only after half a minute of recording.
3. A recorder that does not answer for `stopped_after` is an alert of its own; of its cameras nothing is known then.
4. The store has taken nothing for `stopped_after` and five minutes more, or the spool's disk will be full within
   `spool_full_within`; that is over when it is twice as long, or not at all, and the disk not in use beyond 70 %.
5. A camera that is disabled, or gone, is none to worry about: what was told of it is over.

What is open is kept by whoever asks (`server.alert_file`), so a restart repeats nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from server.alert import (
    CAMERA_CLOCK,
    FROZEN_PICTURE,
    FROZEN_TIMESTAMPS,
    RECORDER_SILENT,
    SPOOL_FILLING,
    STOPPED,
    STORE_SILENT,
    Alert,
)
from server.shipping_words import filling_words
from storage.model import HOUR_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STEADY_US = 10_000_000
UNKNOWN_US = 30_000_000
"""How long a new recorder may take to see what the one before it saw."""

STORE_PATIENCE_US = 300_000_000
"""Of the store: what is recorded is safe meanwhile, and a server that is restarted is none to wake somebody for."""

MOST_OPEN = 20_000
CONDITIONS = (FROZEN_PICTURE, FROZEN_TIMESTAMPS, CAMERA_CLOCK)
SILENT = f"{RECORDER_SILENT}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An alert that was told and is not over."""

    id: str
    kind: str
    camera: str
    name: str
    since_us: int
    run: str


class AlertWatch:
    """Call `look` every second or two."""

    def __init__(
        self,
        *,
        stopped_after_us: int,
        spool_full_within_us: int = 24 * HOUR_US,
        opened: Mapping[str, Open] | None = None,
    ) -> None:
        self._stopped_after_us = stopped_after_us
        self._spool_full_within_us = spool_full_within_us
        self.opened: dict[str, Open] = dict(opened or {})
        self._down_us: dict[str, int] = {}
        self._up_us: dict[str, int] = {}
        self._gone_us: dict[str, int] = {}
        self._answered_us: int | None = None
        self._new_id: Callable[[], str] = lambda: secrets.token_hex(8)

    def look(self, record: Mapping[str, Any] | None, *, boot_us: int, wall_us: int) -> list[Alert]:
        """What the recorder said just now, None if nothing; the alerts that follow."""
        if self._answered_us is None or record is not None:
            self._answered_us = boot_us
        if record is None:
            silent_us = boot_us - self._answered_us
            if silent_us < self._stopped_after_us:
                return []
            return [*self._begin(RECORDER_SILENT, "", {}, wall_us - silent_us, wall_us, run="")]
        alerts = [*self._end(SILENT, wall_us)]
        run, streams = str(record.get("run", "")), record.get("streams", {})
        cameras = {str(stream["camera"]): stream for stream in streams.values()}
        self._gone_us = {camera: since_us for camera, since_us in self._gone_us.items() if camera not in cameras}
        for camera, stream in cameras.items():
            alerts += self._camera(camera, stream, run, boot_us, wall_us)
        for key, gone in list(self.opened.items()):
            if gone.camera and gone.camera not in cameras:
                alerts += self._missed(key, gone.camera, boot_us, wall_us)
        return alerts

    def look_at_ship(self, ship: Mapping[str, Any] | None, *, wall_us: int) -> list[Alert]:
        """What `ship` said just now; the alerts that follow. While it says nothing, nothing begins or ends."""
        if ship is None:
            return []
        return [*self._store(ship, wall_us), *self._spool(ship, wall_us)]

    def _store(self, ship: Mapping[str, Any], wall_us: int) -> Iterator[Alert]:
        waited_us = int(ship["oldest_waiting_age_us"])
        if not ship["error"]:
            yield from self._end(f"{STORE_SILENT}:", wall_us)
        elif waited_us >= self._stopped_after_us + STORE_PATIENCE_US:
            said = {"detail": ship["error"]}
            yield from self._begin(STORE_SILENT, "", said, wall_us - waited_us, wall_us, run="")

    def _spool(self, ship: Mapping[str, Any], wall_us: int) -> Iterator[Alert]:
        within_us = self._spool_full_within_us
        words = "; ".join(filling_words(ship, within_us=within_us))
        words = words or "; ".join(filter(None, (spool["warning"] for spool in ship["spools"])))
        if words:
            yield from self._begin(SPOOL_FILLING, "", {"detail": words}, wall_us, wall_us, run="")
        elif not any(filling_words(ship, within_us=2 * within_us)):
            yield from self._end(f"{SPOOL_FILLING}:", wall_us)

    def _camera(self, camera: str, stream: Mapping[str, Any], run: str, boot_us: int, wall_us: int) -> Iterator[Alert]:
        state = stream["state"]
        if state == "disabled":
            self._forget(camera)
            for key in [key for key, told in self.opened.items() if told.camera == camera]:
                yield from self._end(key, wall_us)
            return
        self._note(camera, recording=state == "recording", boot_us=boot_us)
        down_us = self._down_us.get(camera)
        if down_us is None:
            yield from self._end(f"{STOPPED}:{camera}", wall_us)
        elif boot_us - down_us >= self._stopped_after_us and state != "recording":
            seen_us, durable = wall_us - (boot_us - down_us), stream.get("durable")
            since_us = seen_us if durable is None else min(seen_us, int(durable["through_us"]))
            yield from self._begin(STOPPED, camera, stream, since_us, wall_us, run=run)
        yield from self._conditions(camera, stream, run, boot_us, wall_us)

    def _conditions(
        self, camera: str, stream: Mapping[str, Any], run: str, boot_us: int, wall_us: int
    ) -> Iterator[Alert]:
        said = stream.get("conditions") or {}
        recorded_us = boot_us - self._up_us.get(camera, boot_us)
        for kind in CONDITIONS:
            key = f"{kind}:{camera}"
            if kind in said:
                yield from self._begin(kind, camera, stream, int(said[kind]), wall_us, run=run)
            elif key in self.opened and (self.opened[key].run == run or recorded_us >= UNKNOWN_US):
                yield from self._end(key, wall_us)

    def _note(self, camera: str, *, recording: bool, boot_us: int) -> None:
        if not recording:
            self._down_us.setdefault(camera, boot_us)
            self._up_us.pop(camera, None)
            return
        if boot_us - self._up_us.setdefault(camera, boot_us) >= STEADY_US:
            self._down_us.pop(camera, None)

    def _missed(self, key: str, camera: str, boot_us: int, wall_us: int) -> Iterator[Alert]:
        """A camera that the recorder does not know: not yet, or not any more."""
        if boot_us - self._gone_us.setdefault(camera, boot_us) >= UNKNOWN_US:
            self._down_us.pop(camera, None)
            yield from self._end(key, wall_us)

    def _forget(self, camera: str) -> None:
        self._down_us.pop(camera, None)
        self._up_us.pop(camera, None)

    def _begin(
        self, kind: str, camera: str, stream: Mapping[str, Any], since_us: int, wall_us: int, *, run: str
    ) -> Iterator[Alert]:
        key = f"{kind}:{camera}"
        known = self.opened.get(key)
        if known is not None:
            self.opened[key] = known if known.run == run else replace(known, run=run)
            return
        if len(self.opened) >= MOST_OPEN:
            return
        name = str(stream.get("name", ""))
        told = Open(id=self._new_id(), kind=kind, camera=camera, name=name, since_us=since_us, run=run)
        self.opened[key] = told
        yield Alert(
            id=f"{told.id}.begun",
            kind=kind,
            over=False,
            camera=camera,
            name=told.name,
            since_us=since_us,
            at_us=wall_us,
            reason=str(stream.get("reason") or "") if kind == STOPPED else "",
            detail=str(stream.get("detail") or "")[:300],
            camera_clock_offset_us=stream.get("camera_clock_offset_us") if kind == CAMERA_CLOCK else None,
        )

    def _end(self, key: str, wall_us: int) -> Iterator[Alert]:
        told = self.opened.pop(key, None)
        if told is not None:
            yield Alert(
                id=f"{told.id}.over",
                kind=told.kind,
                over=True,
                camera=told.camera,
                name=told.name,
                since_us=wall_us,
                at_us=wall_us,
            )
