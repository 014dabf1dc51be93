"""What the roles say about themselves, read from their sockets when somebody asks, at most a few times a second.

A role that does not answer at once is not a role that failed: the host may be busy. So its last answer holds for a
while, with its age, and the next question is asked with more patience.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from server.status_socket import read_status
from storage.spool_reader import DurableMark

if TYPE_CHECKING:
    from uuid import UUID

    from storage.clock import Clock
    from storage.layout import Layout

FRESH_US = 200_000  # footage is to be retrievable 2 s after it happened; this is the part of it spent here
ANSWER_S = 0.5
PATIENT_S = 2.0
"""For one question after one that found no answer in time, then `ANSWER_S` again: whoever asks waits as well."""

KEPT_US = 10_000_000
"""How long an answer holds. An alert about a silent recorder is due by then, too."""

OTHERS = ("ship", "keep", "supervisor")


class RoleWatch:
    """One role's last answer, for as long as it holds. Concurrent questions share one look."""

    def __init__(self, name: str, data: Layout, clock: Clock) -> None:
        self.name = name
        self.answer: dict[str, Any] | None = None
        self._socket = data.socket(name)
        self._clock = clock
        self._asked_us: int | None = None
        self._heard_us = 0
        self._patient = False
        self.silent_us = 0
        """How old the answer is, where the last question found none; 0 where it did."""
        self._looking = asyncio.Lock()

    async def look(self) -> dict[str, Any] | None:
        """The role's document, as of FRESH_US ago at most, or the last one; None after KEPT_US without any."""
        async with self._looking:
            now_us = self._clock.boot_us()
            if self._asked_us is None or now_us - self._asked_us > FRESH_US:
                self._hear(await read_status(self._socket, timeout_s=PATIENT_S if self._patient else ANSWER_S))
        return self.answer

    def _hear(self, answer: dict[str, Any] | None) -> None:
        self._asked_us = now_us = self._clock.boot_us()
        self._patient = answer is None and not self._patient
        if answer is not None:
            self.answer, self._heard_us, self.silent_us = answer, now_us, 0
            return
        self.silent_us = now_us - self._heard_us
        if self.silent_us > KEPT_US:
            self.answer = None


class Fleet:
    """All roles of this data directory, as `serve` sees them."""

    def __init__(self, data: Layout, clock: Clock) -> None:
        self.record = RoleWatch("record", data, clock)
        self.others = {name: RoleWatch(name, data, clock) for name in OTHERS}

    async def refresh(self) -> None:
        """Make `stream` and `durable_mark` fresh."""
        await self.record.look()

    async def states(self) -> dict[str, dict[str, Any] | None]:
        """Every other role's document and the recorder's, by name; None for one that has been silent for long."""
        watches = {"record": self.record, **self.others}
        answers = await asyncio.gather(*(watch.look() for watch in watches.values()))
        return dict(zip(watches, answers, strict=True))

    def stream(self, stream: UUID) -> dict[str, Any] | None:
        """What the recorder last said about a stream; None if it does not answer or does not know it."""
        if self.record.answer is None:
            return None
        found: dict[str, Any] | None = self.record.answer.get("streams", {}).get(str(stream))
        return found

    def durable_mark(self, stream: UUID) -> DurableMark | None:
        """Up to where the stream's footage is durable, for the spool's reader."""
        document = self.stream(stream)
        durable = document.get("durable") if document else None
        if durable is None:
            return None
        return DurableMark(
            run=int(durable["run"], 16),
            epoch=durable["epoch"],
            sequence=durable["sequence"],
            fragment=durable["fragment"],
        )
