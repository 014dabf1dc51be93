"""A spool's disk that runs full, a real one: what goes, in which order, and that the books say so exactly."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from media.errors import CatalogError, ObjectStoreError
from storage.check import Check
from storage.model import SegmentState, main_stream
from storage.spool_reader import SpoolReader
from storage.spool_relief import WAITED_US, Relief
from storage.spool_room import Step, room_of
from storage.uploads import LOOK_OVER_SOON_US
from tests.builders_catalog import POLICY, desired, site
from tests.builders_spool import FileSeam
from tests.small_disk import in_memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.builders_catalog import SpoolOnDisk
    from tests.builders_shipper import House

CAMERAS = {klass: UUID(int=number) for number, klass in enumerate(("low", "normal", "high"), 1)}
STREAMS = {klass: main_stream(camera) for klass, camera in CAMERAS.items()}
DISK_BYTES = 8 << 20
SEGMENT_S = 5
PAYLOAD_BYTES = 40_000


class Full:
    """Three cameras of three classes on a disk of 8 MB, and a store that takes nothing."""

    def __init__(self, house: House, run: SpoolOnDisk) -> None:
        self.house, self.run = house, run
        self.contents: dict[str, list[bytes]] = {klass: [] for klass in CAMERAS}

    @property
    def relief(self) -> Relief:
        """That of the present process."""
        return self.house.shipper.reliefs[0]

    @property
    def step(self) -> Step:
        """Of the real disk, now."""
        return room_of(self.house.data.spool).step

    def record(self, klass: str) -> Path:
        """One more segment of a camera, sealed long ago."""
        number = len(self.contents[klass])
        path = self.run.segment(
            SEGMENT_S * number,
            SEGMENT_S * (number + 1),
            number,
            camera=CAMERAS[klass],
            stream=STREAMS[klass],
            payload_bytes=PAYLOAD_BYTES,
        )
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
        self.contents[klass].append(path.read_bytes())
        return path

    async def fill(self, *classes: str) -> None:
        """Record these in turns until the disk is at the last step, and take it in; nothing can be stored."""
        number = 0
        while self.step < Step.GIVE_UP:
            self.record(classes[number % len(classes)])
            number += 1
        await self.cycle()

    async def cycle(self) -> None:
        """One cycle of shipping, in which nothing can be stored."""
        with self.house.store_down(), suppress(ObjectStoreError):
            await self.house.shipper.run_once()

    async def relieve(self) -> int:
        """Look until nothing more goes; in how many looks something went."""
        for looks in range(200):
            if not await self.relief.run_once():
                return looks
        raise AssertionError("never done")

    async def gaps(self, klass: str) -> list[tuple[float, float | None, str]]:
        """In seconds."""
        return await self.house.gaps(STREAMS[klass])

    async def kept(self, klass: str) -> list[int]:
        """The numbers of the segments that are still known."""
        return [segment.identity.sequence for segment in await self.house.segments(STREAMS[klass])]

    async def findings(self) -> list[str]:
        """What `check` has to say of everything."""
        reader = SpoolReader(self.house.data.spools, lambda _: None)
        report = await Check(self.house.catalog, self.house.store, reader, self.house.clock).run(deep=True)
        return [str(finding) for finding in report.findings]


@pytest.fixture
async def full(house: House) -> AsyncIterator[Full]:
    """The disk, with a living run on it."""
    cameras = [desired(klass, id=camera, klass=klass) for klass, camera in CAMERAS.items()]
    await house.catalog.inventory.apply([site(*cameras)], [POLICY])
    with in_memory(house.data.spool, DISK_BYTES):
        run = house.run()
        for klass, camera in CAMERAS.items():
            run.stream_start(0, stream=STREAMS[klass], camera=camera)
            run.gap_close(0, stream=STREAMS[klass])
        yield Full(house, run)
        run.die()


async def test_the_oldest_of_the_lowest_class_goes_and_every_microsecond_is_declared(full: Full) -> None:
    """Just enough of it; all else is stored afterwards as it was, and the books are right."""
    await full.fill("low", "normal", "high")
    assert await full.relieve() == 1
    assert full.step is Step.RELEASE
    kept = {klass: await full.kept(klass) for klass in CAMERAS}
    (gone,) = {kept["low"][0]}
    assert gone == 1, "one segment is more than enough here"
    assert await full.gaps("low") == [(0, SEGMENT_S * gone, "spool_full")]
    assert (await full.gaps("normal"), await full.gaps("high")) == ([], [])
    assert [len(kept[klass]) + gone * (klass == "low") for klass in CAMERAS] == [
        len(full.contents[klass]) for klass in CAMERAS
    ]
    assert await full.findings() == []
    full.house.clock.advance(60_000_000)
    await full.house.ship()
    for klass, contents in full.contents.items():
        rows = await full.house.segments(STREAMS[klass])
        assert {row.state for row in rows} == {SegmentState.STORED}
        stored = [await full.house.store.read(row.key, 0, 1 << 20) for row in rows]
        assert stored == contents[gone * (klass == "low") :]
    assert await full.findings() == []


async def test_a_higher_class_goes_when_nothing_lower_is_left(full: Full) -> None:
    """As the disk fills on and on: first all of the one, then of the other, the oldest first."""
    full.record("low")
    full.record("low")
    for _ in range(3):
        await full.fill("high", "normal")
        await full.relieve()
    assert await full.kept("low") == []
    assert await full.gaps("low") == [(0, 2 * SEGMENT_S, "spool_full")]
    (normal,) = await full.gaps("normal")
    assert normal == (0, SEGMENT_S * (await full.kept("normal"))[0], "spool_full")
    assert await full.gaps("high") == []
    assert await full.findings() == []


async def test_what_was_sealed_just_now_is_left_to_the_store(full: Full) -> None:
    """A disk that is full of other things costs no footage that a working store takes in a second."""
    await full.fill("low")
    now_s = full.house.clock.wall_us() / 1e6
    for path in full.house.data.spool.glob("*/*/*.mp4"):
        os.utime(path, (now_s, now_s))
    full.house.restart()
    await full.cycle()
    assert await full.relieve() == 0
    assert await full.gaps("low") == []
    full.house.clock.advance(WAITED_US)
    assert await full.relieve() == 1


async def test_a_lower_class_goes_first_however_young_it_is(full: Full) -> None:
    """What says that the store does not keep up is the oldest that waits, whosever that is."""
    await full.fill("low", "high")
    now_s = full.house.clock.wall_us() / 1e6
    for path in full.house.data.spool.glob(f"*/{STREAMS['low']}/*.mp4"):
        os.utime(path, (now_s, now_s))
    full.house.restart()
    await full.cycle()
    assert await full.relieve() == 1
    assert len(await full.gaps("low")) == 1
    assert await full.gaps("high") == []


async def test_below_the_last_step_nothing_goes(full: Full) -> None:
    """It is said, and that is all; each step once."""
    await full.fill("low")
    full.house.data.spool.joinpath("x").write_bytes(b"")
    for path in sorted(full.house.data.spool.glob("*/*/*.mp4"))[-1:]:
        path.unlink()
    assert full.step is Step.RELEASE
    assert not await full.relief.run_once()
    assert await full.gaps("low") == []
    state = full.relief.state()
    assert (state["step"], state["given_up_segments"]) == (85, 0)
    assert "only what is not stored yet" in state["warning"]


async def test_copies_of_what_is_stored_go_at_85_percent(full: Full) -> None:
    """Also those that would be looked at a minute later only."""
    await full.fill("low")
    (first, *_) = await full.house.segments(STREAMS["low"])
    copy = full.house.shipper._intake.copies[first.id].path
    await full.house.store.put_bytes(first.key, full.contents["low"][0])
    await full.house.catalog.footage.stored({first.id: bytes(32)})
    full.house.clock.advance(LOOK_OVER_SOON_US)
    await full.cycle()
    assert copy.exists()
    await full.relief.run_once()
    await full.cycle()
    assert not copy.exists()


async def test_what_the_store_has_is_not_given_up(full: Full) -> None:
    """The put arrived and its answer was lost: the next cycle finds it, and nobody declares it lost."""
    await full.fill("low")
    first, second, *_ = await full.house.segments(STREAMS["low"])
    assert first.state is SegmentState.UPLOADING
    await full.house.store.put_bytes(first.key, full.contents["low"][0])
    await full.relief.run_once()
    states = await full.house.catalog.footage.states([first.id, second.id])
    assert states == {first.id: SegmentState.UPLOADING, second.id: SegmentState.UPLOADING}
    assert await full.gaps("low") == []


async def test_a_silent_store_is_asked_once(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question would cost its patience while the disk fills."""
    await full.fill("low")
    asked = []

    async def silent(key: str) -> None:
        asked.append(key)
        raise ObjectStoreError("no answer")

    monkeypatch.setattr(full.house.store, "stat", silent)
    (full.house.data.spool / "filler").write_bytes(bytes(300_000))
    assert await full.relief.run_once()
    assert len(asked) == 1
    assert (await full.kept("low"))[0] >= 2


async def test_what_is_being_put_is_not_given_up_nor_the_other_way_round(full: Full) -> None:
    """Whoever is first has the segment; the other one leaves it."""
    await full.fill("low")
    uploads = full.house.shipper._uploads
    first, second, *_ = await full.house.segments(STREAMS["low"])
    full.house.clock.advance(60_000_000)
    uploads._putting = {first.id}
    with uploads.bar([first.id, second.id]) as barred:
        assert barred == [second.id]
        batch = [segment.id for segment in await uploads._next()]
        assert second.id not in batch
        assert first.id in batch
    assert second.id in [segment.id for segment in await uploads._next()]


async def test_a_second_name_frees_nothing(full: Full) -> None:
    """A directory store on the same disk holds the same bytes: there is nothing to gain by losing them."""
    await full.fill("low")
    for number, path in enumerate(sorted(full.house.data.spool.glob("*/*/*.mp4"))):
        (full.house.data.spool / f"object-{number}").hardlink_to(path)
    assert await full.relieve() == 0
    assert await full.gaps("low") == []


async def test_killed_before_the_file_goes_nothing_is_lost(full: Full) -> None:
    """It was declared lost, and is footage again."""
    await full.fill("low")
    with FileSeam().installed() as seam:
        seam.fail("unlink", ".mp4", errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            await full.relief.run_once()
    assert await full.gaps("low") == [(0, SEGMENT_S, "spool_full")]
    assert await full.findings() == []
    full.house.restart()
    await full.cycle()
    assert await full.gaps("low") == []
    assert await full.kept("low") == list(range(len(full.contents["low"])))


async def test_without_the_catalog_nothing_is_given_up(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be declared is not dropped."""
    await full.fill("low")
    before = full.house.spooled()

    async def down(*_: object, **__: object) -> None:
        raise CatalogError("down")

    monkeypatch.setattr(full.house.catalog.footage, "give_up", down)
    with pytest.raises(CatalogError):
        await full.relief.run_once()
    assert full.house.spooled() == before
