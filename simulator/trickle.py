"""A slow uplink: a token bucket, and a queue in front of it that is not endless. Pure: time is passed in.

Frames leave packet by packet as the rate allows. When too much waits, frames are dropped up to the next sync sample, as
an encoder does that knows its uplink: what leaves can be decoded.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_WAITING_BYTES = 64 << 10
"""8 s at 64 kbit/s. One frame may exceed it, or a large key frame could never leave."""

_DEPTH_US = 100_000
"""What an idle uplink has saved up: a tenth of a second of its rate."""


class _Waiting(NamedTuple):
    packet: bytes
    leaves: Callable[[], None] | None


class Trickle:
    """The uplink of one session."""

    def __init__(self, rate_bps: int, now_us: int) -> None:
        self._rate_bps = rate_bps
        self._tokens = 0  # millionths of a bit
        self._now_us = now_us
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._until_sync = False

    def accepts(self, *, sync: bool) -> bool:
        """Whether a frame may join the queue now; once one may not, none does before a sync sample that may."""
        full = self._waiting_bytes >= MAX_WAITING_BYTES
        self._until_sync = full or (self._until_sync and not sync)
        return not self._until_sync

    def join(self, packets: Sequence[bytes], leaves: Callable[[], None] | None) -> None:
        """Queue the packets of a frame; `leaves` is called when the first of them leaves."""
        for packet in packets:
            self._queue.append(_Waiting(packet, leaves))
            self._waiting_bytes += len(packet)
            leaves = None

    def leave(self, now_us: int) -> list[bytes]:
        """The packets that leave by now, in order."""
        earned = (now_us - self._now_us) * self._rate_bps
        self._tokens = min(self._tokens + earned, self._rate_bps * _DEPTH_US)
        self._now_us = now_us
        # A packet leaves while there is anything in the bucket, which may then owe: no packet is too large for it.
        packets = []
        while self._queue and self._tokens > 0:
            packets.append(self._pop())
            self._tokens -= len(packets[-1]) * 8_000_000
        return packets

    def next_us(self) -> int | None:
        """When the next packet may leave; None when none waits."""
        if not self._queue:
            return None
        return self._now_us + max(0, -self._tokens) // self._rate_bps + 1

    def flush(self) -> list[bytes]:
        """All that waits, in order: the uplink is well again."""
        return [self._pop() for _ in range(len(self._queue))]

    def _pop(self) -> bytes:
        waiting = self._queue.popleft()
        self._waiting_bytes -= len(waiting.packet)
        if waiting.leaves is not None:
            waiting.leaves()
        return waiting.packet
