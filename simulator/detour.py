"""The way of one session's frames while its camera has faults: packet by packet, and not all of them arrive.

The order is that of a real way: numbered by the camera, mixed up, lost and doubled by the network, and slowed by the
uplink.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from simulator.packet_faults import cut, duplicate, garbage, lose, reorder
from simulator.trickle import Trickle

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.camera import Departure
    from simulator.carrier import Carrier
    from simulator.conditions import Conditions
    from simulator.rtp_stream import RtpStream

    Note = Callable[[bool], None]
    """Called when a frame begins to leave, with whether it is spoiled: what was sent is in the log first."""

_ON_THE_WAY = {"reorder": reorder, "loss": lose, "duplicate": duplicate}
_OF_PACKETS = {*_ON_THE_WAY, "garbage"}


class Detour:
    """Takes a session's frames from the camera to the carrier, through what is wrong."""

    def __init__(self, conditions: Conditions, stream: RtpStream, carrier: Carrier) -> None:
        self._conditions = conditions
        self._clock = conditions.clock
        self._stream = stream
        self._carrier = carrier
        self._hang_up: Callable[[], None] | None = None
        self.garbled = False
        """Whether the reader may mistake what comes now for something else."""
        self._skipping = False
        self._uplink: Trickle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def cut_next(self, hang_up: Callable[[], None]) -> None:
        """Break off in the middle of the next frame."""
        self._hang_up = hang_up

    def close(self) -> None:
        """What still waits does not leave any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._uplink = None

    def send(self, departure: Departure, ticks: int, *, sync: bool, note: Note) -> None:
        """One access unit, with its timestamp as it is written."""
        uplink = self._current_uplink()
        if uplink is not None:
            self._skipping = not uplink.accepts(sync=sync)
        elif sync:
            self._skipping = False
        if self._skipping:
            return
        if uplink is None and self._hang_up is None and _OF_PACKETS.isdisjoint(self._conditions.active):
            note(self._conditions.undecodable or self.garbled)
            self._carrier.deliver(self._stream, departure.payloads, ticks)
            return
        packets = self._stream.packets(departure.payloads, ticks)
        if self._hang_up is not None:
            self._cut(packets, departure.number, note)
            return
        packets, lost = self._spoil(packets, departure.number)
        spoiled = lost or self._conditions.undecodable
        if uplink is None or not packets:
            note(spoiled or self.garbled)
            self._carrier.send(packets)
        else:
            uplink.join(packets, partial(self._leave, note, spoiled))
            self._pump()
        noise = self._conditions.active.get("garbage")
        if noise is not None:
            random = self._conditions.chance("garbage", departure.number)
            self.garbled |= self._carrier.garble(garbage(noise.number("bytes"), random))

    def _leave(self, note: Note, spoiled: bool) -> None:
        note(spoiled or self.garbled)

    def _spoil(self, packets: list[bytes], number: int) -> tuple[list[bytes], bool]:
        spoiled = False
        for name, act in _ON_THE_WAY.items():
            fault = self._conditions.active.get(name)
            if fault is not None:
                percent = float(fault.parameters["percent"])
                passed = act(packets, percent, self._conditions.chance(name, number))
                packets, spoiled = passed.packets, spoiled or passed.spoiled
        return packets, spoiled

    def _cut(self, packets: list[bytes], number: int, note: Note) -> None:
        hang_up, self._hang_up = self._hang_up, None
        whole, half = cut(packets, self._conditions.chance("cut", number))
        note(True)
        self._carrier.send_cut(whole, packets[len(whole)], len(half))
        if hang_up is not None:
            hang_up()

    def _current_uplink(self) -> Trickle | None:
        """The slow uplink, if it is slow now; what waited leaves when it is well again."""
        slow = self._conditions.active.get("trickle")
        if slow is None and self._uplink is not None:
            self._carrier.send(self._uplink.flush())
            self.close()
        elif slow is not None and self._uplink is None:
            self._uplink = Trickle(slow.number("rate"), self._clock.wall_us())
        return self._uplink

    def _pump(self) -> None:
        """Let leave what may. While the camera is mute nothing does; its next frame comes here again."""
        if self._uplink is not None and not self._conditions.muted:
            packets = self._uplink.leave(self._clock.wall_us())
            if packets:
                self._carrier.send(packets)
            self._come_again()

    def _come_again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_us = None if self._uplink is None else self._uplink.next_us()
        if due_us is not None:
            delay_s = max(0, due_us - self._clock.wall_us()) / 1_000_000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._pump)
