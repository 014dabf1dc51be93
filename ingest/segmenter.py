"""Access units in, fragments and segments out. No I/O: a sink takes what is ready.

A fragment is closed at a sync sample, or sooner after 1 s or 4 MiB; a segment at the first sync sample after its time
is up; a span where time, parameter sets or the session break. Fragments are cut only where every later presentation
time is larger than every earlier one, so that decode times can be synthesized inside each fragment: the i-th unit in
decode order gets the i-th smallest presentation time, and a signed offset leads back to its own (cameras send no
decode times, and their SPS rarely says how far they reorder). A sync sample of H.265 may be followed by pictures that
are shown before it: then what came before ends where they begin, and those of a span's first one are left out. Sound
goes beside (`ingest.sound`) and cuts nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.live_held import Held, Newest, hold
from ingest.segment_bounds import (
    FRAGMENT_BYTES,
    FRAGMENT_US,
    LAST_UNIT_US,
    LEAD_S,
    LONGEST_SEGMENT_US,
    MOST_SEGMENT_US,
    MOST_UNITS,
    OVERDUE_US,
    REORDERED_OVERDUE_US,
    SYNC_CUT_US,
)
from ingest.sound import Sound
from media.commit import camera_clock
from media.fmp4_write import Sample, SegmentWriter
from media.identity import SegmentIdentity
from media.timeline import StreamTimeline

if TYPE_CHECKING:
    from ingest.segment_sink import SegmentSink, StreamIdentity
    from media.access_unit import AccessUnit
    from media.commit import Commit
    from media.track import Track


class Segmenter:
    """One stream's segmenter. Sessions come and go: `start_session`, `add`..., `end_span`."""

    def __init__(self, identity: StreamIdentity, sink: SegmentSink, *, segment_us: int, chain: bytes) -> None:
        self._identity = identity
        self._sink = sink
        self._chain = chain
        self._sequence = 0
        self._spans = 0
        self._end_us = self._not_before_us = 0
        self._step_us = 0
        self.camera_clock_us: int | None = None
        """What the camera's own clock is off by: written into each fragment, and used for nothing."""
        self.track: Track | None = None
        self._writer: SegmentWriter | None = None
        self._announced = False  # the open segment, to the sink
        self._span = self._settled_span = -1  # the present one, and the last one whose tracks are settled
        self._pictures: Commit | None = None  # the last of its fragments of pictures
        self.start_session(segment_us=segment_us)

    def start_session(self, *, segment_us: int, timescale: int = 90_000) -> None:
        """A new RTSP session, whose timestamps are its own, in 1/90000 s as a rule (RFC 6184 8.2.1, RFC 7798 4.1)."""
        self.rotate_every(segment_us)
        self._timescale = timescale
        self.track = None  # what another session sent describes this one only by chance
        if self._step_us:
            self._not_before_us = 0  # where the footage ends is told in a time that was set back or forward since
            self._step_us = 0
        self._timeline = StreamTimeline(timescale, not_before_us=self._not_before_us)
        self.sound = Sound(self._timeline)
        self._jumps = 0
        self._break_wanted = self._reorders = False
        self._fragment_ticks = FRAGMENT_US * timescale // 1_000_000
        self._typical_ticks = timescale // 25
        self._span_ticks = self._floor_ticks = self._last_ticks = -1 << 62
        self._clear_fragment()

    def move(self, run: int) -> None:
        """Go on in another run, its segments counted from 0; between spans."""
        self._identity, self._sequence = replace(self._identity, run=run), 0

    def rotate_every(self, segment_us: int) -> None:
        """How long a segment should be, from now on."""
        self._segment_us = min(segment_us, MOST_SEGMENT_US)
        # Neighbours rotate at different instants, or 220 files would be sealed and shipped in the same second.
        self._phase_us = self._identity.stream.int % self._segment_us

    @property
    def segments(self) -> int:
        """How many were begun."""
        return self._sequence

    @property
    def awaited(self) -> str:
        """What a span could not begin without, as words for people."""
        return "no parameter sets have come yet" if self.track is None else "no sync sample has come yet"

    def held(self) -> Held:
        """What has come of the present group of pictures."""
        newest = Newest(*self._timeline.placed, self._timescale, self._span_ticks)
        return hold(self._units, self._pts, self._syncs, newest, self._writer)

    @property
    def lagging(self) -> bool:
        """Whether the session's frames have come far too late for a while."""
        return self._timeline.lagging

    @property
    def recording(self) -> bool:
        """Whether a span is open."""
        return self._writer is not None

    @property
    def chain(self) -> bytes:
        """The head of the hash chain, as far as segments are sealed."""
        return self._chain

    @property
    def end_us(self) -> int:
        """Where the last closed fragment ends, in UTC; 0 before the first."""
        return self._end_us

    def clock_stepped(self, step_us: int) -> None:
        """The host's wall clock stepped. The span goes on in the old time until the next sync sample starts another."""
        self._step_us += step_us
        self._first_arrival_us += step_us
        self._break_wanted = True

    def add(self, unit: AccessUnit, arrival_us: int) -> bool:
        """Take a unit. False: it was not kept, because no sync sample has come yet to start from."""
        if unit.leading:
            self._timeline.floor_ticks = self._floor_ticks - LEAD_S * self._timescale
        pts_ticks = self._timeline.place(unit.rtp_timestamp, arrival_us - self._step_us)
        if unit.parameters is not None:
            self.track = unit.parameters.track(self._timescale)
            self._break_wanted = True
        if self._timeline.jumps != self._jumps:
            self._jumps = self._timeline.jumps
            self._break_wanted = True
        if unit.leading and self._writer is not None and pts_ticks < self._span_ticks:
            # Before the span begins: most cannot be decoded without what came there. Without a gap there, damage.
            self._lost += unit.lost_packets + self._follows
            return True
        if pts_ticks < self._floor_ticks:
            # Nothing is shown before its span, nor in a fragment that was closed without waiting for it.
            self._floor_ticks = pts_ticks = self._floor_ticks + 1
        if self._writer is None:
            if not unit.sync or self.track is None:
                return False
            self._start_span(pts_ticks)
        else:
            self._cut_before(unit, pts_ticks)
            if self._writer is None:
                return False
            pts_ticks = max(pts_ticks, self._floor_ticks)
        if unit.sync:
            self._timeline.floor_ticks = pts_ticks
        self._keep(unit, pts_ticks, arrival_us)
        return True

    def add_sound(self, unit: AccessUnit, arrival_us: int) -> None:
        """Take a unit of sound. It is kept with the pictures around it, and without any it is not."""
        if self.sound.add(unit, arrival_us - self._step_us) and self._settled_span == self._span:
            self._break_wanted = True  # the span's init section tells of no such track
        if self.sound.overflowing:
            self._close_sound(None)
            self.sound.forget_overflow()

    def close_overdue(self, now_us: int) -> None:
        """Close a fragment that has waited too long for the unit that would end it."""
        if not self._units and self.sound.waits_since(now_us - OVERDUE_US):
            self._close_sound(None)
        patient = self._reorders or self._timeline.catching_up
        if self._units and now_us - self._first_arrival_us >= (REORDERED_OVERDUE_US if patient else OVERDUE_US):
            self._close_fragment(max(self._pts) + self._typical_ticks)

    def end_span(self) -> int:
        """Close what is open, for whatever reason the stream stops here. Returns where the footage ends in UTC."""
        if self._writer is not None:
            try:
                if self._units:  # one that was to be shown before the last anchor: it is missing within, not behind
                    lasts_ticks = max(self._pts) - self._floor_ticks
                    self._lost += self._reorders and lasts_ticks // self._typical_ticks >= len(self._pts)
                    self._close_fragment(max(self._pts) + self._typical_ticks)
                self._close_sound(None)
            finally:
                self.sound.stop()
                self._seal()
        return self._end_us

    def abandon(self) -> None:
        """The spool failed under the open segment: forget it. The next sync sample starts a new one."""
        if self._writer is not None:
            self._chain = self._writer.chain
            self._writer = None
            self.sound.stop(lost=1)
        self._clear_fragment()

    # --- where to cut

    def _cut_before(self, unit: AccessUnit, pts_ticks: int) -> None:
        if unit.sync and (silence_us := self._timeline.silence_us):
            self._interrupt(pts_ticks, silence_us)
            return
        if pts_ticks > self._last_ticks:
            if unit.sync:
                self._interrupt(pts_ticks, 0)
            else:
                self.end_span()
            return
        if pts_ticks <= self._highest_ticks:
            self._reorders = self._reorders or pts_ticks < self._highest_ticks
            if self._bytes >= 2 * FRAGMENT_BYTES or len(self._units) >= MOST_UNITS:  # a clock that stands still
                self._close_fragment(max(self._pts) + self._typical_ticks)
            return
        if not self._units:
            self._cut_idle(unit, pts_ticks)
            return
        elapsed_ticks = pts_ticks - self._pts[0]
        if unit.sync:
            end_ticks = self._before(pts_ticks) if unit.leads else pts_ticks
            if self._break_wanted or (self._segment_due(pts_ticks) and not self._timeline.catching_up):
                self._close_before(unit, end_ticks)
                self._rotate(end_ticks)
            elif self._full or (
                elapsed_ticks * 1_000_000 >= SYNC_CUT_US * self._timescale and not self._timeline.catching_up
            ):
                self._close_before(unit, end_ticks)
        elif self._full or (elapsed_ticks >= self._fragment_ticks and not self._timeline.catching_up):
            self._close_before(unit, self._before(pts_ticks))
            if self._end_us - self._segment_start_us > LONGEST_SEGMENT_US:
                self._seal()

    def _interrupt(self, pts_ticks: int, silence_us: int) -> None:
        self.end_span()
        self._sink.interrupted(self._end_us, silence_us or self._timeline.wall_us(pts_ticks) - self._end_us)
        self._start_span(max(pts_ticks, self._floor_ticks))

    def _cut_idle(self, unit: AccessUnit, pts_ticks: int) -> None:
        """The fragment was closed by the clock, before this unit could tell how long its last frame was shown."""
        if unit.leads and self._reorders:
            pts_ticks = self._floor_ticks
        now_us = self._timeline.wall_us(pts_ticks)
        if unit.sync and (self._break_wanted or self._segment_due(pts_ticks)):
            self._end_us = self._not_before_us = now_us
            self._rotate(pts_ticks)
        elif now_us - self._segment_start_us > LONGEST_SEGMENT_US:
            self._seal()

    @property
    def _full(self) -> bool:
        return self._bytes >= FRAGMENT_BYTES or len(self._units) >= MOST_UNITS

    def _before(self, pts_ticks: int) -> int:
        # With B-frames the next unit is shown later than the ones that follow it: it does not tell the end.
        if not self._reorders:
            return pts_ticks
        return min(pts_ticks, max(self._pts) + self._typical_ticks)

    def _segment_due(self, pts_ticks: int) -> bool:
        start, now = (us + self._phase_us for us in (self._segment_start_us, self._timeline.wall_us(pts_ticks)))
        return start // self._segment_us != now // self._segment_us

    def _rotate(self, pts_ticks: int) -> None:
        self._seal()
        if self._break_wanted:
            self._start_span(pts_ticks, follows=True)
        else:
            self._open_segment(pts_ticks)

    # --- spans and segments

    def _start_span(self, pts_ticks: int, *, follows: bool = False) -> None:
        self._follows = follows
        self.sound.start_span(self._step_us, None if follows else self._timeline.wall_us(pts_ticks))
        if self._step_us:
            self._timeline.shift(self._step_us)
            self._step_us = 0
        self._break_wanted = False
        self._span = self._spans
        self._spans += 1
        self._span_ticks = self._floor_ticks = pts_ticks
        self._open_segment(pts_ticks)

    def _open_segment(self, pts_ticks: int) -> None:
        assert self.track is not None
        who = self._identity
        self._segment = SegmentIdentity(
            camera=who.camera, stream=who.stream, epoch=who.epoch, run=who.run, sequence=self._sequence
        )
        self._sequence += 1
        self._segment_start_us = self._timeline.wall_us(pts_ticks)
        self._last_ticks = pts_ticks + LAST_UNIT_US * self._timescale // 1_000_000
        self._open_track, self._open_sound = self.track, self.sound.track
        self._writer = SegmentWriter(self._segment, self._open_track, self._span, self._chain, self._open_sound)
        self._announced, self._pictures = False, None
        self._clear_fragment()

    def _announce(self) -> SegmentWriter:
        """Tell the sink of the segment when its first fragment is there: by then it is known if a span has sound."""
        assert self._writer is not None
        if self._settled_span != self._span and self.sound.track != self._open_sound:
            self._open_sound = self.sound.track
            self._writer = SegmentWriter(self._segment, self._open_track, self._span, self._chain, self._open_sound)
        self._settled_span, self._announced = self._span, True
        self._sink.open_segment(self._segment, self._open_track, self._writer.init)
        return self._writer

    def _seal(self) -> None:
        assert self._writer is not None
        if self._announced:
            self._sink.seal_segment(self._writer.seal(self._end_us), self._end_us)
        self._chain = self._writer.chain
        self._writer = None

    # --- fragments

    def _clear_fragment(self) -> None:
        self._units: list[bytearray] = []
        self._pts: list[int] = []
        self._syncs: list[bool] = []
        self._bytes = self._lost = self._first_arrival_us = 0
        self._highest_ticks = -1
        self._clock_quality = 0  # unknown

    def _keep(self, unit: AccessUnit, pts_ticks: int, arrival_us: int) -> None:
        if not self._units:
            self._first_arrival_us = arrival_us
        self._units.append(unit.nals)
        self._pts.append(pts_ticks)
        self._syncs.append(unit.sync)
        self._bytes += len(unit.nals)
        self._lost += unit.lost_packets
        self._clock_quality |= self._timeline.quality
        self._highest_ticks = max(self._highest_ticks, pts_ticks)

    def _close_before(self, unit: AccessUnit, end_ticks: int) -> None:
        """Close the fragment where a unit begins another. Where packets were lost between the two, both say so.

        The last frame here is shown for as long as a missing one would have been, and the other side, which has their
        number, may never become durable: then nothing else would say that a frame is missing.
        """
        if unit.lost_packets:
            self._lost += 1
        self._close_fragment(end_ticks)

    def _close_fragment(self, end_ticks: int) -> None:
        assert self._writer is not None
        writer = self._writer if self._announced else self._announce()
        decode_ticks = sorted(self._pts)
        start_ticks = decode_ticks[0]
        if not self._timeline.settled:
            self._segment_start_us = self._timeline.settle(start_ticks)
        wall_us = self._timeline.wall_us(start_ticks)
        end_us = self._timeline.settle(end_ticks, start_ticks)
        clock_ms, clock_known = camera_clock(self.camera_clock_us)
        try:
            buffers, commit = writer.fragment(
                payload=self._units,
                samples=self._samples(decode_ticks, end_ticks),
                media_ticks=start_ticks - self._span_ticks,
                duration_ticks=end_ticks - start_ticks,
                wall_us=wall_us,
                end_wall_us=end_us,
                lost_packets=self._lost,
                clock_quality=self._clock_quality | clock_known,
                camera_clock_ms=clock_ms,
            )
        finally:
            self._clear_fragment()  # one that is refused would be refused again; the footage ends before it
        self._end_us = self._not_before_us = end_us
        self._highest_ticks, self._floor_ticks = end_ticks - 1, end_ticks
        self._sink.append_fragment(buffers, commit)
        self._pictures = commit
        self._close_sound(end_us)

    def _close_sound(self, until_us: int | None) -> None:
        """Write what waits of it and begins before an instant, where there are pictures to write it beside."""
        if self._writer is None or self._pictures is None or self._open_sound is None:
            return
        if self._open_sound != self.sound.track:
            return  # of another track: that of the next span
        fragment = self.sound.close(self._writer, self._pictures, self._timescale, until_us)
        if fragment is not None:
            self._sink.append_fragment(*fragment)

    def _samples(self, decode_ticks: list[int], end_ticks: int) -> list[Sample]:
        following = [*decode_ticks[1:], end_ticks]
        if len(decode_ticks) > 1 and not self._lost:
            typical_ticks = decode_ticks[-1] - decode_ticks[-2] or self._typical_ticks
            self._typical_ticks = min(typical_ticks, self._fragment_ticks)
        return [
            Sample(len(unit), after - decode, pts - decode, sync)
            for unit, decode, after, pts, sync in zip(
                self._units, decode_ticks, following, self._pts, self._syncs, strict=True
            )
        ]
