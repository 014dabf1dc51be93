"""The gaps of one stream between its footage: the rules that make every instant declared (I4). Pure.

A gap row says when, and why, nothing was recorded. The rules:

1. Rows never overlap one another, and never footage: footage wins wherever a row meets it (`cover`).
2. At most one row has no end; it lies after all footage and all other rows.
3. Opening a gap while one is open ends that one there; the same reason goes on in the same row.
4. Rows of one reason that touch are one row. A hole of at most 1 s beside a row belongs to that row: the recorder's
   clock readings at both ends of a gap are no better than that. So one missing interval is one row.
5. A hole that nobody declared is declared by `fill`, when everything before its end is known to have been imported.

The ledger holds a window of the stream: all rows and footage from some instant on, and the last of each before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from media.errors import GapReason
from storage.coverage import Interval, holes, union
from storage.model import SECOND_US, Gap

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

MERGE_US = SECOND_US

OF_THE_DISK = frozenset({GapReason.SPOOL_FULL, GapReason.DISK_ERROR})
"""Gaps that footage does not end by itself: it may have been taken back from a file that was given up, while the disk
refuses what follows. Their end is declared once a fragment is durable, and the segment is sealed after that."""


class GapLedger:
    """A window of a stream's gaps. `gaps` is the outcome: sorted, as the rules want it."""

    def __init__(self, stream: UUID, gaps: Iterable[Gap], footage: Iterable[Interval]) -> None:
        self.stream = stream
        self.gaps = sorted(gaps, key=_start_us)
        self._footage = union(footage)

    @property
    def open_gap(self) -> Gap | None:
        """The gap without end."""
        return self.gaps[-1] if self.gaps and self.gaps[-1].end_us is None else None

    @property
    def known_until_us(self) -> int | None:
        """Where footage and closed gaps end; None when there are none."""
        ends = [gap.end_us for gap in self.gaps if gap.end_us is not None]
        ends += [interval.end_us for interval in self._footage[-1:]]
        return max(ends, default=None)

    def start(self, at_us: int, *, since_us: int | None, reason: GapReason, told: bool = False) -> None:
        """A run takes the stream over: whatever came before ends here, and nothing is recorded yet.

        `since_us` is since when the stream is declared at all, `reason` what kept it from being recorded until now:
        supposed, or `told` by the run, and then it takes the place of a crash that was supposed before.
        """
        current = self.open_gap
        if current is not None:
            if told and current.reason is GapReason.CRASH:
                self.gaps[-1] = replace(current, reason=reason)
            self.close(at_us)
        else:
            known_us = at_us if since_us is None else since_us
            self.fill(self._after_known(known_us), at_us, reason)
        self.open(at_us, GapReason.NO_SYNC)

    def open(self, at_us: int, reason: GapReason, detail: str = "") -> None:
        """Nothing is recorded from here on."""
        current = self.open_gap
        if current is not None:
            if current.reason is reason and current.start_us <= at_us:
                if not current.detail:
                    self.gaps[-1] = replace(current, detail=detail)  # what was found out since
                return
            self.close(at_us)
        begin_us = self._after_known(at_us)
        for hole in self._holes(max(at_us, self._first_us(begin_us)), begin_us):
            self._put(hole.start_us, hole.end_us, reason, detail)
        self._put(begin_us, None, reason, detail)

    def close(self, at_us: int) -> None:
        """The open gap ends here, if there is one. One that ends where it began never was."""
        gap = self.open_gap
        if gap is not None:
            self.gaps.pop()
            if gap.start_us < at_us:
                self.gaps.append(replace(gap, end_us=at_us))

    def cover(self, footage: Interval) -> None:
        """There is footage here: no gap may claim it, and one within a second of it reaches up to it.

        An open gap that began before the footage is over where that begins, unless it is the disk's.
        """
        self._footage = union([*self._footage, footage])
        self.gaps = [piece for gap in self.gaps for piece in _without(gap, footage)]
        for hole in self._holes(footage.start_us - MERGE_US - 1, footage.end_us + MERGE_US + 1):
            if hole.end_us - hole.start_us <= MERGE_US and {footage.start_us, footage.end_us} & set(hole):
                self._stretch(hole)

    def fill(self, start_us: int, end_us: int, reason: GapReason, detail: str = "") -> list[Gap]:
        """Declare every hole in `[start_us, end_us)`; the rows that are new or longer now."""
        before = set(self.gaps)
        for hole in self._holes(start_us, end_us):
            if hole.end_us - hole.start_us > MERGE_US or not self._stretch(hole):
                self._put(hole.start_us, hole.end_us, reason, detail)
        return [gap for gap in self.gaps if gap not in before]

    def fill_open(self, start_us: int, reason: GapReason, detail: str = "") -> list[Gap]:
        """As `fill`, without end: what follows the last known instant becomes a gap that lasts, unless one is open."""
        current = self.open_gap
        if current is not None:
            return self.fill(start_us, current.start_us, reason, detail)
        begin_us = self._after_known(start_us)
        filled = self.fill(start_us, begin_us, reason, detail)
        self._put(begin_us, None, reason, detail)
        return [*filled, self.gaps[-1]]

    def _after_known(self, at_us: int) -> int:
        """`at_us`, or where footage and closed gaps end if that is later."""
        known_us = self.known_until_us
        return at_us if known_us is None else max(at_us, known_us)

    def _first_us(self, default_us: int) -> int:
        """Where the first footage or gap begins; hosts that start in 1970 have nothing to declare before it."""
        starts = [gap.start_us for gap in self.gaps[:1]]
        starts += [interval.start_us for interval in self._footage[:1]]
        return min(starts, default=default_us)

    def _holes(self, start_us: int, end_us: int) -> list[Interval]:
        declared = (Interval(gap.start_us, _end_us(gap)) for gap in self.gaps)
        return list(holes(union([*self._footage, *declared]), start_us, end_us))

    def _stretch(self, hole: Interval) -> bool:
        """Let a gap beside the hole take it; False if there is none."""
        for index, gap in enumerate(self.gaps):
            if gap.end_us == hole.start_us:
                self.gaps[index] = replace(gap, end_us=hole.end_us)
            elif gap.start_us == hole.end_us:
                self.gaps[index] = replace(gap, start_us=hole.start_us)
            else:
                continue
            self._join(index)
            return True
        return False

    def _put(self, start_us: int, end_us: int | None, reason: GapReason, detail: str) -> None:
        gap = Gap(stream=self.stream, start_us=start_us, end_us=end_us, reason=reason, detail=detail)
        self.gaps = sorted([*self.gaps, gap], key=_start_us)
        self._join(self.gaps.index(gap))

    def _join(self, index: int) -> None:
        """Make one row of this one and its neighbours, where they touch and have one reason."""
        for left in (index, index - 1):
            if 0 <= left < len(self.gaps) - 1:
                first, second = self.gaps[left], self.gaps[left + 1]
                if first.end_us == second.start_us and first.reason is second.reason:
                    self.gaps[left : left + 2] = [replace(first, end_us=second.end_us)]


def _without(gap: Gap, footage: Interval) -> list[Gap]:
    """What is left of a gap where there is footage: nothing, one piece or two."""
    if _end_us(gap) <= footage.start_us or footage.end_us <= gap.start_us:
        return [gap]
    pieces = []
    if gap.start_us < footage.start_us:
        pieces.append(replace(gap, end_us=footage.start_us))
        if gap.end_us is None and gap.reason not in OF_THE_DISK:
            return pieces
    if footage.end_us < _end_us(gap):
        pieces.append(replace(gap, start_us=footage.end_us))
    return pieces


def _start_us(gap: Gap) -> int:
    return gap.start_us


def _end_us(gap: Gap) -> int:
    """Its end; beyond every instant while it lasts (2**62 us is in the year 148 000)."""
    return 1 << 62 if gap.end_us is None else gap.end_us
