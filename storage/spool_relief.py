"""Keeps the spool's disk from running full, by the ladder of `spool_room`: beside the shipping, not behind it.

What is given up at the last step is declared first, by `Footage.give_up`, and unlinked then: killed in between, the
file is registered again and nothing was lost. A full disk that nothing relieves costs the *newest* footage of all
cameras; giving up the oldest of the lowest class is the lesser loss, and said as plainly: a gap `spool_full`.

Nothing is given up while the store keeps up, that is while nothing has waited for `WAITED_US`: on a disk that is full
of other things, footage would go that is safe in a second. Left alone are: what is being put; what the store has,
though the answer was lost; and a file with a second name (a directory store on the same disk links it), whose end frees
nothing. Without the catalog nothing is given up, as nothing could be declared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from media.errors import GapReason, HultaError, ObjectMissing, ObjectStoreError
from storage import layout
from storage.catalog import MAX_BATCH
from storage.model import SegmentState
from storage.spool_forecast import Forecast
from storage.spool_room import Droppable, Room, Step, first_to_go, room_of
from storage.waiting import pause

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path
    from uuid import UUID

    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.intake import Intake, SpoolCopy
    from storage.objects import ObjectStore
    from storage.uploads import Uploads

LOOK_S = 2.0
WAITED_US = 10_000_000
_ASK_S = 2.0  # for the store to say whether it has a segment, while the disk fills
_CLASSES_US = 60_000_000

log = structlog.get_logger(__name__)


class Relief:
    """The ladder of one spool. `run` never fails, `run_once` may."""

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        intake: Intake,
        uploads: Uploads,
        *,
        spool: Path,
        clock: Clock,
        threads: Executor,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._intake = intake
        self._uploads = uploads
        self._spool = spool
        self._clock = clock
        self._threads = threads
        self._room: Room | None = None
        self._forecast = Forecast()
        self._said = Step.ENOUGH
        self._error: str | None = None
        self._given_up_segments = self._given_up_bytes = 0
        self._classes: dict[UUID, str] = {}
        self._classes_until_us = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Look every two seconds until `stop`; while more has to go, at once again."""
        while not stop.is_set():
            again = False
            try:
                again = await self.run_once()
                self._error = None
            except Exception as error:  # noqa: BLE001 - whatever fails here, shipping goes on and the next look tries
                self._failed(error)
            await pause(self._clock, 0.0 if again else LOOK_S, stop)

    def _failed(self, error: Exception) -> None:
        text = str(error) if isinstance(error, HultaError) else f"{type(error).__name__}: {error}"
        if text != self._error:
            log.warning(
                "spool_not_relieved",
                spool=str(self._spool),
                error=text,
                exc_info=not isinstance(error, HultaError | OSError),
            )
        self._error = text

    async def run_once(self) -> bool:
        """One look, and what follows from it; whether more has to go. CatalogError, OSError."""
        self._room = room = await self._in_thread_room()
        self._say(room)
        self._forecast.note(room, taken_in_bytes=self._taken_in_bytes(), boot_us=self._clock.boot_us())
        if room.step >= Step.RELEASE:
            self._uploads.look_over_soon()
        return room.step is Step.GIVE_UP and await self._give_up(room)

    def state(self) -> dict[str, Any]:
        """JSON-ready: how full the disk is, and what was given up since this process began."""
        room = self._room
        return {
            "path": str(self._spool),
            "size_bytes": None if room is None else room.size_bytes,
            "free_bytes": None if room is None else room.free_bytes,
            "step": 0 if room is None else int(room.step),
            "warning": "" if room is None else _warning(self._spool, room),
            "full_in_us": self._forecast.full_in_us,
            "lasts_us": self._forecast.lasts_us,
            "given_up_segments": self._given_up_segments,
            "given_up_bytes": self._given_up_bytes,
            "error": self._error,
        }

    def _taken_in_bytes(self) -> int:
        """What was sealed so far: only the difference of two of them counts.

        What a new process finds looks as if it came just then, so it says for 20 minutes that the disk lasts shorter.
        """
        waiting_bytes = sum(copy.size_bytes for copy in self._copies().values())
        return waiting_bytes + self._uploads.stored_bytes[self._spool] + self._given_up_bytes

    def _copies(self) -> dict[UUID, SpoolCopy]:
        return {each: copy for each, copy in self._intake.copies.items() if copy.spool == self._spool}

    def _say(self, room: Room) -> None:
        """Each step once, on the way up and on the way down."""
        if room.step != self._said:
            tell = log.warning if room.step > Step.ENOUGH else log.info
            tell(
                "spool_room",
                spool=str(self._spool),
                used_percent=round(room.used_percent, 1),
                free_bytes=room.free_bytes,
                step=int(room.step),
            )
            self._said = room.step

    async def _give_up(self, room: Room) -> bool:
        """Give up one batch of segments; whether any went."""
        candidates = await self._droppable()
        detail = f"given up unstored: the spool's disk was {room.used_percent:.1f} % full"
        with self._uploads.bar(first_to_go(candidates, room.excess_bytes, MAX_BATCH)) as barred:
            chosen = await self._not_stored(barred)
            lost = await self._catalog.footage.give_up(chosen, reason=GapReason.SPOOL_FULL, detail=detail)
            for segment_id in lost:
                copy = self._intake.copies[segment_id]
                await self._uploads.unlink(segment_id)
                self._given_up_segments += 1
                self._given_up_bytes += copy.size_bytes
        if lost:
            log.error("footage_given_up", segments=len(lost), used_percent=round(room.used_percent, 1))
        return bool(lost)

    async def _droppable(self) -> list[Droppable]:
        """The copies that may go, as far as files can tell; none while the store keeps up."""
        waited_us = self._clock.wall_us() - WAITED_US
        copies = self._copies()
        if not any(copy.sealed_us <= waited_us for copy in copies.values()):
            return []
        classes = await self._classes_of_cameras()
        names = {each: (layout.parse_segment_path(copy.path), copy) for each, copy in copies.items()}
        return [
            Droppable(classes.get(name.identity.camera, ""), copy.sealed_us, segment_id, copy.size_bytes)
            for segment_id, (name, copy) in names.items()
            if name is not None
        ]

    async def _not_stored(self, segment_ids: list[UUID]) -> list[UUID]:
        """Those whose only copy is in the spool.

        The store is asked about each that it may have; if it is silent once it is not asked again, and has none.
        """
        states = await self._catalog.footage.states(segment_ids)
        asked = True
        found = []
        for segment_id in segment_ids:
            if segment_id not in self._intake.copies or await self._in_thread_linked(segment_id):
                continue
            if states.get(segment_id) is SegmentState.UPLOADING and asked:
                asked, stored = await self._ask(segment_id)
                if stored:
                    continue
            if states.get(segment_id) in {SegmentState.SPOOLED, SegmentState.UPLOADING}:
                found.append(segment_id)
        return found

    async def _ask(self, segment_id: UUID) -> tuple[bool, bool]:
        """Whether the store answers, and whether it has the segment."""
        segment = await self._catalog.footage.segment(segment_id)
        try:
            async with asyncio.timeout(_ASK_S):
                found = await self._store.stat(segment.key)
        except ObjectMissing:
            return True, False
        except (ObjectStoreError, TimeoutError):
            return False, False
        return True, found.size_bytes == segment.size_bytes

    async def _classes_of_cameras(self) -> dict[UUID, str]:
        now_us = self._clock.boot_us()
        if now_us >= self._classes_until_us:
            self._classes = {camera.id: camera.klass for camera in await self._catalog.inventory.cameras()}
            self._classes_until_us = now_us + _CLASSES_US
        return self._classes

    async def _in_thread_room(self) -> Room:
        return await asyncio.get_running_loop().run_in_executor(self._threads, room_of, self._spool)

    async def _in_thread_linked(self, segment_id: UUID) -> bool:
        path = self._intake.copies[segment_id].path
        return await asyncio.get_running_loop().run_in_executor(self._threads, _linked, path)


def _linked(path: Path) -> bool:
    """Whether the file has a second name, or is gone: to unlink it would free nothing."""
    try:
        return path.stat().st_nlink > 1
    except FileNotFoundError:
        return True


def _warning(spool: Path, room: Room) -> str:
    """For people; "" while there is room enough."""
    if room.step is Step.ENOUGH:
        return ""
    what = {
        Step.WARN: "make room, or see why it is not shipped",
        Step.RELEASE: "only what is not stored yet is left in it",
        Step.GIVE_UP: "the oldest footage of the lowest camera class is given up",
    }[room.step]
    return f"the disk of {spool} is {room.used_percent:.0f} % full, {room.free_bytes / 1e9:.1f} GB are free: {what}"
