"""What a camera hears, to every session that asked for it.

What is wrong with the camera is wrong with its sound: mute is mute, packets are lost and doubled, its clock drifts. A
frame is one packet, so there is nothing in it to reorder; on a slow uplink a camera saves its sound. What is wrong with
numbers and timestamps is wrong with those of the pictures alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.packet_faults import duplicate, lose
from simulator.sent_log import SentFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.carrier import Carrier
    from simulator.clock import CameraClock
    from simulator.conditions import Conditions
    from simulator.pacer import Pacer
    from simulator.rtp_stream import RtpStream
    from simulator.sound import SoundReel

MAX_LATE_US = 2_000_000
REPORT_INTERVAL_US = 5_000_000
_ON_THE_WAY = {"loss": lose, "duplicate": duplicate}


class SoundTrack:
    """The sound of one session, from SETUP on. `spoiled` says whether its connection is garbled."""

    def __init__(self, session: int, stream: RtpStream, carrier: Carrier, spoiled: Callable[[], bool]) -> None:
        self.session = session
        self.stream = stream
        self.carrier = carrier
        self.spoiled = spoiled
        self._next_report_us = 0

    def report(self, sent_us: int, own_us: int, rtp_ticks: int) -> None:
        """A sender report, if one is due."""
        if sent_us >= self._next_report_us:
            self._next_report_us = sent_us + REPORT_INTERVAL_US
            self.carrier.control(self.stream.report(own_us, rtp_ticks))


class Microphone:
    """One camera's. Nothing happens while nobody listens."""

    def __init__(
        self,
        camera: str,
        reel: SoundReel,
        clock: CameraClock,
        pacer: Pacer,
        report: Callable[[SentFrame], None] | None,
    ) -> None:
        self.reel = reel
        self.conditions: Conditions | None = None
        """What is wrong with the camera, from its first fault on."""
        self._camera = camera
        self._clock = clock
        self._pacer = pacer
        self._report = report
        self._tracks: list[SoundTrack] = []
        self._next = 0
        self._paced = False

    def start(self, track: SoundTrack) -> int:
        """Begin to send to a session; returns the RTP instant of its first frame."""
        if not self._tracks:
            self._next = self.reel.first_from(self._own_us(self._clock.wall_us()))
        self._tracks.append(track)
        if not self._paced:
            self._paced = True
            self._pacer.add(self, self._due_us(self._next))
        return self._next * self.reel.frame_ticks

    def stop(self, track: SoundTrack) -> None:
        """Send nothing more to a session; nothing happens if it does not listen."""
        if track in self._tracks:
            self._tracks.remove(track)

    def fire(self, now_us: int) -> int | None:
        """Send the frame that is due; None when nobody listens any more."""
        if not self._tracks:
            self._paced = False
            return None
        late_us = now_us - self._due_us(self._next)
        if late_us > MAX_LATE_US:
            self._next = self.reel.first_from(self._own_us(now_us))
        elif late_us >= 0:
            self._next += 1
            self._send(self._next - 1)
        return self._due_us(self._next)

    def _send(self, number: int) -> None:
        conditions = self.conditions
        if conditions is not None and (conditions.muted or "trickle" in conditions.active):
            return
        ticks = number * self.reel.frame_ticks
        for track in tuple(self._tracks):
            sent_us = self._clock.wall_us()
            own_us = self._own_us(sent_us)
            track.report(sent_us, own_us, own_us * self.reel.rate // 1_000_000)
            packets, lost = track.stream.packets([self.reel.payload(number)], ticks), False
            if conditions is not None:
                packets, lost = self._spoil(conditions, packets, number)
            if self._report is not None:  # first the log, as with pictures
                spoiled = lost or track.spoiled()
                sent = SentFrame(self._camera, track.session, number, sent_us, self.reel.crc32(number), sync=True)
                self._report(sent._replace(spoiled=spoiled, sound=True))
            track.carrier.send(packets)

    def _spoil(self, conditions: Conditions, packets: list[bytes], number: int) -> tuple[list[bytes], bool]:
        spoiled = False
        for name, act in _ON_THE_WAY.items():
            fault = conditions.active.get(name)
            if fault is not None:
                percent = float(fault.parameters["percent"])
                passed = act(packets, percent, conditions.chance(f"sound {name}", number))
                packets, spoiled = passed.packets, spoiled or passed.spoiled
        return packets, spoiled

    def _own_us(self, true_us: int) -> int:
        return true_us if self.conditions is None else self.conditions.crystal.own_us(true_us)

    def _due_us(self, number: int) -> int:
        own_us = self.reel.due_us(number)
        return own_us if self.conditions is None else self.conditions.crystal.true_us(own_us)
