"""I8 for shipping: killed before or after any call to catalog, store or disk, the next life ends in the same state.

One small workload: a dead run with a sealed and a torn segment, and a live one beside it. It is shipped once in peace,
which tells how many calls there are and what the end looks like. Then it is shipped again and again, and each time the
process dies at another call, all later ones with it. After each death nothing may be lost (I1, I3), and a new process
brings everything to the same end.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from media.errors import GapReason
from media.identity import parse_key
from storage.catalog_journal_rows import FIELDS
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.layout import Layout, parse_segment_path
from storage.model import SegmentState
from storage.secrets import SecretBox
from storage.shipper import Shipper
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import CAMERA, POLICY, SECOND, STREAM, T0, SpoolOnDisk, at, desired, site
from tests.builders_catalog_journal import require_agreement, tell
from tests.builders_spool import FileSeam, Stopped
from tests.mortal import Calls, Mortal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LATER_RUN = 0x5678


class MortalCatalog:
    """A catalog whose parts die with the process."""

    def __init__(self, catalog: SqliteCatalog, calls: Calls) -> None:
        self.footage, self.gaps = Mortal(catalog.footage, calls), Mortal(catalog.gaps, calls)
        self.outbox = Mortal(catalog.outbox, calls)


@dataclass(frozen=True)
class World:
    """A data directory, filled before each life."""

    data: Layout
    segments: frozenset[UUID]

    async def life(self, calls: Calls, *, seam: FileSeam | None = None) -> None:
        """A process ships until there is nothing to do, or until it dies."""
        clock = FakeClock(wall_us=at(100), boot_us=1)
        store = DirectoryStore(self.data.objects)
        async with await SqliteCatalog.open(self.data.catalog, clock) as catalog:
            shipper = Shipper(MortalCatalog(catalog, calls), Mortal(store, calls), self.data, clock)  # type: ignore[arg-type]
            try:
                if seam is None:
                    await _ship(shipper)
                else:
                    with seam.installed():
                        await _ship(shipper)
            except BaseException as error:
                if not _is_death(error):
                    raise
            store.close()
            shipper._threads.shutdown()
        self._close_files()

    def _close_files(self) -> None:
        """What the system does when a process ends: its descriptors, and with them its locks, go."""
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                if entry.readlink().is_relative_to(self.data.root):
                    os.close(int(entry.name))

    async def end(self) -> dict[str, Any]:
        """All that there is to compare."""
        async with await SqliteCatalog.open(self.data.catalog, FakeClock()) as catalog:
            rows = await catalog.footage.segments(STREAM, T0, at(1000))
            gaps = await catalog.gaps.gaps(STREAM, T0, at(1000))
            tables = await catalog.footage.sample_tables([row.id for row in rows])
            store = DirectoryStore(self.data.objects)
            await tell(catalog, store, FakeClock(wall_us=at(100), boot_us=1))
            told = await require_agreement(catalog, store, SecretBox.at(self.data.key))
            store.close()
        return {
            "rows": [(row.id, row.state, row.sha256, row.start_us, row.end_us) for row in rows],
            "gaps": [
                ((gap.start_us - T0) / SECOND, gap.end_us and (gap.end_us - T0) / SECOND, gap.reason) for gap in gaps
            ],
            "tables": sorted(tables),
            "objects": self.objects(),
            "told": {noun: len(told.of(noun)) for noun in FIELDS},
            "spool": sorted(path.name for path in self.data.spool.glob("*/*/*")),
            "runs": sorted(path.name for path in self.data.spool.iterdir()),
        }

    def objects(self) -> dict[UUID, bytes]:
        """The hash of each object by segment."""
        paths = self.data.objects.rglob("*.mp4")
        return {
            parse_key(path.relative_to(self.data.objects).as_posix())[0].segment_id: sha256(path.read_bytes()).digest()
            for path in paths
        }

    async def require_nothing_lost(self) -> None:
        """Every segment is in the spool or in the store; what is `stored` has its object (I1, I3)."""
        objects = self.objects()
        names = [parse_segment_path(path) for path in self.data.spool.glob("*/*/*")]
        assert self.segments <= {name.identity.segment_id for name in names if name is not None} | set(objects)
        async with await SqliteCatalog.open(self.data.catalog, FakeClock()) as catalog:
            for row in await catalog.footage.segments(STREAM, T0, at(1000)):
                if row.state is SegmentState.STORED:
                    assert objects[row.id] == row.sha256


def _is_death(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_death, error.exceptions))
    return isinstance(error, Stopped)


async def _ship(shipper: Shipper) -> None:
    for _ in range(3):  # the last ones remove what the first has emptied
        while await shipper.run_once():
            pass


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data directory before anything was shipped, in memory where that is possible."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        root = Path(place) / "template"
        root.mkdir()
        asyncio.run(_prepare(root))
        yield root


async def _prepare(root: Path) -> None:
    async with await SqliteCatalog.open(root / "catalog.sqlite", FakeClock(wall_us=T0)) as catalog:
        await catalog.inventory.apply([site(desired("gate", id=CAMERA))], [POLICY])
    dead = SpoolOnDisk(root / "spool")
    dead.stream_start(1)
    dead.gap_close(2)
    dead.segment(2, 5, 0)
    dead.gap_open(5, GapReason.STALLED)
    dead.gap_close(7)
    torn = dead.segment(7, 10, 1, span=1, sealed=False)
    torn.write_bytes(torn.read_bytes()[:-7])
    dead.die()
    later = SpoolOnDisk(root / "spool", LATER_RUN, start=12)
    later.stream_start(12)
    later.gap_close(12.5)
    later.segment(12.5, 15, 0)
    later.die()


@pytest.fixture
def worlds(template: Path) -> Callable[[], World]:
    """Fresh copies of the template."""

    def fresh() -> World:
        root = Path(tempfile.mkdtemp(dir=template.parent))
        shutil.copytree(template, root, dirs_exist_ok=True)
        names = [parse_segment_path(path) for path in root.glob("spool/*/*/*")]
        segments = frozenset(name.identity.segment_id for name in names if name is not None)
        return World(data=Layout(root), segments=segments)

    return fresh


async def in_peace(world: World) -> tuple[dict[str, Any], int, int]:
    """The end when nothing happens, and how many calls to catalog and store and to the disk there are."""
    calls, seam = Calls(), FileSeam()
    await world.life(calls, seam=seam)
    return await world.end(), calls.count, seam.calls


async def test_the_end_in_peace_is_the_expected_one(worlds: Callable[[], World]) -> None:
    """All footage stored, every second accounted for, the spool empty."""
    end, calls, operations = await in_peace(worlds())
    assert [(state, start, stop) for _, state, _, start, stop in end["rows"]] == [
        ("stored", at(2), at(5)),
        ("stored", at(7), at(9)),
        ("stored", at(12.5), at(15)),
    ]
    assert end["gaps"] == [
        (0, 1, GapReason.SHUTDOWN),
        (1, 2, GapReason.NO_SYNC),
        (5, 7, GapReason.STALLED),
        (9, 12, GapReason.CRASH),
        (12, 12.5, GapReason.NO_SYNC),
        (15, None, GapReason.CRASH),
    ]
    assert end["spool"] == end["runs"] == []
    assert len(end["objects"]) == len(end["tables"]) == 3
    assert calls > 20
    assert operations > 50


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_call_to_catalog_or_store(worlds: Callable[[], World], *, after: bool) -> None:
    """Whatever was noted and whatever arrived, the next life goes on from there."""
    expected, calls, _ = await in_peace(worlds())
    for at_call in range(calls):
        world = worlds()
        await world.life(Calls(at_call, after=after))
        await world.require_nothing_lost()
        await world.life(Calls())
        assert await world.end() == expected, f"killed {'after' if after else 'before'} call {at_call}"


async def test_killed_at_any_operation_on_the_disk(worlds: Callable[[], World]) -> None:
    """Between any two of them, in recovery, in the store, in the spool."""
    expected, _, operations = await in_peace(worlds())
    for at_call in range(operations):
        world = worlds()
        seam = FileSeam()
        seam.stop_at(at_call, after=False)
        await world.life(Calls(), seam=seam)
        await world.require_nothing_lost()
        await world.life(Calls())
        assert await world.end() == expected, f"killed before operation {at_call}"
