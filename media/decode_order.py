"""Decode times for units that are passed on as they come: cameras send presentation times only.

A file sorts the presentation times of a fragment (`ingest.segmenter`). Here the later ones are not known yet, so the
i-th unit in decode order gets the i-th smallest presentation time as far as units are known to overtake each other:
with a reorder depth of 0 its own, with 2 that of two units before. The depth is learnt: it grows when a unit comes that
is shown before more earlier ones than any unit so far.
"""

from __future__ import annotations

import heapq
from itertools import pairwise

MOST_REORDERED = 16
"""No more than that in H.264 and H.265 (A.3.1, max_num_reorder_frames; A.4.1)."""


SETTLED_STEPS = 4
MOST_AHEAD = 2
"""In usual durations: decode times go on no faster. A browser takes more for a hole, and waits for a sync sample."""


class DecodeOrder:
    """The units of one session, in the order sent."""

    def __init__(self, usual_ticks: int) -> None:
        self._waiting: list[int] = []  # a heap: presentation times that no decode time was made of yet
        self._recent: list[int] = []
        self._last_ticks: int | None = None
        self.usual_ticks = usual_ticks
        """From one picture to the next: the median of the last ones."""
        self.depth = 0
        """How many units a unit was seen to overtake: more than 0 means B-frames."""

    def place(self, pts_ticks: int, *, sync: bool) -> int:
        """The decode time of the next unit: later than the one before."""
        overtaken = sum(earlier > pts_ticks for earlier in self._recent)
        self.depth = max(self.depth, min(overtaken, MOST_REORDERED))
        self._look_at(pts_ticks)
        heapq.heappush(self._waiting, pts_ticks)
        while len(self._waiting) > self.depth + 1:
            heapq.heappop(self._waiting)
        missing = self.depth + 1 - len(self._waiting)
        dts_ticks = self._waiting[0] - missing * self.usual_ticks
        if self._last_ticks is not None:
            if not sync:
                dts_ticks = min(dts_ticks, self._last_ticks + MOST_AHEAD * self.usual_ticks)
            dts_ticks = max(dts_ticks, self._last_ticks + 1)
        self._last_ticks = dts_ticks
        return dts_ticks

    def _look_at(self, pts_ticks: int) -> None:
        self._recent = [*self._recent[1 - MOST_REORDERED :], pts_ticks]
        shown = sorted(self._recent)
        steps = sorted(later - earlier for earlier, later in pairwise(shown) if later > earlier)
        if len(steps) >= SETTLED_STEPS:  # with B-frames the first ones are of several pictures
            self.usual_ticks = steps[len(steps) // 2]
