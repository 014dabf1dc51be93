"""One stream's account of its gaps: at every instant the stream is recorded, or it has a gap with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import GapReason
from storage import journal

if TYPE_CHECKING:
    from uuid import UUID

    from storage.spool import SpoolRun

REFINE_US = 1_000_000
"""A reason that becomes known within this replaces the one assumed, instead of making a second gap."""


class GapAccount:
    """Opens and closes gaps in the journal, one at a time. Begins inside a gap, as a run does."""

    def __init__(self, stream: UUID, spool: SpoolRun, reason: GapReason, at_us: int) -> None:
        self._stream = stream
        self._spool = spool
        self.reason: GapReason | None = reason
        """Of the gap that is open; None while footage is written."""
        self.opened = 0
        """How many gaps there were: a fragment that becomes durable late must not end a later one."""
        self.since_us, self._detail = at_us, ""

    def moved(self, spool: SpoolRun, at_us: int) -> GapAccount:
        """The same inside a gap, for another run that has just started the stream at this instant."""
        assert self.reason is not None
        account = GapAccount(self._stream, spool, GapReason.NO_SYNC, at_us)
        account.missing(at_us, self.reason, self._detail)
        return account

    def missing(self, at_us: int, reason: GapReason, detail: str = "") -> None:
        """Nothing is recorded from here on, for this reason."""
        if self.reason is reason and (self._detail or not detail):
            return
        if self.reason is None or (reason is not self.reason and at_us - self.since_us > REFINE_US):
            self.since_us = at_us
        self.reason, self._detail = reason, detail
        self._open(self.since_us, reason, detail)

    def interrupted(self, at_us: int, silence_us: int) -> None:
        """No picture came for so long, and footage goes on at once; what keeps all of it away already is left."""
        if self.reason is None:
            seconds = silence_us / 1_000_000
            detail = f"the camera sent no picture for {seconds:.1f} s, then went on"
            self.missing(at_us, GapReason.STALLED, detail)

    def footage(self, at_us: int) -> None:
        """Footage begins."""
        if self.reason is not None:
            self._close(at_us)
            self.reason = None

    def lost(self, start_us: int, end_us: int, reason: GapReason, detail: str, *, goes_on: bool) -> None:
        """What was taken for footage could not be written. `goes_on`: neither can what follows it."""
        if self.reason is reason and self.since_us <= start_us:
            return  # the gap that the first lost fragment of this file opened
        self._open(start_us, reason, detail)
        if self.reason is None and goes_on:
            self.reason, self.since_us, self._detail = reason, start_us, detail
            return
        self._close(end_us)
        if self.reason is not None:
            # Only one gap is open at a time: the loss in the past has ended the present one, too.
            self._open(self.since_us, self.reason, self._detail)

    def _open(self, at_us: int, reason: GapReason, detail: str) -> None:
        self.opened += 1
        self._spool.note(journal.gap_open(stream=self._stream, at_us=at_us, reason=reason, detail=detail))

    def _close(self, at_us: int) -> None:
        self._spool.note(journal.gap_close(stream=self._stream, at_us=at_us))
