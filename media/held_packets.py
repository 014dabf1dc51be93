"""Packets that do not fit their source's numbering, kept until it is clear what they are.

To drop them costs footage where the source has changed: at 200 kbit/s the 64 packets that would prove it are 3 s. To
take them at once costs footage where it has not: a second stream on the channel, a repeated packet. So they are held,
a fraction of a second of them, and go on in order when they turn out to be ours.
"""

from __future__ import annotations

SILENT_TICKS = 36_000
"""A source that sends nothing while another one sends for 0.4 s (of a clock of 90 kHz, as all video has) is gone. Two
streams that share a channel (Reolink RLC-410, quirk I5) alternate with their frames. Held longer, the packets would be
over 500 ms late, which reads as a jump of the clock."""

NEIGHBOUR_SILENT_TICKS = 360_000
"""A source that has once been seen beside ours is only believed after 4 s, without holding anything."""

OVERTAKEN_TICKS = 9_000
"""For 0.1 s, as long as datagrams are waited for, packets of ours may come behind the first ones of another source:
they were overtaken as it changed its name."""

HELD_BYTES = 2 << 20
"""0.4 s at 40 Mbit/s. A source that sends more is believed at once."""

_PACKET_BYTES = 64
"""What a packet takes beside its own bytes: empty ones have a bound, too."""

MISORDER = 100
"""RFC 3550 A.1, MAX_MISORDER: no packet is overtaken by more. Two in a row from further back are a restart."""

RESTART_PACKETS, CLOSE_RESTART_PACKETS = 2, 16
"""In a row; more of them where they could be repeated or overtaken ones."""


class ForeignRun:
    """Packets of one other SSRC with none of our own between, but for those that the first ones overtook."""

    __slots__ = ("_first_timestamp", "_held_bytes", "_neighbour", "first_sequence", "held", "since", "ssrc")

    def __init__(self, ssrc: int, since: int, sequence: int, timestamp: int, *, neighbour: bool) -> None:
        self.ssrc = ssrc
        self.since = since
        """How many packets of our own came before: one more, and this is another run."""
        self.first_sequence = sequence
        self._first_timestamp = timestamp
        self._neighbour = neighbour
        self.held: list[bytes] = []
        self._held_bytes = 0

    def goes_on(self, since: int, timestamp: int) -> bool:
        """Whether a packet belongs to this run, before which so many packets of our own came in all."""
        if since != self.since and not self._neighbour and self._ticks(timestamp) <= OVERTAKEN_TICKS:
            self.since = since
        return since == self.since

    def takes_over(self, timestamp: int, packet: bytes) -> bool:
        """Whether our source goes on as this one. `held` are then its packets, this one the last."""
        ticks = self._ticks(timestamp)
        if self._neighbour:
            self.held = [packet]
            return ticks >= NEIGHBOUR_SILENT_TICKS
        self.held.append(packet)
        self._held_bytes += len(packet) + _PACKET_BYTES
        return ticks >= SILENT_TICKS or self._held_bytes > HELD_BYTES

    def in_order(self) -> tuple[int, list[bytes]]:
        """The first number that came, and what was held by number: datagrams may have overtaken each other."""
        first = self.first_sequence
        numbered = [((int.from_bytes(packet[2:4], "big") - first + 0x8000) & 0xFFFF, packet) for packet in self.held]
        numbered.sort(key=lambda each: each[0])
        return (first + min(numbered[0][0] - 0x8000, 0)) & 0xFFFF, [packet for _, packet in numbered]

    def _ticks(self, timestamp: int) -> int:
        ticks = (timestamp - self._first_timestamp) & 0xFFFFFFFF
        return min(ticks, (1 << 32) - ticks)


class LateRun:
    """Packets with numbers from the past, each the successor of the one before."""

    __slots__ = ("_needed", "first_sequence", "held", "next_sequence", "since")

    def __init__(self, since: int, sequence: int, *, behind: int) -> None:
        self.since = since
        """How many packets counted before: one more, and this is another run."""
        self.first_sequence = self.next_sequence = sequence
        self._needed = RESTART_PACKETS if behind > MISORDER else CLOSE_RESTART_PACKETS
        self.held: list[bytes] = []

    def is_restart(self, packet: bytes) -> bool:
        """Whether the source counts anew. `held` are then the packets it sent since."""
        self.held.append(packet)
        self.next_sequence = (self.next_sequence + 1) & 0xFFFF
        return len(self.held) >= self._needed
