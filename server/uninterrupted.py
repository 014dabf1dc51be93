"""Since when a camera records: our own restarts are not its interruptions.

"Recording since 03:12" of all 220 cameras says when the recorder was updated, and hides which camera came back only
then. So a gap of under a minute that a restart made (and the wait for a sync sample after it) is passed over here; it
stays a gap of the timeline. What a camera did by itself counts, however short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import GapReason

if TYPE_CHECKING:
    from uuid import UUID

    from storage.catalog import Gaps

BRIEF_US = 60_000_000
MOST_RESTARTS = 100
_RESTART = frozenset({GapReason.CRASH, GapReason.SHUTDOWN})
_OURS = _RESTART | {GapReason.NO_SYNC}
_LOOKS_US = (3_600_000_000, 86_400_000_000, 31 * 86_400_000_000)


async def recording_since_us(gaps: Gaps, stream: UUID, since_us: int, declared_us: int) -> int:
    """Where the footage that goes on at `since_us` began, by the rows before it; `declared_us` is the first instant."""
    for _ in range(MOST_RESTARTS):
        edge_us = await _before_restart(gaps, stream, since_us)
        if edge_us is None:
            break
        since_us = await _last_end_us(gaps, stream, edge_us, declared_us)
    return since_us


async def _before_restart(gaps: Gaps, stream: UUID, since_us: int) -> int | None:
    """Where a restart interrupted what goes on at `since_us`; None if it was something else, or nothing."""
    edge_us, restarted = since_us, False
    while touching := await gaps.gaps(stream, edge_us - 1, edge_us):
        edge_us, reason = touching[0].start_us, touching[0].reason
        restarted = restarted or reason in _RESTART
        if reason not in _OURS or since_us - edge_us > BRIEF_US:
            return None
    return edge_us if restarted else None


async def _last_end_us(gaps: Gaps, stream: UUID, edge_us: int, declared_us: int) -> int:
    """Where the last gap before an instant ends."""
    for look_us in _LOOKS_US:
        ends = [gap.end_us for gap in await gaps.gaps(stream, edge_us - look_us, edge_us) if gap.end_us is not None]
        if ends:
            return max(ends)
    return max(declared_us, edge_us - _LOOKS_US[-1])
