"""One stream's recorder: keeps a session to its camera, feeds the segmenter, writes to the spool, accounts for gaps.

At every instant the recorder either has a span open or a gap (`ingest.gap_account`). A gap begins where the footage
ends and ends where footage begins again, both as told by the segmenter, so that no recorded frame lies in it. Whatever
is lost after that (a crash, a failing disk) starts from the last durable fragment.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from ingest.approach import CameraMemory
from ingest.backoff import Backoff
from ingest.conditions import Conditions
from ingest.durable import Durable
from ingest.gap_account import GapAccount
from ingest.kept_bytes import KeptBytes
from ingest.live_feed import LiveFeed
from ingest.opening import open_source
from ingest.segment_sink import StreamIdentity
from ingest.segmenter import Segmenter
from ingest.sound_taker import SoundTaker
from ingest.stream_notes import note_span, note_start
from ingest.tracks import TrackTaker
from ingest.watch import COUNTED, SessionWatch
from media.commit import ZERO_CHAIN
from media.errors import CodecError, GapReason, SourceError
from media.moof import TRACK_ID
from storage.spool import gap_reason
from storage.waiting import first_of

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from ingest.assignments import Assignment
    from ingest.backoff import Herd
    from media.access_unit import AccessUnit
    from media.commit import Commit
    from media.identity import SegmentIdentity
    from media.track import Track
    from storage.clock import Clock
    from storage.spool import SpoolRun, SpoolSegment

NO_SYNC_SHOWN_US = 10_000_000
"""A camera from which nothing can be recorded for so long is shown as failed, though its session goes on."""

log = structlog.get_logger()


class Recorder:
    """Records one stream for the length of a run; the SegmentSink of its segmenter."""

    def __init__(
        self, assignment: Assignment, *, spool: SpoolRun, clock: Clock, herd: Herd, rng: random.Random
    ) -> None:
        self._assignment = assignment
        self._wanted = True
        self._changed = asyncio.Event()
        self.spool = spool
        self._clock = clock
        self._herd = herd
        self._backoff = Backoff(rng)
        self._memory = CameraMemory()
        self._segmenter = self._new_segmenter(ZERO_CHAIN)
        self._watch: SessionWatch | None = None
        self.live: LiveFeed | None = None  # while somebody watches; nobody costs one test of it a frame
        self._file: SpoolSegment | None = None
        self._span = -1
        self._kept = KeptBytes(spool)
        self._disk_failed = False  # and no fragment was durable since
        self._durable = Durable()
        self._sound = SoundTaker(assignment.name, clock)
        self._counts = dict.fromkeys(("frames", "lost_packets", "sessions", *COUNTED), 0)
        now_us = self._attempt_us = clock.wall_us()
        self._gaps = GapAccount(assignment.stream, spool, GapReason.NO_SYNC, now_us)
        self._state, self._reason, self._detail, self._since_us = "connecting", "", "", now_us
        self._stream = assignment.stream
        self._conditions = Conditions(assignment.stream, spool, clock)
        note_start(spool, assignment, now_us)

    def assign(self, assignment: Assignment | None) -> None:
        """Follow a changed assignment at once; None: record this stream no longer.

        The session goes on unless the camera is to be reached another way: a new name costs no frame.
        """
        before, was_wanted = self._assignment, self._wanted
        self._wanted = assignment is not None
        if assignment is not None:
            if assignment.url is None and was_wanted:
                assignment = replace(assignment, url=before.url, problem=before.problem)  # better than nothing
            if assignment.approach != before.approach:
                self._memory = CameraMemory()  # it may be another camera, and somebody has looked at its settings
            self._assignment = assignment
            self._segmenter.rotate_every(assignment.segment_us)
            if assignment.epoch != before.epoch:
                self._stop_recording(GapReason.NO_SYNC, "the stream's epoch changed")
                self._segmenter = self._new_segmenter(self._segmenter.chain)
        if self._wanted != was_wanted or self._assignment.way != before.way:
            self._changed.set()

    async def run(self) -> None:
        """Record until cancelled. Never fails: a camera's troubles end here."""
        while True:
            self._changed.clear()
            if not self._wanted:
                self._stop_recording(GapReason.CAMERA_DISABLED, "the camera was disabled")
                self._enter("disabled")
                await self._changed.wait()
                self._enter("connecting")
                continue
            wait_s = 0.0
            try:
                await self._run_once()
            except SourceError as error:
                wait_s = self._failed(error)
            except Exception as error:
                # A defect met by one camera must not stop the others; it is logged with its traceback.
                log.exception("recorder_defect", camera=self._assignment.name)
                wait_s = self._failed(SourceError(GapReason.PROTOCOL, f"internal error: {type(error).__name__}"))
            await first_of(self._changed.wait(), self._clock.sleep(wait_s))

    def stop(self) -> None:
        """The process ends: close everything in order. `run` must have been cancelled."""
        self._stop_recording(GapReason.SHUTDOWN, "the recorder was stopped")

    def tick(self, now_us: int, boot_us: int) -> None:
        """Called a few times a second: what is due without a packet arriving. Never fails, as `run`."""
        try:
            self._tick(now_us, boot_us)
        except Exception as error:
            log.exception("recorder_defect", camera=self._assignment.name)
            if self._watch is not None:
                self._watch.camera.fail(GapReason.PROTOCOL, f"internal error: {type(error).__name__}")

    def _tick(self, now_us: int, boot_us: int) -> None:
        self._segmenter.close_overdue(now_us)
        self._conditions.check(boot_us)
        self._segmenter.camera_clock_us = self._conditions.clock_offset_us
        self._kept.recover()
        watch = self._watch
        if watch is not None:
            watch.camera.hurry(wanted=self.live is not None)
            watch.check(boot_us, self._segmenter, self._assignment.bitrate_bps or 0, blocked=self._kept.blocked)
            if self._gaps.reason is GapReason.NO_SYNC and boot_us - watch.recording_us > NO_SYNC_SHOWN_US:
                self._enter("failed", GapReason.NO_SYNC, self._segmenter.awaited)

    def move(self, spool: SpoolRun) -> None:
        """The disk is given up: go on in a run of another one, in the same session, with the next sync sample.

        What was not durable yet may be lost: the new run declares whatever the catalog does not find before it.
        """
        self._end_span()  # also one whose gap is not over yet
        if self._gaps.reason is None:
            self._gaps.missing(self._segmenter.end_us, GapReason.DISK_ERROR, "the spool's disk was given up")
        self.spool = self._conditions.spool = spool
        self._kept, self._disk_failed = KeptBytes(spool), True
        self._segmenter.move(spool.run)
        note_start(spool, self._assignment, now_us := self._clock.wall_us(), self._gaps.reason)
        self._gaps = self._gaps.moved(spool, now_us)

    def clock_stepped(self, step_us: int) -> None:
        """The host's wall clock stepped by this much."""
        self._segmenter.clock_stepped(step_us)
        self._conditions.clock_stepped(step_us)

    def held(self, held_us: int) -> None:
        """The process stood still for so long, and what its cameras sent meanwhile still waits to be read."""
        if self._watch is not None:
            self._watch.held(held_us)

    def state(self) -> dict[str, Any]:
        """What an operator wants to know about this stream."""
        watch = self._watch
        return {
            "camera": str(self._assignment.camera),
            "name": self._assignment.name,
            "state": self._state,
            "reason": self._reason or None,
            "detail": self._detail or "; ".join(filter(None, (self._conditions.words, self._sound.words))) or None,
            "without_sound": self._sound.words or None,
            "since_us": self._since_us,
            "durable": self._durable.state(),
            "bitrate_bps": 0 if watch is None else watch.bitrate_bps,
            "pending_bytes": self._kept.pending_bytes,
            **self._conditions.state(),
            **self._counts,
        }

    def open_feed(self, most_bytes: int) -> LiveFeed:
        """For somebody who begins to watch; it begins with what is still here."""
        self.live = LiveFeed(self._segmenter.track, self._segmenter.held(), most_bytes, self._file, self._durable)
        return self.live

    # --- sessions

    async def _run_once(self) -> None:
        """One session, from connect to its end."""
        assignment = self._assignment
        approach = assignment.approach
        if approach is None:
            raise SourceError(GapReason.UNSUPPORTED, assignment.problem)
        self._segmenter.start_session(segment_us=assignment.segment_us)
        self._counts["sessions"] += 1
        self._attempt_us = self._clock.wall_us()
        self._conditions.begin_session()
        pictures = TrackTaker(units=self._on_unit, reports=self._conditions.take_report)
        takers = self._sound.begin_session(self._segmenter, pictures, wanted=assignment.audio)
        camera = await open_source(approach, herd=self._herd, clock=self._clock, takers=takers, memory=self._memory)
        camera.hurry(wanted=self.live is not None)  # its first sync sample is the one that takes several rounds
        self._watch = watch = SessionWatch(camera, self._clock.boot_us(), self._memory, self._counts)
        try:
            await first_of(self._changed.wait(), asyncio.wait([camera.failure]))
        finally:
            self._watch = None
            camera.close()
            watch.finish()
            self._end_span()
        if camera.failure.done():
            raise camera.failure.result()
        if self._wanted:
            self._stop_recording(GapReason.NO_SYNC, "the camera's settings changed")

    def _failed(self, error: SourceError) -> float:
        detail = str(error) if self._assignment.url is None else self._assignment.url.veiled(str(error))
        # An attempt in which nothing came failed for its reason from its beginning, however long that took to find out.
        nothing_came = self._gaps.since_us < self._attempt_us
        self._stop_recording(error.reason, detail, since_us=self._attempt_us if nothing_came else None)
        if (self._state, self._reason) != ("failed", error.reason.value):
            log.warning("camera_failed", camera=self._assignment.name, reason=error.reason.value, detail=detail)
        self._enter("failed", error.reason, detail)
        return self._backoff.failed(error.reason)

    # --- units and gaps

    def _on_unit(self, unit: AccessUnit) -> None:
        try:
            self._take(unit)
        except Exception as error:  # noqa: BLE001 - raised further it would pass for a malformed packet: see _refuse
            self._refuse(error)

    def _take(self, unit: AccessUnit) -> None:
        now_us = self._clock.wall_us()
        if self._watch is not None:
            now_us -= self._watch.take_picture(self._clock.boot_us(), self._segmenter.segments)
        self._counts["frames"] += 1
        self._counts["lost_packets"] += unit.lost_packets
        if unit.sync:
            self._conditions.take_sync(unit)
        if self.live is not None:
            self.live.take(unit, now_us)
        if not self._kept.blocked and not self._kept.admits(len(unit.nals)):
            self._stop_recording(GapReason.DISK_ERROR, "the spool disk does not keep up")
            self._enter("failed", GapReason.DISK_ERROR, "the spool disk does not keep up")
        if self._kept.blocked:  # nothing is kept; but what describes the stream is told only once
            self._segmenter.track = unit.parameters.track() if unit.parameters else self._segmenter.track
        elif not self._segmenter.add(unit, now_us):
            self._kept.forget()
            self._await_sync(now_us)

    def _refuse(self, error: Exception) -> None:
        """A unit that could not be taken is not skipped in silence: the footage ends before it, and the session."""
        if isinstance(error, CodecError):
            reason, detail = GapReason.UNSUPPORTED, f"no file can describe what the camera sends: {error}"
        else:
            reason, detail = GapReason.PROTOCOL, f"internal error: {type(error).__name__}"
            log.error("recorder_defect", camera=self._assignment.name, exc_info=error)
        if self._watch is not None:
            self._watch.camera.fail(reason, detail)
        else:
            self._stop_recording(reason, detail)

    def _await_sync(self, now_us: int) -> None:
        """Units come that nothing can begin with; amid footage: a segment grew too long without a sync sample.

        To wait for one may be in vain, a new session begins with it.
        """
        if self._disk_failed:
            return  # what keeps the footage away is the disk, until something is written
        awaited = self._segmenter.awaited
        if self._gaps.reason is not None:
            self._gaps.missing(now_us, GapReason.NO_SYNC, awaited)
            return
        self._gaps.missing(self._segmenter.end_us, GapReason.NO_SYNC, awaited)
        if self._watch is not None:
            self._watch.camera.fail(GapReason.NO_SYNC, "no sync sample for as long as a segment may be")

    def _stop_recording(self, reason: GapReason, detail: str, *, since_us: int | None = None) -> None:
        """From the end of the footage; where there was none, from `since_us`, or now."""
        self._end_span()
        at_us = self._clock.wall_us() if since_us is None else since_us
        self._gaps.missing(self._segmenter.end_us if self._gaps.reason is None else at_us, reason, detail)

    def _end_span(self) -> None:
        try:
            if self._segmenter.recording:
                self._segmenter.end_span()
        except Exception:
            # What could not be written is missing from the end of the footage on, where the gap begins.
            log.exception("fragment_refused", camera=self._assignment.name)

    def _enter(self, state: str, reason: GapReason | None = None, detail: str = "", since_us: int = 0) -> None:
        reason_text = "" if reason is None else reason.value
        if (state, reason_text) != (self._state, self._reason):
            self._since_us = since_us or self._clock.wall_us()
        self._state, self._reason, self._detail = state, reason_text, detail

    # --- the segmenter's sink

    def open_segment(self, identity: SegmentIdentity, track: Track, init: bytes) -> None:
        """A new file in the spool."""
        self._file = self.spool.open_segment(identity, init)
        self._track = track

    def append_fragment(self, buffers: Sequence[bytes | bytearray], commit: Commit) -> None:
        """Queue a fragment; from here on the gap is over, and the journal says so in the same commit.

        After the disk has failed it is over only when a fragment is durable: a full disk refuses one after the other,
        and a journal that told of each would soon fill what was reserved for it.
        """
        assert self._file is not None
        shown = commit.track == TRACK_ID
        if shown and not self._disk_failed:
            self._begin_footage(commit)
        size_bytes, parts = sum(map(len, buffers)), len(buffers)
        self._kept.queue(size_bytes, parts, pictures=shown)
        file, gap, spool, kept = self._file, self._gaps.opened, self.spool, self._kept

        def appended(error: Exception | None) -> None:
            kept.settled(size_bytes, parts)
            if spool is not self.spool:
                return  # moved since: where its end is missing, `stream_start` of the new run has declared it
            if error is not None:
                self._spool_failed(file, commit, error)
                return
            self._durable.advance(commit)
            if not shown:
                self._counts["lost_packets"] += commit.lost_packets
                return
            self._backoff.succeeded()
            if self._disk_failed:
                self._disk_failed = False
                if gap == self._gaps.opened:  # else the present gap began after this fragment
                    self._begin_footage(commit)

        file.append(buffers, appended)

    def _begin_footage(self, commit: Commit) -> None:
        if commit.span != self._span:
            self._span = commit.span
            note_span(self.spool, commit, self._track)
        self._gaps.footage(commit.wall_us)
        self._enter("recording", since_us=commit.wall_us)

    def seal_segment(self, buffers: Sequence[bytes | bytearray], end_us: int) -> None:
        """Queue the end of the file; one without a fragment is none."""
        assert self._file is not None
        if not buffers:
            self._file.abandon()
            self._file = None
            return
        name = self._assignment.name

        def sealed(error: Exception | None) -> None:
            if error is not None:
                # Its fragments were announced one by one; recovery seals what is there.
                log.error("seal_failed", camera=name, end_us=end_us, error=str(error))

        self._file.seal(buffers, sealed)
        self._file = None

    def interrupted(self, end_us: int, silence_us: int) -> None:
        """What is missing in the midst of a session is a gap as well."""
        self._gaps.interrupted(end_us, silence_us)

    def _spool_failed(self, file: SpoolSegment, commit: Commit, error: Exception) -> None:
        """A fragment is lost: its time becomes a gap. If its file is the open one, recording goes on in a new one."""
        reason = gap_reason(error)
        if not self._disk_failed:
            log.error("fragment_lost", camera=self._assignment.name, reason=reason.value, error=str(error))
        if file is self._file:
            file.abandon()
            self._file = None
            self._segmenter.abandon()
            self._disk_failed = True
            self._enter("failed", reason, str(error))
        goes_on = self._file is None
        if commit.track == TRACK_ID:
            self._gaps.lost(commit.wall_us, commit.end_wall_us, reason, str(error), goes_on=goes_on)
        elif goes_on:  # what lacks sound is footage, and what follows it is missing
            self._gaps.lost(self._durable.through_us, self._durable.through_us, reason, str(error), goes_on=True)

    def _new_segmenter(self, chain: bytes) -> Segmenter:
        assignment, run = self._assignment, self.spool.run
        identity = StreamIdentity(camera=assignment.camera, stream=assignment.stream, epoch=assignment.epoch, run=run)
        return Segmenter(identity, self, segment_us=assignment.segment_us, chain=chain)
