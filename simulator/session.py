"""One reader of one camera, from SETUP to TEARDOWN."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from simulator.detour import Detour
from simulator.microphone import SoundTrack
from simulator.rtp_stream import rtp_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.camera import Camera, Departure
    from simulator.carrier import Carrier
    from simulator.conditions import Conditions
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
        self.sound: SoundTrack | None = None
        """Its sound, from a second SETUP on."""
        self.playing = False
        self._detour: Detour | None = None
        self._first = 0
        self._started = False
        self._next_report_us = 0

    def play(self) -> int:
        """Begin; returns the RTP timestamp of the first frame. Its sequence number is `stream.sequence`."""
        self.playing = True
        self._first = self.camera.start(self)
        ticks = self.camera.source.timetable.presented_rtp(self._first)
        conditions = self.camera.conditions
        return self.stream.timestamp(ticks if conditions is None else conditions.first_ticks(self.stream, ticks))

    def add_sound(self, stream: RtpStream, carrier: Carrier) -> None:
        """The camera's sound as well, which it must have."""
        self.sound = SoundTrack(self.number, stream, carrier, lambda: self._detour is not None and self._detour.garbled)

    def play_sound(self) -> int | None:
        """Begin with the sound, too; returns the RTP timestamp of its first frame, None if it was not asked for."""
        if self.sound is None or self.camera.microphone is None:
            return None
        return self.sound.stream.timestamp(self.camera.microphone.start(self.sound))

    def stop(self) -> None:
        """End; the camera sends nothing more."""
        self.playing = False
        self.camera.stop(self)
        if self.sound is not None and self.camera.microphone is not None:
            self.camera.microphone.stop(self.sound)
            self.sound.carrier.close()
        if self._detour is not None:
            self._detour.close()
        self.carrier.close()

    def wants(self, number: int, *, sync: bool) -> bool:
        """Everything from the first sync sample on."""
        self._started = self._started or (sync and number >= self._first)
        return self._started

    def send(self, departure: Departure) -> None:
        """One delivery per frame; every few seconds a sender report goes in front."""
        if departure.sent_us >= self._next_report_us:
            self._next_report_us = departure.sent_us + REPORT_INTERVAL_US
            self.carrier.control(self.stream.report(departure.sent_us, departure.rtp_ticks + _ahead(departure)))
        self.carrier.deliver(self.stream, departure.payloads, departure.rtp_ticks)

    def send_hard(
        self, departure: Departure, conditions: Conditions, *, sync: bool, note: Callable[[bool], None]
    ) -> None:
        """The same with faults; `note` is called when the frame begins to leave, with whether it is spoiled."""
        detour = self.detour_for(conditions)
        if departure.sent_us >= self._next_report_us:
            self._next_report_us = departure.sent_us + REPORT_INTERVAL_US
            ticks = conditions.rtp_clock.written(departure.rtp_ticks + _ahead(departure))
            self.carrier.control(self.stream.report(conditions.crystal.own_us(departure.sent_us), ticks))
        detour.send(departure, conditions.rtp_clock.written(departure.rtp_ticks), sync=sync, note=note)

    def detour_for(self, conditions: Conditions) -> Detour:
        """The way of its frames from now on."""
        if self._detour is None:
            self._detour = Detour(conditions, self.stream, self.carrier)
        return self._detour

    def rest(self) -> None:
        """Go on at a sync sample."""
        self._started = False


def _ahead(departure: Departure) -> int:
    """How much further the RTP clock is when a frame leaves than when what it shows was seen."""
    return rtp_duration(departure.sent_us - departure.presented_us)
