"""Pictures of H.264, H.265 and AV1 that know their number, in the order in which encoders with B-frames send them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from media.access_unit import AccessUnit
from media.av1 import Av1Depacketizer, split_obus
from media.av1_packetize import packetize as packetize_av1
from media.h264 import H264Depacketizer, split_length_prefixed
from media.h264_packetize import packetize as packetize_h264
from media.h265 import H265Depacketizer
from media.h265_packetize import packetize as packetize_h265
from media.rtp import PayloadTaker
from tests import builders_h265 as h265
from tests.builders_av1 import OTHER_SEQUENCE, SEQUENCE
from tests.builders_h264 import PPS, SPS

LARGER = bytes.fromhex("6764001facd9405005bb016a02020280000003008000001e078c18cb")  # 1280x720, High, from x264
_NO_ZEROS = 0x5A5A5A5A
"""A number in a picture must not look like a start code."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is sent next: when it is shown, as a number of pictures, and what it is."""

    shown: int
    sync: bool = False
    between: bool = False
    leading: bool = False


@dataclass(frozen=True)
class Kind:
    """One codec: what stands in front of a sync sample, the heads of its pictures, and what takes its packets."""

    sets: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    sync: bytes
    anchor: bytes
    between: bytes
    leading: bytes
    rest: Callable[[bytes], bytes]
    """The head of a picture's further slices."""
    before: bytes
    behind: bytes
    packetize: Callable[[list[bytes], int], list[bytes]]
    depacketizer: Callable[[Callable[[AccessUnit], None]], PayloadTaker]
    split: Callable[[bytes], list[bytes]]


H264 = Kind(
    sets=((SPS, PPS), (LARGER, PPS)),
    sync=b"\x65\x88",
    anchor=b"\x41\x88",
    between=b"\x01\x88",
    leading=b"\x01\x88",
    rest=lambda head: head[:1] + b"\x12",
    before=b"\x06\x05",
    behind=b"\x0c",
    packetize=packetize_h264,
    depacketizer=H264Depacketizer,
    split=split_length_prefixed,
)
H265 = Kind(
    sets=((h265.VPS, h265.SPS, h265.PPS), (h265.VPS, h265.make_sps(), h265.PPS)),
    sync=h265.CRA[:3],
    anchor=h265.TRAIL[:3],
    between=h265.TRAIL_N[:3],
    leading=h265.RASL[:3],
    rest=lambda head: head[:2] + b"\x2f",
    before=h265.SEI[:3],
    behind=h265.SUFFIX_SEI[:2],
    packetize=packetize_h265,
    depacketizer=H265Depacketizer,
    split=split_length_prefixed,
)
AV1 = Kind(
    sets=((SEQUENCE,), (OTHER_SEQUENCE,)),
    sync=b"\x18\x10",
    anchor=b"\x18\x30",
    between=b"\x18\x30",
    leading=b"\x18\x30",
    rest=lambda _head: b"\x20\x01",
    before=b"\x28\x04",
    behind=b"",
    packetize=packetize_av1,
    depacketizer=Av1Depacketizer,
    split=split_obus,
)


@dataclass(slots=True)
class Picture:
    """One that was sent."""

    number: int
    turn: Turn
    units: list[bytes]
    sync_number: int
    """Of the sync sample that it follows."""


class Pictures:
    """What one camera's encoder makes, one picture after the other. All its units differ, but for the sets."""

    def __init__(self, kind: Kind, rng: random.Random) -> None:
        self.kind = kind
        self.between = 0 if kind is AV1 else rng.choice([0, 0, 1, 2, 3])
        self.gop = rng.choice([1, 4, 12, 25])
        self.sets = kind.sets[0]
        self.shown = self.number = self.sync_number = 0
        self.owners: dict[bytes, int] = {}
        """Which picture each unit belongs to."""
        self._rng = rng
        self._slices = rng.choice([1, 1, 2, 4])
        self._size = rng.choice([30, 200, 1500])
        self._turns: Iterator[Turn] = iter(())

    def begin(self) -> None:
        """With the next sync sample."""
        self._turns = iter(())

    def finish_group(self) -> list[Picture]:
        """What is left of this group of pictures."""
        return [self._make(turn) for turn in self._turns]

    def next(self) -> Picture:
        """The next one in the order of sending."""
        turn = next(self._turns, None)
        if turn is None:
            self._turns = iter(self._group())
            turn = next(self._turns)
        return self._make(turn)

    def _group(self) -> list[Turn]:
        """Each anchor before those between it and the one before; of H.265 the sync sample, too: groups are open."""
        step, first, is_open = self.between + 1, self.shown, self.kind is H265
        turns = []
        for shown in range(first, first + self.gop * step, step):
            turns.append(Turn(shown, sync=shown == first))
            if shown > first or (is_open and first):
                turns += [Turn(shown - step + k, between=True, leading=shown == first) for k in range(1, step)]
            self.shown = shown + (step if is_open else 1)
        return turns

    def _make(self, turn: Turn) -> Picture:
        number, kind = self.number, self.kind
        self.number += 1
        if turn.sync:
            self.sync_number = number
        which = ("leading" if turn.leading else "between") if turn.between else "sync" if turn.sync else "anchor"
        head: bytes = getattr(kind, which)
        units = [*self.sets] if turn.sync else []
        if self._rng.random() < 0.3:
            units.append(self._unit(kind.before, number, 10))
        units.append(self._unit(head, number, self._rng.randrange(12, self._size)))
        further = self._slices if kind is AV1 else self._slices - 1
        units += [self._unit(kind.rest(head), number, self._rng.randrange(12, self._size)) for _ in range(further)]
        if kind.behind and self._rng.random() < 0.2:
            units.append(self._unit(kind.behind, number, 10))
        return Picture(number, turn, units, self.sync_number)

    def _unit(self, head: bytes, number: int, size: int) -> bytes:
        place = len(self.owners) ^ _NO_ZEROS
        unit = head + place.to_bytes(4, "big") + bytes([0x40 + place % 59]) * size + b"\x80"
        self.owners[unit] = number
        return unit
