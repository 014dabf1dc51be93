"""What happens to the packets of one frame on their way: pure, chance is passed in.

A packet is RTP as it goes into a datagram or an interleaved frame. Each function takes the packets of one access unit,
in order, and returns what leaves and whether the frame is spoiled by it: no longer whole, or not in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_RTP_VERSION_MASK = 0xC0


class Passed(NamedTuple):
    """What is left of a frame."""

    packets: list[bytes]
    spoiled: bool


def lose(packets: Sequence[bytes], percent: float, random: Random) -> Passed:
    """Leave out each packet with the given probability."""
    left = [packet for packet in packets if random.random() * 100 >= percent]
    return Passed(left, len(left) != len(packets))


def reorder(packets: Sequence[bytes], percent: float, random: Random) -> Passed:
    """Let packets change places with the next one of their frame, the last with the one before it.

    A packet that has moved does not move again. A frame of one packet stays as it is.
    """
    result = list(packets)
    chosen = [index for index in range(len(result)) if random.random() * 100 < percent]
    moved: set[int] = set()
    for index in chosen:
        other = index + 1 if index + 1 < len(result) else index - 1
        if other >= 0 and not {index, other} & moved:
            result[index], result[other] = result[other], result[index]
            moved |= {index, other}
    return Passed(result, bool(moved))


def duplicate(packets: Sequence[bytes], percent: float, random: Random) -> Passed:
    """Send packets twice in a row. That spoils nothing: everything is there, in order."""
    result = []
    for packet in packets:
        result.append(packet)
        if random.random() * 100 < percent:
            result.append(packet)
    return Passed(result, spoiled=False)


class Cut(NamedTuple):
    """Packets that leave whole, and the beginning of the one that does not."""

    whole: list[bytes]
    half: bytes


def cut(packets: Sequence[bytes], random: Random) -> Cut:
    """End somewhere in a packet: at least one byte of it leaves, and never all of it."""
    index = random.randrange(len(packets))
    packet = packets[index]
    return Cut(list(packets[:index]), packet[: random.randint(1, len(packet) - 1)])


def garbage(size: int, random: Random) -> bytes:
    """Random bytes that can never pass for RTP or RTCP: their version is not 2."""
    noise = bytearray(random.randbytes(size))
    if noise[0] & _RTP_VERSION_MASK == 0x80:
        noise[0] ^= 0x80
    return bytes(noise)
