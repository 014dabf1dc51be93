"""Access units as they come into fragments as they go out: fMP4 for live viewers, one fragment a unit. No I/O.

Made once per camera, whoever watches. Media time runs on through everything: a camera's new session, new parameters,
a recorder that was restarted. It is tied to the clock, so a viewer knows when each picture was taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.decode_order import DecodeOrder
from media.fmp4_write import fragment_header, init_section
from media.moof import Sample
from media.timeline import StreamTimeline

if TYPE_CHECKING:
    from media.live_wire import LiveUnit
    from media.track import Track

LEAD_US = 2_000_000
"""Media time begins here and not at 0: with B-frames decode times lie before the first picture."""

USUAL_FPS = 25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveMedia:
    """What the frames after it are: one session of the camera with one set of parameters."""

    track: Track
    init: bytes
    zero_us: int
    """The time of day of media time 0."""

    @property
    def mime(self) -> str:
        """What to ask a media source for."""
        return f'video/mp4; codecs="{self.track.codec}"'


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiveFrame:
    """One access unit as a fragment of its own. `reordered`: it may be shown before others that came earlier."""

    media: LiveMedia
    fragment: bytes
    header_bytes: int
    pts_ticks: int
    arrival_us: int
    sync: bool
    reordered: bool

    @property
    def payload(self) -> memoryview:
        """The access unit alone."""
        return memoryview(self.fragment)[self.header_bytes :]


class LiveMuxer:
    """One camera's units in, frames out."""

    def __init__(self) -> None:
        self._media: LiveMedia | None = None
        self._zero_us: int | None = None
        self._end_us = 0
        self._sequence = 0

    def describe(self, track: Track) -> None:
        """A session begins, or its parameters change: what follows is to be begun at a sync sample."""
        self._track: Track = track
        self._media = None
        self._timeline = StreamTimeline(track.timescale)
        self._order = DecodeOrder(track.timescale // USUAL_FPS)

    def frame(self, unit: LiveUnit) -> LiveFrame | None:
        """The unit's fragment; None for one that nothing can begin with."""
        if self._media is None:
            if not unit.sync:
                return None
            self._begin(unit)
        assert self._media is not None
        placed_ticks = self._timeline.place(unit.rtp_timestamp, unit.arrival_us)
        if unit.sync:
            self._timeline.floor_ticks = placed_ticks
            self._timeline.settle(placed_ticks)
        pts_ticks = self._base_ticks + placed_ticks
        dts_ticks = max(0, self._order.place(pts_ticks, sync=unit.sync))
        self._sequence += 1
        # How long a picture is shown nobody knows before the next one comes: as long as usual.
        sample = Sample(len(unit.payload), self._order.usual_ticks, pts_ticks - dts_ticks, unit.sync)
        header = fragment_header(self._sequence, dts_ticks, (sample,))
        self._end_us = max(self._end_us, self._us(max(pts_ticks, dts_ticks) + self._order.usual_ticks))
        return LiveFrame(
            media=self._media,
            fragment=header + unit.payload,
            header_bytes=len(header),
            pts_ticks=pts_ticks,
            arrival_us=unit.arrival_us,
            sync=unit.sync,
            reordered=self._order.depth > 0,
        )

    def _begin(self, unit: LiveUnit) -> None:
        if self._zero_us is None:
            self._zero_us = unit.arrival_us - LEAD_US
        self._media = LiveMedia(track=self._track, init=init_section(self._track), zero_us=self._zero_us)
        begin_us = max(unit.arrival_us - self._zero_us, self._end_us)
        self._base_ticks = -(-begin_us * self._track.timescale // 1_000_000)

    def _us(self, ticks: int) -> int:
        return ticks * 1_000_000 // self._track.timescale
