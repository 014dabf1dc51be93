"""Carries out what policy decided: mark, wait, recheck, delete the object, leave a tombstone.

The steps and their order are in the package's docstring. Every step reads what is true from the catalog and leaves a
state from which any later run goes on, so killing it anywhere costs nothing but time.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from media.errors import HultaError, ObjectStoreError
from retention.breaker import ClockWatch, refusal
from retention.policy import MINUTE_US, SECOND_US, Action, Decision, Plan, Schedule, decide, utc
from storage.catalog import MAX_BATCH
from storage.waiting import pause

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from uuid import UUID

    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.model import Policy, Segment
    from storage.objects import ObjectStore

PAUSE_US = MINUTE_US
"""Between two runs; less where a policy of hours leaves less room."""

PAUSE_MIN_US = SECOND_US // 4
BACKOFF_MAX_S = 60
DELETES_AT_ONCE = 8
FULL_LOOK_EVERY = 60
"""Runs: an hour, mostly. In between only what became due since the last run is looked for: older than that are a day of
marked rows, 317 000 for 220 cameras, and to walk over them took 0.4 s of each minute. Footage that turns up so late
that it is due when it comes waits for the next full look."""

BATCHES_PER_STREAM = 100
"""Of MAX_BATCH segments, in one run: no stream keeps the others waiting for long."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Sweep:
    """What one run did."""

    started_us: int
    marked: int = 0
    unmarked: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    doubt: str | None = None  # why nothing was done at all
    refused: dict[str, str] = field(default_factory=dict)  # stream: why nothing of it was deleted
    without_policy: list[str] = field(default_factory=list)  # streams that are kept because nobody says for how long
    failed: int = 0  # objects that could not be deleted
    failure: str = ""  # the first of them, and why
    unfinished: bool = False  # a stream has more to do than fits into one run

    def __str__(self) -> str:
        """One line."""
        return (
            f"sweep of {utc(self.started_us)}: {self.marked} marked, {self.unmarked} unmarked, {self.deleted} deleted "
            f"({self.deleted_bytes:,} bytes), {len(self.refused)} streams refused, {self.failed} objects failed"
        )


class Sweeper:
    """The work of `keep`. `acceptance` is a file that lets runs pass the breaker; it is removed when all is done."""

    def __init__(self, catalog: Catalog, store: ObjectStore, clock: Clock, *, acceptance: Path) -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self._acceptance = acceptance
        self._watch = ClockWatch(clock)
        self._last: Sweep | None = None
        self._error: str | None = None
        self._pause_us = PAUSE_US
        self._runs = 0
        self._looked_us: dict[UUID, int] = {}  # by stream: all that ended by then is marked, as far as is known

    def state(self) -> dict[str, Any]:
        """The last run and the last failure, for the status socket."""
        return {"sweep": None if self._last is None else asdict(self._last), "error": self._error}

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop`; a run that failed is tried again, later each time."""
        failures = 0
        while not stop.is_set():
            try:
                await self.run_once()
                failures, self._error = 0, None
            except HultaError as error:
                failures, self._error = failures + 1, str(error)
                log.warning("sweep_failed", error=self._error, hint=error.hint or None, failures=failures)
            backoff_s = random.uniform(0, min(BACKOFF_MAX_S, 2**failures)) if failures else 0.0  # noqa: S311 - jitter
            await pause(self._clock, self._pause_us / SECOND_US + backoff_s, stop)

    async def run_once(self) -> Sweep:
        """One sweep over all streams. Raises HultaError when a part of it failed; what it did stays done."""
        before, sweep = self._last, Sweep(started_us=self._clock.wall_us(), doubt=self._watch.doubt())
        self._last = sweep
        if sweep.doubt is None:
            await self._sweep(sweep)
        _tell(sweep, before, self._acceptance)
        if sweep.failed:
            raise ObjectStoreError(f"{sweep.failed} objects could not be deleted, the first {sweep.failure}")
        return sweep

    async def _sweep(self, sweep: Sweep) -> None:
        policies = await self._policies(sweep)
        self._pause_us = min([PAUSE_US, *(pause_us(policy) for policy in policies.values())])
        accepted = self._acceptance.exists()
        if self._runs % FULL_LOOK_EVERY == 0:
            self._looked_us.clear()
        self._runs += 1
        await self._finish(sweep)
        for stream, policy in policies.items():
            await self._sweep_stream(sweep, stream, policy, accepted=accepted)
        if accepted and not sweep.unfinished and sweep.doubt is None:
            self._acceptance.unlink(missing_ok=True)

    async def _policies(self, sweep: Sweep) -> dict[UUID, Policy]:
        """The policy of each stream that has one."""
        policies = await self._catalog.inventory.policies()
        cameras = await self._catalog.inventory.cameras()
        sweep.without_policy = [str(camera.stream) for camera in cameras if camera.policy not in policies]
        return {camera.stream: policies[camera.policy] for camera in cameras if camera.policy in policies}

    async def _finish(self, sweep: Sweep) -> None:
        """Delete what an earlier life had purged from the catalog; what fails now is found again by the next run."""
        while rows := await self._catalog.expiry.purging(MAX_BATCH):
            deleted_before = sweep.deleted
            await self._delete(sweep, rows)
            if len(rows) < MAX_BATCH or sweep.deleted == deleted_before:
                return

    async def _sweep_stream(self, sweep: Sweep, stream: UUID, policy: Policy, *, accepted: bool) -> None:
        for _ in range(BATCHES_PER_STREAM):
            sweep.doubt = sweep.doubt or self._watch.doubt()
            if sweep.doubt is not None:
                return
            plan = await self._plan(stream, policy)
            unmark = plan.of(Action.UNMARK)
            if unmark:
                sweep.unmarked += await self._catalog.expiry.unmark(ids(unmark))
                self._looked_us.pop(stream, None)
            reason = None if accepted else refusal(plan, policy)
            if reason is not None:
                sweep.refused[str(stream)] = reason
                return
            await self._mark(sweep, policy, plan.of(Action.MARK))
            await self._purge(sweep, plan.of(Action.PURGE))
            if len(plan.decisions) - len(plan.of(Action.KEEP)) < MAX_BATCH:
                self._looked_us[stream] = plan.now_us - Schedule.of(policy).mark_age_us
                return
        sweep.unfinished = True

    async def _plan(self, stream: UUID, policy: Policy) -> Plan:
        """Decide about what may be due: the oldest unmarked, the oldest marked, and marks that came too early."""
        now_us = self._clock.wall_us()
        schedule = Schedule.of(policy)
        mark_by_us, purge_by_us = now_us - schedule.mark_age_us, now_us - schedule.purge_age_us
        candidates = self._catalog.expiry.candidates
        segments = [
            *await candidates(
                stream,
                marked=False,
                ended_by_us=mark_by_us,
                ended_after_us=self._looked_us.get(stream),
                limit=MAX_BATCH,
            ),
            *await candidates(stream, marked=True, ended_by_us=purge_by_us, limit=MAX_BATCH),
            *await candidates(stream, marked=True, ended_after_us=mark_by_us, limit=MAX_BATCH),
        ]
        return decide(segments, {stream: policy}, now_us)

    async def _mark(self, sweep: Sweep, policy: Policy, decisions: Sequence[Decision]) -> None:
        if decisions:
            sweep.marked += await self._catalog.expiry.mark(
                ids(decisions), now_us=self._clock.wall_us(), policy=policy.name, reason=decisions[0].reason
            )

    async def _purge(self, sweep: Sweep, decisions: Sequence[Decision]) -> None:
        """The catalog rechecks under its lock and returns the rows that are ours to delete."""
        if decisions:
            await self._delete(sweep, await self._catalog.expiry.purge(ids(decisions)))

    async def _delete(self, sweep: Sweep, rows: Sequence[Segment]) -> None:
        """Delete the objects of purged rows, then leave a tombstone for each that is surely gone."""
        room = asyncio.Semaphore(DELETES_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            tasks = {row.id: group.create_task(self._delete_object(sweep, row, room)) for row in rows}
        gone = [row for row in rows if tasks[row.id].result()]
        if gone:
            sweep.deleted += await self._catalog.expiry.tombstone(
                [row.id for row in gone], now_us=self._clock.wall_us()
            )
            sweep.deleted_bytes += sum(row.size_bytes for row in gone)

    async def _delete_object(self, sweep: Sweep, row: Segment, room: asyncio.Semaphore) -> bool:
        async with room:
            try:
                await self._store.delete(row.key)
            except ObjectStoreError as error:
                sweep.failed += 1
                sweep.failure = sweep.failure or f"{row.key}: {error}"
                return False
        return True


def _tell(sweep: Sweep, before: Sweep | None, acceptance: Path) -> None:
    """Log what was done, and what is refused when that begins: it is in the state for as long as it lasts."""
    if sweep.doubt is not None and (before is None or before.doubt is None):
        log.warning("sweep_refused", reason=sweep.doubt)
    for stream, reason in sweep.refused.items():
        if before is None or stream not in before.refused:
            log.error("sweep_refused", stream=stream, reason=reason, hint=f"if it is meant, touch {acceptance}")
    if sweep.marked or sweep.unmarked or sweep.deleted:
        log.info("swept", summary=str(sweep))


def pause_us(policy: Policy) -> int:
    """How long `keep` may rest under this policy: two runs fit into the room left for deleting, if any is."""
    return min(PAUSE_US, max(Schedule.of(policy).room_us // 2, policy.keep_max_us // 100, PAUSE_MIN_US))


def ids(decisions: Iterable[Decision]) -> list[UUID]:
    """The segments of some decisions."""
    return [decision.id for decision in decisions]
