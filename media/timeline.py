"""Where a stream's timestamps lie in time.

Three clocks meet here. The camera's RTP clock orders and spaces its frames (32 bits, wraps, drifts, may jump or stand
still). The host's boot clock says when a frame arrived and never steps. UTC is what people ask for.
`media.host_anchor` ties UTC to the boot clock, `StreamTimeline` ties one stream's RTP clock to UTC.

Jitter only ever delays a frame, so the least-delayed frame of the last seconds tells the true offset. The offset is
moved slowly so that durations stay the camera's; the frame times already written never change. Where that does not do,
because a clock runs at a rate of its own (`media.clock_rate`) or is off already, its ticks are stretched or compressed,
fragment by fragment: a file of hours must not drift away from the time of day.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median_low

from media.clock_rate import ClockRate
from media.host_anchor import SLEW_PPM, STEP_US

FAST_SLEW_PPM = 10_000
"""How fast the offset is corrected once it is off by FAST_SLEW_ABOVE_US: crystals off by thousands of ppm exist."""

FAST_SLEW_ABOVE_US = 100_000

EARLY_SLEW_S = 4
"""No frame arrives before it was taken. One that seems to shows that the camera's clock runs fast: a quarter of the
error is taken out each second, so that a clock 10 % fast is followed until its rate is known."""

EARLY_AT_FIRST_US = 2_000_000
"""Before anything is written the first frame does not count for more than others: B-frames of a slow camera come early
by some of its long intervals, once the first one waited for its order. So it is the step from the least late frame so
far that counts: what waited for a host that stood still for seconds is earlier with every frame, and no jump."""

MOST_SLEW_PPM = 500_000
"""However large the error: at 1 000 000 and more a camera's time would run backwards."""

WINDOW_US = 10_000_000
"""The least-delayed frame is looked for in the last one to two windows."""

ALERT_US = 30_000_000
ALERT_WINDOW_US = 2_500_000
ALERT_ABOVE_US = 20_000
"""A clock whose rate was wrong within so long is looked at more closely and followed as fast as one that seems early:
its rate may change again, and what is known of it is 10 s old."""

MOST_REORDERED = 16
"""H.264 lets no frame be overtaken by more (A.3.1, max_num_reorder_frames). One shown before more of those that were
sent before it is where the clock went back."""

USUALLY_REORDERED = 4
"""What encoders do; a frame overtaken by more and set back by more than STEP_US is where the clock went back, too."""

LATE_US = 10_000_000
LAGGING_US = 5_000_000
"""A session whose frames come 10 s late, for 5 s, is on a line that does not carry it. For less, a host that stood
still may be catching up."""

WAITED_US = 5_000
"""A frame that is less late than all before it by so much had to wait less for this host: jitter is found out in the
first few frames, and no camera sends 200 a second."""

CAUGHT_UP_US = 500_000
"""A host that has so much to do as a session begins reads what waits bit by bit, other cameras in between. When for so
long nothing was less late than what came before, it has caught up."""

SILENCE_US = 3_000_000
SILENT_INTERVALS = 4
"""A camera that sends nothing for over 3 s, and for over four of its usual intervals, has been interrupted."""

NEAR_US = 10_000_000
"""An RTP timestamp that is further from that of the unit placed last tells of no instant that is known."""

RATE_CORRECTED = 2
PLACED_BY_ARRIVAL = 4
"""Bits of a fragment's clock quality (docs/formats/segment.md)."""


class StreamTimeline:
    """One session's RTP timestamps as ticks that never wrap or jump, and where they lie in UTC.

    `place` is called for each access unit, `settle` once per fragment. Between two calls of `settle` the mapping is
    fixed: wall = anchor + ticks since the anchor, at the rate of that fragment.
    """

    def __init__(self, timescale: int, not_before_us: int = 0) -> None:
        self._timescale = timescale
        self._not_before_us = not_before_us
        self._previous_timestamp = -1
        self._camera_ticks = 0  # by the camera's clock, without wraps and jumps: of the previous timestamp
        self._base_camera_ticks = self._base_ticks = 0  # where the present rate began to hold
        self._ppm = 0  # how much longer a tick of the camera's is than it claims
        self._slew_ppm = 0  # the part of it that is not the camera's rate but catches up with an error
        self._pts_ticks = 0
        self._highest_ticks = 0
        self._recent: deque[int] = deque(maxlen=MOST_REORDERED + 1)
        self._start_us = self._arrival_us = 0
        self._anchor_ticks = 0
        self._anchor_us = 0
        self._settled = False
        self._window_start_us = 0
        self._least_delay_us = self._earlier_least_delay_us = 0
        self._fresh_delay_us: int | None = 0  # the least since the mapping was last settled
        self._rate = ClockRate()
        self._late_since_us = self._alert_until_us = 0
        self._reordered_ticks = 0  # how far back a frame was ever shown
        self.floor_ticks = 0
        """Nothing from now on is shown before this; set it to the time of each sync sample."""
        self.jumps = 0
        self._caught_us = 0
        self.quality = 0
        """Of the unit placed last: RATE_CORRECTED, PLACED_BY_ARRIVAL."""

    def place(self, timestamp: int, arrival_us: int) -> int:
        """The presentation time in ticks of a unit with this RTP timestamp that arrived at `arrival_us` (UTC).

        A jump of the camera's clock is taken out: the unit is placed by its arrival instead, and `jumps` rises, so
        that the caller can start a new span at the next sync sample without losing a frame. While the clock stands
        still, units are placed by their arrival as well, each after the one before.
        """
        if self._previous_timestamp < 0:
            return self._start(timestamp, arrival_us)
        step = (timestamp - self._previous_timestamp) & 0xFFFFFFFF
        self.quality = RATE_CORRECTED if self._ppm else 0
        if not step:
            self.quality |= PLACED_BY_ARRIVAL
            waited_ticks = (arrival_us - self._arrival_us) * self._timescale // 1_000_000
            return self._take(self._highest_ticks + max(1, waited_ticks), arrival_us)
        camera_ticks = self._camera_ticks + (step - (1 << 32) if step >> 31 else step)
        pts_ticks = self._true_ticks(camera_ticks)
        jumped = False
        if pts_ticks <= self._highest_ticks:
            jumped = self._went_back(pts_ticks)
            if not jumped:
                self._reordered_ticks = max(self._reordered_ticks, self._highest_ticks - pts_ticks)
            while pts_ticks in self._recent:  # two pictures at one instant: the later one was sent to be shown, too
                pts_ticks += 1
        delay_us = arrival_us - self.wall_us(pts_ticks)
        early_us = -STEP_US if self._settled else (self._fresh_delay_us or 0) - EARLY_AT_FIRST_US
        early = delay_us < early_us
        # By arrival it could be shown no sooner than this. Where that is later still, time would run ahead for ever.
        if jumped or (early and pts_ticks > self._highest_ticks + self._reordered_ticks + 1):
            pts_ticks = self._by_arrival(arrival_us)
            delay_us = arrival_us - self.wall_us(pts_ticks)
            camera_ticks = self._camera_ticks + pts_ticks - self._true_ticks(self._camera_ticks)
            self._base_camera_ticks, self._base_ticks = camera_ticks, pts_ticks
            self.jumps += 1
        self._previous_timestamp = timestamp
        self._camera_ticks = camera_ticks
        if self._fresh_delay_us is None or delay_us < self._fresh_delay_us:
            if not self._settled and delay_us < (self._fresh_delay_us or 0) - WAITED_US:
                self._caught_us = arrival_us + CAUGHT_UP_US
            self._fresh_delay_us = delay_us
        if delay_us > LATE_US:
            self._late_since_us = self._late_since_us or arrival_us
        elif self._late_since_us:
            self._late_since_us = 0
        return self._take(pts_ticks, arrival_us)

    def wall_us(self, pts_ticks: int) -> int:
        """UTC of a presentation time, by the mapping in force."""
        return self._anchor_us + (pts_ticks - self._anchor_ticks) * 1_000_000 // self._timescale

    def wall_of(self, timestamp: int) -> int | None:
        """UTC of an RTP timestamp near that of the unit placed last; None if it is not, or the clock stands still."""
        if self._previous_timestamp < 0 or self.quality & PLACED_BY_ARRIVAL:
            return None
        step = (timestamp - self._previous_timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        if abs(step) * 1_000_000 > NEAR_US * self._timescale:
            return None
        return self.wall_us(self._true_ticks(self._camera_ticks + step))

    def settle(self, pts_ticks: int, since_ticks: int | None = None) -> int:
        """Move the anchor to `pts_ticks`, correcting it by what was learnt since; returns its wall time.

        The first call sets the mapping outright: nothing has been written with it yet. What was learnt in a long hole
        may be more than what begins after it, at `since_ticks`, is long: of that at least half is left.
        """
        elapsed_us = max(0, (pts_ticks - self._anchor_ticks) * 1_000_000 // self._timescale)
        due_us = self.wall_us(pts_ticks)
        error_us = self._error_us(elapsed_us)
        if self._settled:
            limit_us = elapsed_us * SLEW_PPM // 1_000_000
            anchor_us = due_us + max(-limit_us, min(limit_us, error_us))
        else:
            anchor_us = due_us + error_us
        anchor_us = max(anchor_us, self._not_before_us)
        if since_ticks is not None:
            anchor_us = max(anchor_us, (self.wall_us(since_ticks) + due_us) // 2)
        moved_us = anchor_us - due_us
        self._least_delay_us -= moved_us
        self._earlier_least_delay_us -= moved_us
        self._anchor_ticks, self._anchor_us = pts_ticks, anchor_us
        self._set_rate(error_us - moved_us, elapsed_us)
        self._settled = True
        self._turn_window()
        return anchor_us

    def shift(self, step_us: int) -> None:
        """The wall clock was stepped: what is placed from now on lies `step_us` later. Call it where a span starts."""
        self._anchor_us += step_us
        self._arrival_us += step_us
        self._start_us += step_us
        self._window_start_us += step_us
        self._late_since_us += step_us if self._late_since_us else 0
        self._alert_until_us += step_us
        self._rate.shift(step_us)
        self._not_before_us = 0

    @property
    def catching_up(self) -> bool:
        """Whether the session begins with frames that waited for this host: later ones may tell the time better.

        Nothing should be settled yet.
        """
        return not self._settled and self._arrival_us < self._caught_us

    @property
    def settled(self) -> bool:
        """Whether the mapping has been used for something written."""
        return self._settled

    @property
    def placed(self) -> tuple[int, int, int]:
        """The RTP timestamp of the unit placed last, where that was in ticks, and when it arrived."""
        return self._previous_timestamp, self._pts_ticks, self._arrival_us

    @property
    def lagging(self) -> bool:
        """Whether frames have come so late for so long that the session had better begin anew."""
        return bool(self._late_since_us) and self._arrival_us - self._late_since_us > LAGGING_US

    @property
    def silence_us(self) -> int:
        """How long the camera had sent nothing, by its own clock, before the unit placed last; 0 if that is usual."""
        *earlier, last = self._recent
        if len(earlier) < SILENT_INTERVALS:
            return 0
        silence_us = (last - max(earlier)) * 1_000_000 // self._timescale
        if silence_us <= SILENCE_US:
            return 0
        # The median: a camera that was interrupted a few times before sends as often as ever, when it sends.
        usual = median_low(later - before for before, later in pairwise(sorted(earlier)))
        return silence_us if last - max(earlier) > SILENT_INTERVALS * usual else 0

    def _start(self, timestamp: int, arrival_us: int) -> int:
        self._previous_timestamp = timestamp
        self._start_us = self._anchor_us = self._window_start_us = arrival_us
        return self._take(0, arrival_us)

    def _take(self, pts_ticks: int, arrival_us: int) -> int:
        self._pts_ticks = pts_ticks
        self._highest_ticks = max(self._highest_ticks, pts_ticks)
        self._recent.append(pts_ticks)
        self._arrival_us = arrival_us
        return pts_ticks

    def _by_arrival(self, arrival_us: int) -> int:
        """Where a unit belongs by its arrival, and so that what is shown before it comes after all that was shown."""
        self.quality |= PLACED_BY_ARRIVAL
        fresh_us = self._least_delay_us if self._fresh_delay_us is None else self._fresh_delay_us
        usual_us = max(-FAST_SLEW_ABOVE_US, min(self._least_delay_us, self._earlier_least_delay_us, fresh_us))
        due_ticks = self._anchor_ticks + (arrival_us - usual_us - self._anchor_us) * self._timescale // 1_000_000
        return max(due_ticks, self._highest_ticks + self._reordered_ticks + 1)

    def _went_back(self, pts_ticks: int) -> bool:
        """Whether this is more than the order of B-frames. After a clock stood still, any step back is.

        And any far before the last sync sample, or the first frame of the session.
        """
        before_ticks = self.floor_ticks - pts_ticks
        if self._true_ticks(self._camera_ticks) != self._pts_ticks or before_ticks * 10 > self._timescale:
            return True
        overtaken_by = sum(earlier > pts_ticks for earlier in self._recent)
        back_us = (self._highest_ticks - pts_ticks) * 1_000_000 // self._timescale
        return overtaken_by > MOST_REORDERED or (back_us > STEP_US and overtaken_by > USUALLY_REORDERED)

    def _true_ticks(self, camera_ticks: int) -> int:
        since = camera_ticks - self._base_camera_ticks
        return self._base_ticks + since + (since * self._ppm // 1_000_000 if self._ppm else 0)

    def _error_us(self, elapsed_us: int) -> int:
        """How late the least-delayed unit of the last windows is; also tells the rate what came since the last call."""
        slewed_us = elapsed_us * self._slew_ppm // 1_000_000  # what was caught up with since those were seen
        self._least_delay_us -= slewed_us
        self._earlier_least_delay_us -= slewed_us
        fresh_us, self._fresh_delay_us = self._fresh_delay_us, None
        if fresh_us is not None:
            self._least_delay_us = min(self._least_delay_us, fresh_us)
            claimed_us = self._start_us + self._camera_ticks * 1_000_000 // self._timescale
            self._rate.observe(
                fresh_us + self.wall_us(self._true_ticks(self._camera_ticks)) - claimed_us, self._arrival_us
            )
        return min(self._least_delay_us, self._earlier_least_delay_us) if self._settled else self._least_delay_us

    def _set_rate(self, error_us: int, elapsed_us: int) -> None:
        """For the next fragment, which will be about as long as this one."""
        self._slew_ppm = 0
        if self._rate.ppm:
            self._alert_until_us = self._arrival_us + ALERT_US
        alert = self._arrival_us < self._alert_until_us
        if self._settled and abs(error_us) >= (ALERT_ABOVE_US if alert else FAST_SLEW_ABOVE_US) and elapsed_us:
            most_us = FAST_SLEW_PPM * elapsed_us // 1_000_000
            if error_us < 0 or alert:
                most_us = max(most_us, abs(error_us) * elapsed_us // (EARLY_SLEW_S * 1_000_000))
            most_us = min(most_us, abs(error_us) // 2)
            slew_ppm = min(most_us * 1_000_000 // elapsed_us, MOST_SLEW_PPM)
            self._slew_ppm = slew_ppm if error_us > 0 else -slew_ppm
        ppm = self._rate.ppm + self._slew_ppm
        if ppm != self._ppm:
            self._base_ticks = self._true_ticks(self._camera_ticks)
            self._base_camera_ticks = self._camera_ticks
            self._ppm = ppm

    def _turn_window(self) -> None:
        alert = self._arrival_us < self._alert_until_us
        if self._arrival_us - self._window_start_us < (ALERT_WINDOW_US if alert else WINDOW_US):
            return
        self._window_start_us = self._arrival_us
        self._earlier_least_delay_us = self._least_delay_us
        self._least_delay_us = self._arrival_us - self.wall_us(self._pts_ticks)
