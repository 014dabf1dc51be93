"""One simulated camera: a name, a source, and the sessions that watch it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simulator.microphone import Microphone
from simulator.oracle import camera_uuid
from simulator.sent_log import SentFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.clock import CameraClock
    from simulator.conditions import Conditions
    from simulator.pacer import Pacer
    from simulator.sound import SoundReel
    from simulator.source import CodedFrame, Source

MAX_LATE_US = 2_000_000
"""A process that was stopped for longer does not send all it missed in one burst: it goes on at a sync sample."""


class Departure(NamedTuple):
    """One access unit leaving a camera."""

    number: int
    sent_us: int
    presented_us: int
    rtp_ticks: int
    payloads: Sequence[bytes]


class Watcher(Protocol):
    """A session, as its camera sees it."""

    number: int

    def wants(self, number: int, *, sync: bool) -> bool:
        """Whether this session gets a frame: each begins at the sync sample it was promised."""
        ...

    def send(self, departure: Departure) -> None:
        """Write the frame to the network."""
        ...

    def send_hard(
        self, departure: Departure, conditions: Conditions, *, sync: bool, note: Callable[[bool], None]
    ) -> None:
        """The same while something is wrong; `note` is called if and when it begins to leave, spoiled or not."""
        ...


class Camera:
    """Sends each frame of its source to everyone who watches, and reports what it sends."""

    def __init__(
        self,
        name: str,
        source: Source,
        clock: CameraClock,
        pacer: Pacer,
        report: Callable[[SentFrame], None] | None,
        *,
        sound: SoundReel | None = None,
    ) -> None:
        self.name = name
        self.uuid = camera_uuid(name)
        self.source = source
        self.microphone = None if sound is None else Microphone(name, sound, clock, pacer, report)
        self._conditions: Conditions | None = None
        self._clock = clock
        self._pacer = pacer
        self._report = report
        self._watchers: list[Watcher] = []
        self._next = 0
        self._paced = False

    @property
    def conditions(self) -> Conditions | None:
        """What is wrong with it, from its first fault on."""
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        if self.microphone is not None:
            self.microphone.conditions = conditions

    def start(self, watcher: Watcher) -> int:
        """Begin to send to a session; returns the number of its first frame, a sync sample."""
        timetable = self.source.timetable
        if not self._watchers:
            self._next = self.source.next_sync(timetable.first_from(self._clock.wall_us()))
        self._watchers.append(watcher)
        if not self._paced:
            self._paced = True
            self._pacer.add(self, timetable.due_us(self._next))
        return self.source.next_sync(self._next)

    def stop(self, watcher: Watcher) -> None:
        """Send nothing more to a session; nothing happens if it is not watching."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def fire(self, now_us: int) -> int | None:
        """Send the frame that is due; None when nobody watches any more."""
        if not self._watchers:
            self._paced = False
            return None
        timetable = self.source.timetable
        number = self._next
        late_us = now_us - timetable.due_us(number)
        if late_us > MAX_LATE_US:
            self._next = self.source.next_sync(timetable.first_from(now_us))
        elif late_us >= 0:
            self._next = number + 1
            self.source.produce(number, self._send)
        return timetable.due_us(self._next)

    def _send(self, number: int, frame: CodedFrame) -> None:
        conditions = self._conditions
        if conditions is not None:
            if conditions.muted:
                return
            frame = conditions.frame(frame)
        watchers = [watcher for watcher in self._watchers if watcher.wants(number, sync=frame.sync)]
        if not watchers:
            return
        timetable = self.source.timetable
        sent_us = self._clock.wall_us()
        departure = Departure(
            number=number,
            sent_us=sent_us,
            presented_us=timetable.presented_us(number),
            rtp_ticks=timetable.presented_rtp(number),
            payloads=frame.payloads(self.uuid, number, sent_us),
        )
        if conditions is not None:
            for watcher in watchers:
                note = partial(self._note, watcher.number, number, frame)
                watcher.send_hard(departure, conditions, sync=frame.sync, note=note)
            return
        for watcher in watchers:
            # First the log: a frame that was sent and is not in it would look like one the product made up.
            if self._report is not None:
                self._report(SentFrame(self.name, watcher.number, number, sent_us, frame.crc32, frame.sync))
            watcher.send(departure)

    def _note(self, session: int, number: int, frame: CodedFrame, spoiled: bool) -> None:
        """A frame begins to leave."""
        if self._report is not None:
            sent_us = self._clock.wall_us()
            self._report(SentFrame(self.name, session, number, sent_us, frame.crc32, frame.sync, spoiled))
