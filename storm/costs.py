"""What each fault may cost: the promise, kind by kind. Everything else is a violation.

A fault of a camera may stop its recording, or only prolong a stop, or neither. Once it is over, the camera is being
recorded again within a bound that follows from how Hulta retries: jittered backoff of at most 8 s, connecting 3 s, a
handshake, and 50 connects a second for all cameras together. The wait for a sync sample is added to each bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from storm.facts import SECOND_US, TOLERANCE_US

BACKOFF_US = 8 * SECOND_US
CONNECT_US = 3 * SECOND_US
HANDSHAKE_US = 2 * SECOND_US
SILENCE_US = 8 * SECOND_US
"""A playing camera from which nothing comes for so long has stalled."""

RETRY_US = BACKOFF_US + CONNECT_US + HANDSHAKE_US
LOGIN_RETRY_US = 330 * SECOND_US + CONNECT_US + HANDSHAKE_US
"""After a refused login Hulta waits 5 min, and up to a tenth more: cameras lock an account that is tried too often."""

FLOOD_RETRY_US = 15 * SECOND_US + CONNECT_US + HANDSHAKE_US
"""After a flood it waits 10 to 15 s: the next one comes with the next session."""

KILL_US = 5 * SECOND_US
CONNECTS_PER_SECOND = 50

UNSAVED_US = 2 * SECOND_US
"""What a kill may cost of what was already received: at most the last 2 s."""

DYING_US = SECOND_US
"""A session that gets frames for less than this once a fault is over was being given up already."""

HANG_US = SILENCE_US
"""A process that is stopped for less than this misses nothing: cameras wait, and nobody takes it for dead."""

STEP_US = 500_000 + TOLERANCE_US
"""Where a camera's clock is wrong by more than 500 ms Hulta goes by arrival; up to there it follows the camera."""

STANDSTILL_US = 10 * SECOND_US + STEP_US
"""A camera's clock that stands still, or frames that come ever later, are believed for 10 s."""

AFTERMATH_US = 30 * SECOND_US
"""How long after a lie about time it may take until the timeline is back within its tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one kind of fault may do to a recording.

    `stops`: it may begin an outage; `prolongs`: it only makes one longer. `from_begin`: only its begin does anything to
    sessions, however long it lasts. `spoils`: packets may look lost. `off_by_us`: how far frames may lie from their
    true time while it lasts and for AFTERMATH_US. `again_us` counts from its end.
    """

    stops: bool = False
    prolongs: bool = False
    from_begin: bool = False
    spoils: bool = False
    again_us: int = RETRY_US
    dying_us: int = DYING_US
    off_by_us: int = TOLERANCE_US


_ENDS = Cost(stops=True)
_NOTHING = Cost()

COSTS: dict[str, Cost] = {
    "refuse": Cost(prolongs=True),  # sessions go on; who needs a new one has to wait
    "off": _ENDS,
    "401": Cost(stops=True, again_us=LOGIN_RETRY_US),
    "404": _ENDS,
    "453": _ENDS,
    "503": _ENDS,
    "silence": _ENDS,
    "stall": _ENDS,
    "trickle": Cost(stops=True, off_by_us=STANDSTILL_US),
    "flood": Cost(stops=True, again_us=FLOOD_RETRY_US, dying_us=3 * SECOND_US),
    "no-sps": Cost(stops=True, again_us=SILENCE_US + RETRY_US),
    "garbage": Cost(stops=True, spoils=True),
    "loss": Cost(spoils=True),
    "reorder": Cost(spoils=True),
    "duplicate": _NOTHING,
    "cut": Cost(stops=True, spoils=True),
    "ssrc-change": Cost(spoils=True),  # packets are numbered anew: nobody can say what was missed before
    "sequence-jump": Cost(spoils=True),
    "timestamp-wrap": Cost(stops=True, from_begin=True),
    "timestamp-freeze": Cost(off_by_us=STANDSTILL_US),
    "timestamp-jump": Cost(off_by_us=STEP_US),
    "timestamp-backwards": Cost(off_by_us=STEP_US),
    "drift": Cost(off_by_us=STEP_US),
    "gop": _NOTHING,
    "b-frames": _NOTHING,
    "parameter-sets": _NOTHING,
}
"""Of the faults of cameras. Of those of processes: KILL_US for what records, nothing for the others."""

RECORDING_ROLES = frozenset({"record", "supervisor"})
"""Killing these stops recording; killing any other must cost nothing."""


def herd_us(cameras: int) -> int:
    """How long the connects of all cameras take if they all come back in one moment."""
    return cameras * SECOND_US // CONNECTS_PER_SECOND
