"""One stream, live: its newest units, and whoever watches them. It exists only while somebody does.

Nothing here can hold up or harm recording: units are appended to a bounded ring by reference, viewers are written to
without waiting, and whatever goes wrong ends the viewers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from media.errors import CodecError
from media.live_ring import LiveRing
from media.live_wire import EndCode, track_message, unit_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media.access_unit import AccessUnit
    from media.track import Track

log = structlog.get_logger()


class Message(NamedTuple):
    """An access unit as it is sent, and the description it is to be read by."""

    track: bytes
    header: bytes
    payload: bytes | bytearray


class HeldUnit(NamedTuple):
    """A unit that had come before somebody watched, and how long before the newest one."""

    payload: bytearray
    rtp_timestamp: int
    age_us: int
    sync: bool


class Viewer(Protocol):
    """Somebody who watches."""

    def pump(self, now_us: int) -> None:
        """Take as many units out of the ring as go at once."""
        ...

    def end(self, code: EndCode, sentence: str) -> None:
        """Nothing more will come."""
        ...


class LiveFeed:
    """The ring of one stream and its viewers."""

    def __init__(self, track: Track | None, held: Sequence[HeldUnit], now_us: int, most_bytes: int) -> None:
        """Begin with the units of the open fragment, if pictures can begin with them."""
        self.ring: LiveRing[Message] = LiveRing(most_bytes)
        self.viewers: list[Viewer] = []
        self._track = None if track is None else track_message(track)
        for unit in held if held and held[0].sync else ():
            self._append(
                unit.payload, unit.rtp_timestamp, now_us - unit.age_us, sync=unit.sync, damaged=False, earlier=True
            )

    def take(self, unit: AccessUnit, now_us: int) -> None:
        """A unit that has just arrived. Never fails.

        A session's first unit brings parameters, whether they are others or not, so each session is described anew.
        """
        try:
            if unit.parameters is not None:
                self._describe(unit)
            damaged = unit.lost_packets > 0
            self._append(unit.nals, unit.rtp_timestamp, now_us, sync=unit.sync, damaged=damaged, earlier=False)
            for viewer in tuple(self.viewers):
                viewer.pump(now_us)
        except Exception:
            log.exception("live_feed_defect")  # recording goes on, whatever it was
            for viewer in tuple(self.viewers):
                viewer.end(EndCode.FAULT, "the live feed failed")

    def _describe(self, unit: AccessUnit) -> None:
        assert unit.parameters is not None
        try:
            self._track = track_message(unit.parameters.track())
        except CodecError:
            self._track = None  # no file can describe it either: the recorder says so

    def _append(
        self,
        payload: bytearray,
        rtp_timestamp: int,
        arrival_us: int,
        *,
        sync: bool,
        damaged: bool,
        earlier: bool,
    ) -> None:
        if self._track is None:
            return
        size = len(payload)
        header = unit_header(size, rtp_timestamp, arrival_us, sync=sync, damaged=damaged, earlier=earlier)
        self.ring.append(Message(self._track, header, payload), size, sync=sync)


def held_units(
    units: list[bytearray], pts_ticks: list[int], syncs: list[bool], newest: tuple[int, int], timescale: int
) -> list[HeldUnit]:
    """The units of a fragment; timestamp and age of each follow from the newest one's timestamp and place in time."""
    timestamp, newest_ticks = newest
    ages = [newest_ticks - ticks for ticks in pts_ticks]
    return [
        HeldUnit(unit, (timestamp - age) & 0xFFFFFFFF, age * 1_000_000 // timescale, sync)
        for unit, age, sync in zip(units, ages, syncs, strict=True)
    ]
