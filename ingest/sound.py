"""The sound of one session: units in, fragments beside those of the pictures out. No I/O.

Sound never makes a cut: its fragment is closed when one of pictures is, and holds what belongs before the end of that.
What comes later goes with the next. It has a clock of its own (`media.timeline`), tied to UTC as that of the pictures,
by arrival; an encoder sends a frame when it has heard all of it, so a frame began as long before it came as it lasts.

In the file both tracks count from the start of the span, and players keep them together by that alone. So a fragment
of sound is put where the pictures beside it say that its UTC is: right behind the one before as long as that is off by
less than HOLE_US, and then at most 1 % longer or shorter than its frames say; further on where sound is missing.

Arrival does not tell how long an encoder took. Sender reports of both tracks do (`media.lip_sync`), once they are
there: before anything is written the sound is moved by that at once, later at the same 1 %, which leaves no seam.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from media.fmp4_write import Sample
from media.lip_sync import LipSync
from media.moof import SOUND_TRACK_ID
from media.timeline import StreamTimeline

if TYPE_CHECKING:
    from media.access_unit import AccessUnit
    from media.commit import Commit
    from media.fmp4_write import SegmentWriter
    from media.rtcp import SenderReport
    from media.track import Track

HOLE_US = 100_000
"""Off by more than this, sound is missing. The two clocks were tied to UTC by packets that jitter."""

TOLERATED_US = 5_000
"""Off by less than this, frames last as long as they say. Nobody hears or sees 5 ms."""

CORRECTED = 100
"""At most the hundredth part of a fragment."""

MOST_WAITING = 500
MOST_WAITING_BYTES = 1 << 20
"""What waits for pictures to go with: 10 s of packets of 20 ms. More is written without them, or, before there is a
segment to write it to, forgotten from its beginning."""

_NEVER_US = 1 << 62


class Sound:
    """What one session brings of it, beside `pictures`. `track` is known from the first unit on."""

    def __init__(self, pictures: StreamTimeline) -> None:
        self.track: Track | None = None
        self._pictures = pictures
        self._reports: dict[bool, SenderReport] = {}  # of sound and of pictures, not looked at yet
        self._lips = LipSync()
        self._apart_us = 0  # what was made of that so far
        self._timeline = StreamTimeline(1)
        self._waiting: deque[tuple[int, int, AccessUnit]] = deque()  # ticks, arrival, unit
        self._bytes = 0
        self._end_ticks: int | None = None  # of what was written of this span, since its start
        self._last_ticks = -1
        self._goes_on = False  # something was written, and footage goes on since
        self._lost = 0  # before the next fragment
        self._footage_us = _NEVER_US  # since then there are pictures, without a gap

    def add(self, unit: AccessUnit, arrival_us: int) -> bool:
        """Take a unit. True if it is the first one of another track than before."""
        track = self.track if unit.parameters is None else unit.parameters.track()
        if track is None:
            return False  # nothing says what it is
        changed = track != self.track
        if changed:
            self.track = track
            self._timeline = StreamTimeline(track.timescale)
            self._forget()
        ticks = self._timeline.place(
            unit.rtp_timestamp, arrival_us - unit.duration_ticks * 1_000_000 // track.timescale
        )
        ticks = self._last_ticks = self._timeline.floor_ticks = max(ticks, self._last_ticks + 1)
        self._waiting.append((ticks, arrival_us, unit))
        self._bytes += len(unit.nals)
        return changed

    def take_report(self, report: SenderReport, *, of_sound: bool) -> None:
        """A sender report of either track."""
        self._reports[of_sound] = report

    def forget_overflow(self) -> None:
        """Before there is anything to write to: keep the newest."""
        while self.overflowing:
            self._lost += self._waiting[0][1] > self._footage_us
            self._take()

    @property
    def overflowing(self) -> bool:
        """Whether more waits than may."""
        return len(self._waiting) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES

    def waits_since(self, arrival_us: int) -> bool:
        """Whether something came at or before an instant and was not written yet."""
        return bool(self._waiting) and self._waiting[0][1] <= arrival_us

    def stop(self, lost: int = 0) -> None:
        """Footage ends, and so many fragments of sound could not be written: what comes now belongs to a gap."""
        self._goes_on = False
        self._footage_us = _NEVER_US
        self._lost += lost

    def start_span(self, step_us: int, footage_us: int | None) -> None:
        """Another span begins, with footage from `footage_us` on, or None: it goes on. The wall clock was stepped."""
        self._end_ticks = None
        if footage_us is not None:
            self._footage_us = footage_us
        if step_us:
            self._footage_us += step_us
            self._reports.clear()
            self._lips.forget_half()
            self._timeline.shift(step_us)

    def close(
        self, writer: SegmentWriter, beside: Commit, timescale: int, until_us: int | None
    ) -> tuple[list[bytes | bytearray], Commit] | None:
        """A fragment of what waits and begins before `until_us`, if anything does; None for that: all of it.

        `beside` is the last fragment of pictures, timed in `timescale`.
        """
        if not self._waiting or self.track is None:
            return None
        if not self._timeline.settled:
            self._timeline.settle(self._waiting[0][0])
        self._heed_reports()
        if not self._goes_on:
            self._apart_us = self._lips.apart_us
        if self._end_ticks is None:
            self._leave_earlier(beside.wall_us - beside.media_ticks * 1_000_000 // timescale)
        units: list[AccessUnit] = []
        ticks: list[int] = []
        while self._waiting and (until_us is None or self._wall_us(self._waiting[0][0]) < until_us):
            at_ticks, unit = self._take()
            ticks.append(at_ticks)
            units.append(unit)
        return self._write(writer, beside, timescale, units, ticks) if units else None

    def _write(
        self, writer: SegmentWriter, beside: Commit, timescale: int, units: list[AccessUnit], ticks: list[int]
    ) -> tuple[list[bytes | bytearray], Commit]:
        nominal_ticks = ticks[-1] + max(1, units[-1].duration_ticks) - ticks[0]
        wall_us = self._wall_us(ticks[0])
        self._approach(nominal_ticks)
        end_us = max(wall_us, self._timeline.settle(ticks[0] + nominal_ticks, ticks[0]) + self._apart_us)
        start_ticks, length_ticks, before_ticks = self._fit(_position(beside, timescale, wall_us), nominal_ticks)
        # Samples follow each other as the camera says, stretched or compressed like the whole.
        origin_ticks, kept_ticks = ticks[0] + before_ticks, nominal_ticks - before_ticks
        ends = [max(0, at - origin_ticks) * length_ticks // kept_ticks for at in (*ticks[1:], ticks[0] + nominal_ticks)]
        buffers, commit = writer.fragment(
            payload=[unit.nals for unit in units],
            samples=[
                Sample(len(unit.nals), end - start, 0, sync=True)
                for unit, start, end in zip(units, [0, *ends[:-1]], ends, strict=True)
            ],
            media_ticks=start_ticks,
            duration_ticks=length_ticks,
            wall_us=wall_us,
            end_wall_us=end_us,
            lost_packets=self._lost + sum(unit.lost_packets for unit in units),
            clock_quality=self._timeline.quality,
            track=SOUND_TRACK_ID,
        )
        self._end_ticks = start_ticks + length_ticks
        self._goes_on = True
        self._lost = 0
        return buffers, commit

    def _leave_earlier(self, start_us: int) -> None:
        """What ended before the span began belongs to nothing. In the midst of footage that is a loss."""
        assert self.track is not None
        while self._waiting:
            ticks, _arrival_us, unit = self._waiting[0]
            if self._wall_us(ticks + unit.duration_ticks) > start_us:
                return
            self._take()
            self._lost += self._goes_on or self._wall_us(ticks) >= self._footage_us

    def _wall_us(self, ticks: int) -> int:
        return self._timeline.wall_us(ticks) + self._apart_us

    def _heed_reports(self) -> None:
        """Only now, when both timelines are settled, it is known where in UTC the reports' RTP timestamps are."""
        for of_sound, report in self._reports.items():
            wall_us = (self._timeline if of_sound else self._pictures).wall_of(report.rtp_timestamp)
            if wall_us is not None:
                self._lips.take(report.ntp, wall_us, of_sound=of_sound)
        self._reports.clear()

    def _approach(self, nominal_ticks: int) -> None:
        """Make the next fragment follow what is learnt, no faster than this one can be stretched or compressed."""
        assert self.track is not None
        most_us = nominal_ticks * 1_000_000 // self.track.timescale // CORRECTED
        self._apart_us += max(-most_us, min(most_us, self._lips.apart_us - self._apart_us))

    def _fit(self, position_us: int, nominal_ticks: int) -> tuple[int, int, int]:
        """Where a fragment begins in the span, how long it is, and how much of it would be before the span.

        It belongs `position_us` behind the span's start. A frame that began before is shorter by that.
        """
        assert self.track is not None
        timescale = self.track.timescale
        due_ticks = position_us * timescale // 1_000_000
        if self._end_ticks is None:
            before_ticks = min(max(0, -due_ticks), nominal_ticks - 1)
            return max(0, due_ticks), nominal_ticks - before_ticks, before_ticks
        off_ticks = due_ticks - self._end_ticks
        if off_ticks * 1_000_000 > HOLE_US * timescale:
            return due_ticks, nominal_ticks, 0
        if abs(off_ticks) * 1_000_000 <= TOLERATED_US * timescale:
            return self._end_ticks, nominal_ticks, 0
        most_ticks = nominal_ticks // CORRECTED
        return self._end_ticks, nominal_ticks + max(-most_ticks, min(most_ticks, off_ticks)), 0

    def _take(self) -> tuple[int, AccessUnit]:
        ticks, _arrival_us, unit = self._waiting.popleft()
        self._bytes -= len(unit.nals)
        return ticks, unit

    def _forget(self) -> None:
        self._lost += len(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._end_ticks, self._last_ticks = None, -1


def _position(beside: Commit, timescale: int, wall_us: int) -> int:
    """How far behind the start of the span the pictures are at an instant, in microseconds of media time."""
    length_us = max(1, beside.end_wall_us - beside.wall_us)
    ticks = (wall_us - beside.wall_us) * beside.duration_ticks // length_us
    return (beside.media_ticks + ticks) * 1_000_000 // timescale
