"""A session's sound on its way to the segmenter. Whatever is wrong with it is said, and costs no picture."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from ingest.tracks import TrackTaker

if TYPE_CHECKING:
    from ingest.segmenter import Segmenter
    from media.access_unit import AccessUnit
    from storage.clock import Clock

log = structlog.get_logger()


class SoundTaker:
    """One stream's, session after session."""

    def __init__(self, camera: str, clock: Clock) -> None:
        self._camera = camera
        self._clock = clock
        self.words = ""
        """Why there is none in the present session, though it is wanted."""

    def begin_session(self, segmenter: Segmenter, *, wanted: bool) -> dict[str, TrackTaker]:
        """What takes the track of a session that is about to begin; nothing, where it is not wanted."""
        self.words = ""
        taker = TrackTaker(units=partial(self._take, segmenter), unusable=self._do_without)
        return {"audio": taker} if wanted else {}

    def _take(self, segmenter: Segmenter, unit: AccessUnit) -> None:
        if self.words:
            return
        try:
            segmenter.add_sound(unit, self._clock.wall_us())
        except Exception as error:
            # Raised further it would pass for a malformed packet, and pictures go on in any case.
            log.exception("recorder_defect", camera=self._camera)
            self._do_without(f"internal error: {type(error).__name__}")

    def _do_without(self, why: str) -> None:
        log.warning("camera_without_sound", camera=self._camera, why=why)
        self.words = f"no sound: {why}"
