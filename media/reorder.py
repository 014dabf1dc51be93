"""Packets that overtake each other on their way (RFC 3550 over UDP), put back in order as far as it is worth waiting.

A packet that is missing is waited for: at most 100 ms, and while at most 512 packets and 1 MiB lie behind it. Then it
is lost, and the receiver learns it from the numbers, as over TCP. What comes still later is the receiver's to judge.
Whatever the order of arrival, a packet costs the same: what is held is sorted by number, and beside it by arrival.

The first packet to arrive need not be the first that was sent. So a session begins with what arrived within 100 ms, in
order; at once if the camera has promised the number that it begins with (RTP-Info). Without a promise nobody can know
whether something is missing before it: then one packet is declared lost.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING

from media.held_packets import MISORDER
from media.rtp import HEADER_BYTES

if TYPE_CHECKING:
    from media.rtp import Buffer, RtpReceiver

WAIT_US = 100_000
"""Packets of one uplink overtake each other by milliseconds. All frames behind a loss are late by this, once."""

HELD_PACKETS = 512
HELD_BYTES = 1 << 20
"""100 ms at 80 Mbit/s, more than a camera may send."""

_HEADER = struct.Struct(">xBHII")
_SEQUENCE = struct.Struct(">xxH")


class ReorderBuffer:
    """In front of one track's receiver. Packets in order, which nearly all are, are passed on in place."""

    __slots__ = (
        "_arrivals",
        "_beside",
        "_gathered",
        "_held",
        "_held_bytes",
        "_next",
        "_numbers",
        "_promised",
        "_receiver",
        "duplicate_packets",
        "overtaken_packets",
    )

    def __init__(self, receiver: RtpReceiver) -> None:
        self._receiver = receiver
        self._next = -1
        """The number that the receiver expects; -1 before the first packet."""
        self._promised = -1
        self._gathered: list[tuple[int, bytes]] = []
        """What came before it was clear where the session begins: arrival and content."""
        self._held: dict[int, tuple[int, bytes]] = {}
        """Packets behind a missing one, by number: arrival and content."""
        self._numbers: list[int] = []
        """Theirs, from the least to the largest: 0 stands first, also where it follows 65535."""
        self._arrivals: deque[tuple[int, int]] = deque()
        """Arrival and number in the order of arrival; also of some that are no longer held."""
        self._beside: list[bytes] = []
        """Packets of another source behind a missing one. If ours has changed its name, they follow on those held."""
        self._held_bytes = 0
        self.duplicate_packets = 0
        """That came again while the first one was held. Those of packets that were passed on, the receiver counts."""
        self.overtaken_packets = 0
        """That came late and in time: without this buffer they would be lost."""

    @property
    def held(self) -> int:
        """Packets that wait."""
        return len(self._held) + len(self._beside)

    def receive(self, buffer: Buffer, start: int, end: int, now_us: int) -> None:
        """Take one datagram, `buffer[start:end]`, in place. `RtpError` for what is no RTP at all."""
        if end - start >= HEADER_BYTES and not self._held:
            sequence = _SEQUENCE.unpack_from(buffer, start)[0]
            if sequence == self._next:
                self._next = (sequence + 1) & 0xFFFF
                self._receiver.receive(buffer, start, end)
                return
        self._receive_uncommon(buffer, start, end, now_us)

    def promise(self, sequence: int) -> None:
        """The camera says that the session begins with this number. Of use before anything was passed on."""
        self._promised = sequence

    def expire(self, now_us: int) -> None:
        """Wait no longer for what is missing since 100 ms."""
        if self._gathered and now_us - self._gathered[0][0] >= WAIT_US:
            self._begin()
        while self._held and now_us - self._oldest_us() >= WAIT_US:
            self._give_up()

    def _receive_uncommon(self, buffer: Buffer, start: int, end: int, now_us: int) -> None:
        if self._next < 0 and end - start >= HEADER_BYTES and buffer[start] >> 6 == 2:
            self._gather(bytes(buffer[start:end]), now_us)
            return
        if self._next < 0 or end - start < HEADER_BYTES or not self._is_ours(buffer, start):
            self.expire(now_us)
            if self._held and self._is_of_another(buffer, start, end):
                self._hold_beside(bytes(buffer[start:end]))
            else:
                self._pass(buffer, start, end)
            return
        sequence = _SEQUENCE.unpack_from(buffer, start)[0]
        ahead = (sequence - self._next) & 0xFFFF
        if 0 < ahead < 0x8000:
            self._hold(sequence, bytes(buffer[start:end]), now_us)
        else:
            self.overtaken_packets += ahead == 0 and (sequence + 1) & 0xFFFF in self._held
            if ahead and 0x10000 - ahead > MISORDER:  # a source that counts anew: what waits was sent before
                self._pass_all()
            self._pass(buffer, start, end)
            self._pass_held()
        self.expire(now_us)

    def _gather(self, packet: bytes, now_us: int) -> None:
        self._gathered.append((now_us, packet))
        self._held_bytes += len(packet)
        full = len(self._gathered) >= HELD_PACKETS or self._held_bytes >= HELD_BYTES
        if full or _SEQUENCE.unpack_from(packet)[0] == self._promised:
            self._begin()
        else:
            self.expire(now_us)

    def _begin(self) -> None:
        """Where the session begins is decided: go on with everything that was gathered, in order."""
        gathered, self._gathered, self._held_bytes = self._gathered, [], 0
        headers = [_HEADER.unpack_from(packet) for _, packet in gathered]
        ours = [header for header in headers if header[0] & 0x7F == self._receiver.payload_type]
        if not ours:
            for _, packet in gathered:
                self._pass(packet, 0, len(packet))
            return
        source = ours[0][3] if self._receiver.ssrc is None else self._receiver.ssrc
        self._receiver.ssrc = source
        first = ours[0][1]
        numbers = [header[1] for header in ours if header[3] == source] or [first]
        lowest = min(numbers, key=lambda sequence: (sequence - first + 0x8000) & 0xFFFF)
        missing = (lowest - self._promised) & 0xFFFF if self._promised >= 0 else HELD_PACKETS
        # A promise far from everything that came is none: cameras write 0, 1 and what an earlier session had.
        self._next = (lowest - (missing if missing < HELD_PACKETS else 1)) & 0xFFFF
        self._receiver.expect(self._next)
        if missing >= HELD_PACKETS:
            self._next = lowest
        for arrival_us, packet in gathered:
            self.receive(packet, 0, len(packet), arrival_us)

    def _is_ours(self, buffer: Buffer, start: int) -> bool:
        """Whether its number is one of our source's. Other packets go past: what they mean the receiver knows."""
        kind, _sequence, _timestamp, ssrc = _HEADER.unpack_from(buffer, start)
        return bool(ssrc == self._receiver.ssrc and kind & 0x7F == self._receiver.payload_type)

    def _is_of_another(self, buffer: Buffer, start: int, end: int) -> bool:
        return end - start >= HEADER_BYTES and buffer[start + 1] & 0x7F == self._receiver.payload_type

    def _hold_beside(self, packet: bytes) -> None:
        self._beside.append(packet)
        self._held_bytes += len(packet)
        self._keep_bounds()

    def _hold(self, sequence: int, packet: bytes, now_us: int) -> None:
        if sequence in self._held and packet == self._held[sequence][1]:
            self.duplicate_packets += 1
            return
        if sequence in self._held:  # another packet of the same number: a source that counts anew
            self._pass_all()
            self._pass(packet, 0, len(packet))
            return
        self._held[sequence] = now_us, packet
        insort(self._numbers, sequence)
        self._arrivals.append((now_us, sequence))
        if len(self._arrivals) > 4 * HELD_PACKETS:
            self._arrivals = deque(sorted((arrival_us, number) for number, (arrival_us, _) in self._held.items()))
        self._held_bytes += len(packet)
        self._keep_bounds()

    def _keep_bounds(self) -> None:
        while self._held and (len(self._held) + len(self._beside) > HELD_PACKETS or self._held_bytes > HELD_BYTES):
            self._give_up()

    def _give_up(self) -> None:
        """What is missing before the first packet held is lost: go on with that one."""
        after = bisect_left(self._numbers, self._next)
        self._next = self._numbers[after if after < len(self._numbers) else 0]
        self._pass_held()

    def _pass_all(self) -> None:
        while self._held:
            self._give_up()

    def _oldest_us(self) -> int:
        """When the packet came that is held for longest. There must be one."""
        arrivals, held = self._arrivals, self._held
        while (found := held.get(arrivals[0][1])) is None or found[0] != arrivals[0][0]:
            arrivals.popleft()
        return arrivals[0][0]

    def _pass_held(self) -> None:
        while self._next in self._held:
            _arrival_us, packet = self._held.pop(self._next)
            del self._numbers[bisect_left(self._numbers, self._next)]
            self._held_bytes -= len(packet)
            self._pass(packet, 0, len(packet))
        if self._beside and not self._held:
            beside, self._beside, self._held_bytes = self._beside, [], 0
            for packet in beside:
                self._pass(packet, 0, len(packet))

    def _pass(self, buffer: Buffer, start: int, end: int) -> None:
        self._receiver.receive(buffer, start, end)
        if self._receiver.packets:
            self._next = (self._receiver.last_sequence + 1) & 0xFFFF
