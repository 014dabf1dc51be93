"""What becomes declared when footage arrives and when a run is over: the rules between rows and ledger. Pure.

A ledger (storage/gap_ledger.py) knows how gaps give way and grow; here stands when a hole may be declared at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from media.errors import GapReason
from storage.coverage import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from storage.gap_ledger import GapLedger
    from storage.model import Segment

CLOCK_STEP_SLACK_US = 60_000_000
"""Either way around a hole: the record of a step has the time after the step."""


def window_us(arrived: Sequence[Segment], declared_us: int | None) -> int:
    """From where on a stream's ledger must be loaded to take in new footage."""
    first_us = min(segment.start_us for segment in arrived)
    return first_us if declared_us is None else min(first_us, declared_us)


def predecessor(segment: Segment) -> UUID | None:
    """The id of what its run recorded before it; None for the first."""
    identity = segment.identity
    if identity.sequence == 0:
        return None
    return replace(identity, sequence=identity.sequence - 1).segment_id


def take_in(
    ledger: GapLedger,
    arrived: Sequence[Segment],
    declared_us: int | None,
    *,
    is_known: Callable[[UUID], bool],
    clock_stepped: Callable[[int, Interval], bool],
) -> int | None:
    """Let gaps give way to new footage of a stream, and declare what is missing before it; declared until where now.

    A hole before a segment can only be a loss when all that its run recorded before it is known. Of a stream of which
    nothing is declared yet, that is a run's first segment: what precedes any other may have predecessors of its own.
    """
    for segment in sorted(arrived, key=lambda segment: (segment.start_us, segment.identity.sequence)):
        ledger.cover(Interval(segment.start_us, segment.end_us))
        before = predecessor(segment)
        if before is None or (declared_us is not None and is_known(before)):
            if declared_us is not None and declared_us < segment.start_us:
                hole = Interval(declared_us, segment.start_us)
                _fill(ledger, hole, stepped=clock_stepped(segment.identity.run, hole))
            declared_us = max(segment.end_us, segment.end_us if declared_us is None else declared_us)
    return declared_us


def _fill(ledger: GapLedger, hole: Interval, *, stepped: bool) -> None:
    """Why a run that goes on left a hole without a word: the host's clock stepped over it, or it lost something."""
    reason, detail = (GapReason.CLOCK_STEP, "") if stepped else (GapReason.CRASH, "not declared by the recorder")
    ledger.fill(hole.start_us, hole.end_us, reason, detail)


def settle(ledger: GapLedger, start_us: int, *, taken_over_us: int | None, stopped: bool) -> int:
    """Declare what a dead run left open in a stream since `start_us`; until where it is declared now.

    `taken_over_us` is when the next run took it over, if one did; `stopped` whether this one ended cleanly. Holes
    between its footage are losses, however it ended.
    """
    if taken_over_us is not None:
        ledger.fill(start_us, taken_over_us, GapReason.CRASH)
        return taken_over_us
    open_gap, known_us = ledger.open_gap, ledger.known_until_us
    until_us = open_gap.start_us if open_gap is not None else max(start_us, start_us if known_us is None else known_us)
    ledger.fill(start_us, until_us, GapReason.CRASH)
    ledger.fill_open(until_us, GapReason.SHUTDOWN if stopped else GapReason.CRASH)
    return until_us


def give_up(ledger: GapLedger, lost: Sequence[Segment], reason: GapReason, detail: str) -> None:
    """What was footage of a stream is none any more: where no other footage is, its time is a gap."""
    for segment in lost:
        ledger.fill(segment.start_us, segment.end_us, reason, detail)
