"""A session's sound on its way to the segmenter. Whatever is wrong with it is said, and costs no picture."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ingest.tracks import TrackTaker

if TYPE_CHECKING:
    from ingest.segmenter import Segmenter
    from media.access_unit import AccessUnit
    from media.rtcp import SenderReport
    from storage.clock import Clock

log = structlog.get_logger()


class SoundTaker:
    """One stream's, session after session."""

    def __init__(self, camera: str, clock: Clock) -> None:
        self._camera = camera
        self._clock = clock
        self.words = ""
        """Why there is none in the present session, though it is wanted."""

    def begin_session(self, segmenter: Segmenter, pictures: TrackTaker, *, wanted: bool) -> dict[str, TrackTaker]:
        """What takes the tracks of a session that is about to begin: pictures alone, where sound is not wanted."""
        self.words = ""
        if not wanted:
            return {"video": pictures}

        def of_pictures(report: SenderReport) -> None:
            pictures.reports(report)
            segmenter.sound.take_report(report, of_sound=False)

        def of_sound(report: SenderReport) -> None:
            segmenter.sound.take_report(report, of_sound=True)

        sound = TrackTaker(units=partial(self._take, segmenter), reports=of_sound, unusable=self._do_without)
        return {"video": replace(pictures, reports=of_pictures), "audio": sound}

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
