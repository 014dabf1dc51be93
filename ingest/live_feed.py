"""One stream, live: its newest units, and whoever watches them. It exists only while somebody does.

Nothing here can hold up or harm recording: units are appended to a bounded ring by reference, viewers are written to
without waiting, and whatever goes wrong ends the viewers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from media.errors import CodecError, Mp4Error
from media.live_ring import LiveRing
from media.live_wire import EndCode, track_message, unit_header

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ingest.durable import Durable
    from ingest.live_held import Held, HeldUnit
    from media.access_unit import AccessUnit
    from media.track import Track

LOOK_BACK_S = 5.0
"""How long the beginning of a group is waited for: the disk usually has it within 0.3 s."""

log = structlog.get_logger()


class Message(NamedTuple):
    """An access unit as it is sent, and the description it is to be read by."""

    track: bytes
    header: bytes
    payload: bytes | bytearray


class Viewer(Protocol):
    """Somebody who watches."""

    def pump(self, now_us: int) -> None:
        """Take as many units out of the ring as go at once."""
        ...

    def end(self, code: EndCode, sentence: str) -> None:
        """Nothing more will come."""
        ...


class Readable(Protocol):
    """The file of the open segment."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it. OSError. Blocks."""
        ...


class LiveFeed:
    """The ring of one stream and its viewers."""

    def __init__(
        self,
        track: Track | None,
        held: Held,
        most_bytes: int,
        file: Readable | None = None,
        durable: Durable | None = None,
    ) -> None:
        """Begin with what is held. The beginning of its group is in `file` once it is `durable`: see `look_back`."""
        self.ring: LiveRing[Message] = LiveRing(most_bytes)
        self.viewers: list[Viewer] = []
        self._track = None if track is None else track_message(track)
        self._recorded, self._file, self._durable = held.recorded, file, durable
        if self._track is not None:
            for unit in held.units:
                self.ring.append(_earlier(self._track, unit), len(unit.payload), sync=unit.sync)

    @property
    def begins_earlier(self) -> bool:
        """Whether the sync sample of the present group is to be looked for where it is recorded."""
        recorded = self._recorded
        return recorded is not None and recorded.size_bytes <= self.ring.most_bytes and self.ring.newest_sync is None

    async def look_back(self, reader: Executor) -> None:
        """Put the recorded beginning of the group before what has come since, unless another has begun. Never fails.

        Only what is durable is read: what is not yet will be within a group commit. Read in a thread of `reader`.
        """
        recorded, file, durable, track = self._recorded, self._file, self._durable, self._track
        if recorded is None or file is None or durable is None or track is None:
            return  # there is nothing
        try:
            async with asyncio.timeout(LOOK_BACK_S):
                await durable.reached(recorded.last)
                units = await asyncio.get_running_loop().run_in_executor(reader, recorded.units, file.read)
        except (OSError, Mp4Error) as error:  # TimeoutError is one; a segment that was sealed meanwhile is not found
            log.info("live_group_not_read", error=f"{type(error).__name__}: {error}")
            return
        ring = self.ring
        if self._track is track and ring.newest_sync is None and not ring.start:
            ring.prepend([(_earlier(track, unit), len(unit.payload), unit.sync) for unit in units])
            self._pump(0)

    def take(self, unit: AccessUnit, now_us: int) -> None:
        """A unit that has just arrived. Never fails.

        A session's first unit brings parameters, whether they are others or not, so each session is described anew.
        """
        try:
            if unit.parameters is not None:
                self._describe(unit)
            damaged = unit.lost_packets > 0
            self._append(unit.nals, unit.rtp_timestamp, now_us, sync=unit.sync, damaged=damaged)
            self._pump(now_us)
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

    def _append(self, payload: bytearray, rtp_timestamp: int, arrival_us: int, *, sync: bool, damaged: bool) -> None:
        if self._track is None:
            return
        size = len(payload)
        header = unit_header(size, rtp_timestamp, arrival_us, sync=sync, damaged=damaged, earlier=False)
        self.ring.append(Message(self._track, header, payload), size, sync=sync)

    def _pump(self, now_us: int) -> None:
        for viewer in tuple(self.viewers):
            viewer.pump(now_us)


def _earlier(track: bytes, unit: HeldUnit) -> Message:
    header = unit_header(
        len(unit.payload), unit.rtp_timestamp, unit.arrival_us, sync=unit.sync, damaged=unit.damaged, earlier=True
    )
    return Message(track, header, unit.payload)
