"""Watching a camera for a few seconds, with the recorder's own client: what works here will record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.approach import Approach
from ingest.backoff import Herd
from ingest.client import open_session
from ingest.tracks import TrackTaker
from media.errors import GapReason, SourceError

if TYPE_CHECKING:
    from media.access_unit import AccessUnit, StreamParameters
    from media.url import CameraUrl
    from storage.clock import Clock

ANYWHERE = ("0.0.0.0/0", "::/0")  # whoever tests a camera by hand knows where it is
FIRST_SYNC_S = 12.0  # smart codecs send a sync sample every 10 s
WATCH_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a camera sends."""

    codec: str
    width: int
    height: int
    frames_per_s: float
    bitrate_bps: int
    sync_distance_s: float | None  # None: longer than it was watched
    lost_packets: int


class _Watch:
    """Counts access units from the first sync sample on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.synced = asyncio.Event()
        self.parameters: StreamParameters | None = None
        self.began_us = self.last_sync_us = 0
        self.frames = self.syncs = self.size_bytes = self.lost_packets = 0

    def add(self, unit: AccessUnit) -> None:
        """One more."""
        self.parameters = unit.parameters or self.parameters
        if unit.sync and self.parameters is not None and not self.synced.is_set():
            self.began_us = self._clock.boot_us()
            self.synced.set()
        if self.synced.is_set():
            self.frames += 1
            if unit.sync:
                self.syncs += 1
                self.last_sync_us = self._clock.boot_us()
            self.size_bytes += len(unit.nals)
            self.lost_packets += unit.lost_packets

    def findings(self) -> Findings:
        """The figures so far."""
        assert self.parameters is not None
        track = self.parameters.track()
        seconds = max(1, self._clock.boot_us() - self.began_us) / 1_000_000
        synced_s = (self.last_sync_us - self.began_us) / 1_000_000
        return Findings(
            codec=track.codec,
            width=track.width,
            height=track.height,
            frames_per_s=self.frames / seconds,
            bitrate_bps=int(self.size_bytes * 8 / seconds),
            sync_distance_s=synced_s / (self.syncs - 1) if self.syncs > 1 else None,
            lost_packets=self.lost_packets,
        )


async def probe(url: CameraUrl, clock: Clock) -> Findings:
    """Connect, wait for a sync sample, watch. SourceError says what is wrong with the camera."""
    watch = _Watch(clock)
    approach = Approach(url=url, networks=ANYWHERE)
    takers = {"video": TrackTaker(units=watch.add)}
    session = await open_session(approach, herd=Herd(clock), clock=clock, takers=takers)
    try:
        try:
            await asyncio.wait_for(watch.synced.wait(), FIRST_SYNC_S)
        except TimeoutError:
            raise SourceError(GapReason.NO_SYNC, f"the camera sent no sync sample in {FIRST_SYNC_S:.0f} s") from None
        await clock.sleep(WATCH_S)
        return watch.findings()
    finally:
        session.close()
