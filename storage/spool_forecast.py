"""When the spool's disk will be full, and how long it would last without the object store. Pure.

Both look back 20 minutes. Segments come in bursts and leave one by one, so what is free goes up and down all the time
while everything keeps up. Of each half of that time the emptiest moment is taken, which such a sawtooth does not move:
what lies between the two is the trend, whoever fills the disk.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from storage.model import SECOND_US
from storage.spool_room import Room, Step

APART_US = 10 * SECOND_US
LOOK_BACK_US = 1200 * SECOND_US
LEAST_US = 240 * SECOND_US
"""With less to look back at nothing is said: a segment of the usual minute has to fit into each half."""


class _Moment(NamedTuple):
    boot_us: int
    free_bytes: int
    taken_in_bytes: int


class Forecast:
    """Call `note` with every look at the disk; at most 121 of them are kept."""

    def __init__(self) -> None:
        self._moments: deque[_Moment] = deque()
        self._room: Room | None = None

    def note(self, room: Room, *, taken_in_bytes: int, boot_us: int) -> None:
        """The disk now, and what was sealed since this process began."""
        self._room = room
        if self._moments and boot_us - self._moments[-1].boot_us < APART_US:
            return
        self._moments.append(_Moment(boot_us, room.free_bytes, taken_in_bytes))
        while boot_us - self._moments[0].boot_us > LOOK_BACK_US:
            self._moments.popleft()

    @property
    def full_in_us(self) -> int | None:
        """Until the last step of the ladder is reached at the present trend; None if it is not, or not known yet."""
        if self._looked_back_us < LEAST_US:
            return None
        middle_us = self._moments[0].boot_us + self._looked_back_us // 2
        before = max(moment.free_bytes for moment in self._moments if moment.boot_us < middle_us)
        after = max(moment.free_bytes for moment in self._moments if moment.boot_us >= middle_us)
        return _until(self._left_bytes, before - after, self._looked_back_us // 2)

    @property
    def lasts_us(self) -> int | None:
        """How long there would be room if nothing more left the spool; None if nothing comes in, or not known yet."""
        if self._looked_back_us < LEAST_US:
            return None
        taken_in_bytes = self._moments[-1].taken_in_bytes - self._moments[0].taken_in_bytes
        return _until(self._left_bytes, taken_in_bytes, self._looked_back_us)

    @property
    def _looked_back_us(self) -> int:
        return self._moments[-1].boot_us - self._moments[0].boot_us if self._moments else 0

    @property
    def _left_bytes(self) -> int:
        room = self._room
        return 0 if room is None else max(0, room.free_bytes - room.size_bytes * (100 - Step.GIVE_UP) // 100)


def _until(left_bytes: int, used_bytes: int, in_us: int) -> int | None:
    return left_bytes * in_us // used_bytes if used_bytes > 0 else None
