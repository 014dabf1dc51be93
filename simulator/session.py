"""One reader of one camera, from SETUP to TEARDOWN."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from simulator.rtp_stream import rtp_duration

if TYPE_CHECKING:
    from simulator.camera import Camera, Departure
    from simulator.carrier import Carrier
    from simulator.rtp_stream import RtpStream

REPORT_INTERVAL_US = 5_000_000
"""RFC 3550 6.2: the usual minimum between two sender reports. The first goes out with the first frame."""


class Session:
    """Takes a camera's frames from a sync sample on, and hands them to its carrier.

    `number` tells it from all others, across restarts too.
    """

    def __init__(self, camera: Camera, number: int, stream: RtpStream, carrier: Carrier) -> None:
        self.camera = camera
        self.number = number
        self.identifier = secrets.token_hex(8)
        self.stream = stream
        self.carrier = carrier
        self.playing = False
        self._first = 0
        self._started = False
        self._next_report_us = 0

    def play(self) -> int:
        """Begin; returns the RTP timestamp of the first frame. Its sequence number is `stream.sequence`."""
        self.playing = True
        self._first = self.camera.start(self)
        return self.stream.timestamp(self.camera.source.timetable.presented_rtp(self._first))

    def stop(self) -> None:
        """End; the camera sends nothing more."""
        self.playing = False
        self.camera.stop(self)
        self.carrier.close()

    def wants(self, number: int, *, sync: bool) -> bool:
        """Everything from the first sync sample on."""
        self._started = self._started or (sync and number >= self._first)
        return self._started

    def send(self, departure: Departure) -> None:
        """One delivery per frame; every few seconds a sender report goes in front."""
        if departure.sent_us >= self._next_report_us:
            self._next_report_us = departure.sent_us + REPORT_INTERVAL_US
            ahead = rtp_duration(departure.sent_us - departure.presented_us)
            self.carrier.control(self.stream.report(departure.sent_us, departure.rtp_ticks + ahead))
        self.carrier.deliver(self.stream, departure.payloads, departure.rtp_ticks)
