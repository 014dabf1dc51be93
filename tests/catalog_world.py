"""A host with one camera, for tests that let anything happen to it in any order.

Real: the spool's files as a recorder leaves them, the shipper, the sweeper, the directory store and either catalog.
Told: the time, and what the recorder does. A process that dies is one whose calls, or file operations, all fail from
some number on; one that loses an answer is told of a failure after the call was carried out.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from media.errors import CatalogError, GapReason, HultaError, ObjectStoreError
from retention.sweeper import Sweeper
from storage.directory_store import DirectoryStore
from storage.layout import parse_segment_path
from storage.model import SECOND_US, Policy, SegmentState
from storage.secrets import SecretBox
from storage.shipper import Shipper
from tests.builders_catalog import CAMERA, STREAM, T0, desired, site
from tests.builders_spool import FileSeam, Stopped
from tests.footage_model import Part, joined
from tests.mortal import Calls, Mortal
from tests.recorded_host import RecordedHost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from storage.catalog import Catalog
    from tests.catalog_backings import Backing

KEEP_MIN_S, KEEP_MAX_S, REFLECTION_S = 500, 600, 30
"""Reflection follows from the others (retention/policy.py): no mark is carried out sooner."""

POLICY = Policy(name="default", keep_min_us=KEEP_MIN_S * SECOND_US, keep_max_us=KEEP_MAX_S * SECOND_US, purpose="test")
REST_S = 62
"""After a failure: what rests, rests no longer than that; nor does a look at all copies wait longer."""

MOST_ROUNDS = 12
EVER = 1 << 61


class LostAnswer(Calls):
    """The call with this number fails, before or after it was carried out; the process goes on."""

    def __init__(self, at_call: int, *, after: bool) -> None:
        super().__init__(at_call, after)
        self.of_store = False

    def begin(self, name: str) -> int:
        """See `Calls.begin`."""
        number, self.count = self.count, self.count + 1
        if number == self.at_call and not self.after:
            raise self._error(name)
        return number

    def end(self, number: int, name: str) -> None:
        """See `Calls.end`."""
        if number == self.at_call:
            raise self._error(name)

    def _error(self, name: str) -> HultaError:
        kind = ObjectStoreError if name in {"put_file", "put_bytes", "stat", "read", "delete"} else CatalogError
        return kind(f"{name}: the answer is lost")


class World(RecordedHost):
    """The host, and the model of what must be true of it."""

    def __init__(self, root: Path, backing: Backing) -> None:
        super().__init__(root)
        self.catalog: Catalog
        self.store = DirectoryStore(self.data.objects)
        self.has_copy = False
        self._backing = backing
        self._box = SecretBox.at(root / "key")
        self._shipper: Shipper | None = None
        self._sweeper: Sweeper | None = None
        self._swept_over: set[UUID] = set()

    async def begin(self) -> None:
        """A camera is enabled at T0."""
        self.catalog = await self._backing.open(self.clock, self._box)
        await self.catalog.inventory.apply([site(desired("gate", id=CAMERA))], [POLICY])

    async def end(self) -> None:
        """Nothing stays."""
        self.crash()
        await self.catalog.close()
        await self._backing.remove()
        self.store.close()

    # What `ship` and `keep` do, and what happens to them.

    def restart(self) -> None:
        """New processes of `ship` and `keep`: nothing is remembered."""
        if self._shipper is not None:
            self._shipper._threads.shutdown()
        self._shipper = self._sweeper = None

    def crash(self) -> None:
        """All processes are killed."""
        if self.run is not None:
            self.die()
        self.restart()

    async def ship(self) -> None:
        """Until nothing is left to do; what had failed is waited for."""
        for _ in range(MOST_ROUNDS):
            with suppress(HultaError):  # of what a restored catalog expects and is not there
                while await self._shipping().run_once():
                    pass
            if not await self._left():
                return
            self.wait(REST_S)
        raise AssertionError(f"never shipped: {await self._left()}, {self._shipping().state()}")

    async def ship_with(self, trouble: Calls) -> None:
        """A cycle in which something happens to the process."""
        shipper = Shipper(self._troubled(trouble), Mortal(self.store, trouble), self.data, self.clock)  # type: ignore[arg-type]
        await _survive(shipper.run_once)
        shipper._threads.shutdown()

    async def ship_and_die_at_the_disk(self, operation: int) -> None:
        """A cycle, killed before a file operation."""
        seam, shipper = FileSeam(sync=False), Shipper(self.catalog, self.store, self.data, self.clock)
        seam.stop_at(operation, after=False)
        with seam.installed():
            await _survive(shipper.run_once)
        shipper._threads.shutdown()
        self._close_files()

    async def sweep(self) -> None:
        """All that is due goes: marked, objected to by nobody, deleted."""
        due = {each.id for each in self.model.kept.values() if each.end + KEEP_MAX_S <= self.model.now}
        due &= set(await self.catalog.footage.states(list(due)))
        if due - self._swept_over:
            # What the catalog learned of after its time is found by a full look (FULL_LOOK_EVERY), as of a new process.
            self._sweeper = None
        for _ in range(2):
            (self.data.root / "accept").touch()
            await self._sweeping().run_once()
            self.wait(REST_S)
        rows = await self.catalog.footage.segments(STREAM, -EVER, EVER, marked=True)
        self._swept_over = {row.id for row in rows}
        states = await self.catalog.footage.states(list(due))
        assert set(states.values()) <= {SegmentState.GONE}, states

    async def sweep_with(self, trouble: Calls) -> None:
        """A sweep in which something happens to the process."""
        (self.data.root / "accept").touch()
        store: Any = Mortal(self.store, trouble)
        sweeper = Sweeper(self._troubled(trouble), store, self.clock, acceptance=self.data.root / "accept")
        await _survive(sweeper.run_once)

    # What people do.

    async def object_to_marks(self) -> None:
        """Somebody wants to keep what is marked."""
        marked = await self._in_state(SegmentState.MARKED)
        assert await self.catalog.expiry.unmark(marked) == len(marked)
        known = {**self.model.kept, **self.model.lost}
        for each in marked:
            if each in known:
                known[each].objected = self.model.now

    async def give_up_what_waits(self) -> None:
        """The disk is full: what is not in the store goes, declared before its file does."""
        waiting = await self._in_state(SegmentState.SPOOLED, SegmentState.UPLOADING)
        copies, objects, kept = self._copies(), self._objects(), self.model.kept
        chosen = [each for each in waiting if each in copies and each in kept and kept[each].key not in objects]
        assert {*await self.catalog.footage.give_up(chosen, reason=GapReason.SPOOL_FULL)} == {*chosen}
        for each in chosen:
            for path in copies[each]:
                path.unlink()
            self.model.give_up(kept[each], "spool_full")

    async def lose_an_object(self) -> None:
        """Somebody deletes the oldest object in the store that has no copy; `check` would tell."""
        for each in await self._in_state(SegmentState.STORED):
            path = self.data.objects / self.model.kept[each].key if each in self.model.kept else None
            if path is not None and path.exists() and each not in self._copies():
                self.model.kept[each].content, self.model.kept[each].is_whole = path.read_bytes(), True
                path.unlink()
                self.model.lost[each] = self.model.kept.pop(each)
                await self.catalog.footage.mark_missing([each])
                return

    async def find_what_was_lost(self) -> None:
        """It is brought back from elsewhere."""
        rows = await self.catalog.footage.segments(STREAM, -EVER, EVER)
        for row in rows:
            if row.id in self.model.lost and row.state is SegmentState.MISSING:
                found = self.model.kept[row.id] = self.model.lost.pop(row.id)
                path = self.data.objects / found.key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(found.content)
                await self.catalog.footage.stored({row.id: _sha256(found.content)})

    async def save(self) -> None:
        """A copy of the catalog is taken."""
        await self._reopen(self._backing.save)
        self.has_copy = True

    async def restore(self) -> None:
        """The host is lost but for its disks, and the catalog is the copy."""
        self.crash()
        await self._reopen(self._backing.restore)
        known = await self.catalog.footage.states([*self.model.kept])
        self.model.forgotten = set(self.model.kept) - set(known) - set(self._copies())
        self.model.was_restored = True

    # What must be true.

    def require_nothing_lost(self) -> None:
        """What was durable is in the spool or in the store, to the byte, unless retention was allowed to take it."""
        copies = self._copies()
        for each in [*self.model.kept.values()]:
            stored = self.data.objects / each.key
            if stored.exists():
                assert each.is_in(stored.read_bytes()), f"{each.key} has other bytes"
            elif each.id in copies:
                assert any(each.is_in(path.read_bytes()) for path in copies[each.id]), f"{each.key} in the spool"
            else:
                assert self.model.now >= each.end + KEEP_MIN_S, f"{each.key} went early"
                assert self.model.now >= each.objected + REFLECTION_S, f"{each.key} went though somebody objected"
                self.model.over[each.id] = self.model.kept.pop(each.id)

    async def require_agreement(self) -> None:
        """Rows are objects, or declared; the timeline is the model's."""
        self.require_nothing_lost()
        rows = {row.id: row for row in await self.catalog.footage.segments(STREAM, -EVER, EVER, marked=True)}
        for each in self.model.kept.values():
            assert (each.id in rows) == (each.id not in self.model.forgotten), f"{each.key} in the catalog"
            if each.id in rows and rows[each.id].state is SegmentState.STORED:
                assert rows[each.id].sha256 == _sha256((self.data.objects / each.key).read_bytes())
        assert self._objects() <= {each.key for each in self.model.kept.values()}, "objects that nobody wants"
        leaving = {SegmentState.MARKED, SegmentState.PURGING, SegmentState.GONE}
        states = await self.catalog.footage.states([*self.model.lost])
        for each in self.model.lost.values():
            # A mark that is taken back makes `stored` what was missing before: `check` has to find it anew.
            again = {SegmentState.STORED} if each.objected >= 0 else set()
            assert states.get(each.id) in {SegmentState.MISSING, *leaving, *again} or self.model.was_restored, each.key
        await self._require_timeline()

    async def _require_timeline(self) -> None:
        found = await self.timeline()
        for before, after in pairwise(found):
            assert before.end == after.start, f"{before} and then {after}"
        assert found[0].start == 0
        if not self.model.was_restored:
            assert found == self.model.timeline()

    async def timeline(self) -> list[Part]:
        """As the catalog has it."""
        footage = await self.catalog.footage.segments(STREAM, -EVER, EVER, marked=True)
        buried = await self.catalog.expiry.tombstones(STREAM, -EVER, EVER)
        gaps = await self.catalog.gaps.gaps(STREAM, -EVER, EVER)
        parts = [Part(_second(row.start_us), _second(row.end_us), "footage") for row in [*footage, *buried]]
        parts += [
            Part(_second(gap.start_us), None if gap.end_us is None else _second(gap.end_us), gap.reason.value)
            for gap in gaps
        ]
        return joined(parts)

    # Within.

    def _close_files(self) -> None:
        """What the system does when a process ends: its descriptors, and with them its locks, go."""
        gc.collect()
        mine = [self.data.spool, self.data.objects, self.data.quarantine]
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                if any(map(entry.readlink().is_relative_to, mine)) and not self._is_of_the_recorder(int(entry.name)):
                    os.close(int(entry.name))

    def _is_of_the_recorder(self, fd: int) -> bool:
        return self.run is not None and fd == self.run._lock

    def _copies(self) -> dict[UUID, list[Path]]:
        found: dict[UUID, list[Path]] = {}
        for path in self.data.spool.glob("*/*/*"):
            name = parse_segment_path(path)
            if name is not None:
                found.setdefault(name.identity.segment_id, []).append(path)
        return found

    def _objects(self) -> set[str]:
        root = self.data.objects
        return {path.relative_to(root).as_posix() for path in root.rglob("*.mp4")}

    def _shipping(self) -> Shipper:
        if self._shipper is None:
            self._shipper = Shipper(self.catalog, self.store, self.data, self.clock)
        return self._shipper

    def _sweeping(self) -> Sweeper:
        if self._sweeper is None:
            self._sweeper = Sweeper(self.catalog, self.store, self.clock, acceptance=self.data.root / "accept")
        return self._sweeper

    def _troubled(self, trouble: Calls) -> Any:
        names = ("footage", "gaps", "expiry", "outbox")
        parts = {name: Mortal(getattr(self.catalog, name), trouble) for name in names}
        return SimpleNamespace(inventory=self.catalog.inventory, **parts)

    async def _in_state(self, *states: SegmentState) -> list[UUID]:
        rows = await self.catalog.footage.segments(STREAM, -EVER, EVER, marked=True)
        return [row.id for row in rows if row.state in states]

    async def _left(self) -> list[str]:
        """What lies in the spool and should not: all but what is to be deleted, and a live run's journal."""
        copies = self._copies()
        leaving = set(await self._in_state(SegmentState.MARKED, SegmentState.PURGING))
        left = [str(path) for each in copies.keys() - leaving for path in copies[each]]
        live = None if self.run is None else self.run.path
        kept = {path.parent.parent for paths in copies.values() for path in paths}
        return left + [str(path) for path in self.data.spool.glob("*/") if path != live and path not in kept]

    async def _reopen(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.restart()
        await self.catalog.close()
        await meanwhile()
        self.catalog = await self._backing.open(self.clock, self._box)


async def _survive(work: Callable[[], Awaitable[object]]) -> None:
    """What the trouble raises is expected, also of several tasks at once; nothing else is."""
    try:
        with suppress(HultaError, Stopped):
            await work()
    except BaseExceptionGroup as errors:
        if errors.split((HultaError, Stopped))[1] is not None:
            raise


def _second(instant_us: int) -> int:
    assert (instant_us - T0) % SECOND_US == 0, instant_us
    return (instant_us - T0) // SECOND_US


def _sha256(content: bytes) -> bytes:
    return sha256(content).digest()
