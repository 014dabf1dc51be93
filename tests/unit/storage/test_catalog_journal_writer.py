"""When journal objects are written, and what happens when they cannot be."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason, ObjectStoreError
from retention.sweeper import Sweeper
from storage.catalog_journal import PREFIX
from storage.catalog_journal_reader import replay
from storage.catalog_journal_rows import FIELDS
from storage.catalog_journal_writer import AT_ONCE, BATCH_US, LOOK_US, REST_US, JournalWriter
from storage.model import Policy, SegmentState
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import CAMERA, POLICY, SECOND, STREAM, SpoolOnDisk, at, desired, segment, site
from tests.builders_catalog_journal import require_agreement, tell

if TYPE_CHECKING:
    from sqlite3 import Connection

    from tests.builders_shipper import House


class Broken:
    """A store that refuses journal objects."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.tries = 0

    async def put_bytes(self, key: str, content: bytes) -> None:
        """No."""
        self.tries += 1
        raise self.error


async def objects(house: House) -> list[str]:
    """The keys of the journal."""
    return [each.key async for each in house.store.list(PREFIX)]


async def test_what_a_person_decides_is_written_at_the_next_look(house: House) -> None:
    """Two seconds at most."""
    writer = JournalWriter(house.catalog, house.store, house.clock)
    await writer.run_once()
    for number in range(3):
        await house.catalog.inventory.apply([], [Policy(name="p", keep_max_us=1 + number)])
        await writer.run_once()
        assert len(await objects(house)) == number
        house.clock.advance(LOOK_US)
        await writer.run_once()
        assert len(await objects(house)) == number + 1


async def test_what_happens_is_written_once_a_minute(house: House) -> None:
    """However often it happens."""
    writer = JournalWriter(house.catalog, house.store, house.clock)
    await house.catalog.footage.register([(segment(0, 1), b"")])
    await writer.run_once()
    for second in range(2, 602):
        await house.catalog.gaps.stitch(STREAM, from_us=at(1), until_us=at(second), reason=GapReason.CRASH)
        house.clock.advance(SECOND)
        await writer.run_once()
    assert len(await objects(house)) == 11
    assert BATCH_US == 60 * SECOND


async def test_a_clock_that_went_back_does_not_silence_it(house: House) -> None:
    """The last object is of the future, as it seems."""
    await house.catalog.footage.register([(segment(0, 1), b"")])
    writer = JournalWriter(house.catalog, house.store, house.clock)
    await writer.run_once()
    house.clock.step(-86_400 * SECOND)
    await house.catalog.gaps.stitch(STREAM, from_us=at(1), until_us=at(9), reason=GapReason.CRASH)
    house.clock.advance(LOOK_US)
    await writer.run_once()
    assert len(await objects(house)) == 2


async def test_a_backlog_is_worked_off_in_bounded_looks(house: House) -> None:
    """So that footage goes on between them."""
    for first in range(0, 12_000, 500):
        await house.catalog.inventory.apply([], [Policy(name=f"p{first + n}", keep_max_us=1) for n in range(500)])
    writer = JournalWriter(house.catalog, house.store, house.clock)
    await writer.run_once()
    assert len(await objects(house)) == AT_ONCE
    assert writer.state()["waiting_changes"] == 500
    house.clock.advance(LOOK_US)
    await writer.run_once()
    assert len(await objects(house)) == 24


@pytest.mark.parametrize("error", [ObjectStoreError("the bucket is full"), RuntimeError("a defect")])
async def test_footage_goes_on_when_the_journal_cannot_be_written(house: House, error: Exception) -> None:
    """It is in the status, it is tried again later, and then nothing of it is lost or written twice."""
    await house.catalog.inventory.apply([site(desired(id=CAMERA))], [POLICY])
    broken = Broken(error)
    house.shipper._journal._store = broken  # type: ignore[assignment]
    run = house.run()
    run.stream_start(0)
    run.segment(0, 5, 0)
    await house.ship()
    await house.ship()
    assert [row.state for row in await house.segments()] == [SegmentState.STORED]
    assert str(error) in house.shipper.state()["journal"]["error"]
    assert broken.tries == 1
    house.shipper._journal._store = house.store
    house.clock.advance(REST_US)
    await house.ship()
    assert house.shipper.state()["journal"]["error"] is None
    await tell(house.catalog, house.store, house.clock)
    await require_agreement(house.catalog, house.store, SecretBox.at(house.data.key))


async def record(house: House) -> SpoolOnDisk:
    """Two minutes of a camera with an outage, a camera that is disabled, and a step of the clock."""
    await house.catalog.inventory.apply(
        [site(desired("gate", id=CAMERA), desired("door", enabled=False), networks=("10.17.0.0/24",))],
        [POLICY, Policy(name="short", keep_max_us=60 * SECOND, purpose="test")],
    )
    run = house.run()
    run.stream_start(0)
    run.gap_close(0)
    run.segment(0, 60, 0)
    run.gap_open(60, GapReason.STALLED)
    run.gap_close(70)
    run.segment(70, 130, 1, span=1)
    return run


async def test_the_objects_of_a_life_agree_with_its_catalog(house: House) -> None:
    """Cameras added, changed and removed, gaps of every making, footage that expired and footage that was lost."""
    box = SecretBox.at(house.data.key)
    run = await record(house)
    await house.ship()
    await tell(house.catalog, house.store, house.clock)
    first = await require_agreement(house.catalog, house.store, box)
    assert len(first.of("gap")) == 1
    run.segment(130, 190, 2, span=1)
    run.die()
    house.clock.advance(LOOK_US)
    await house.ship()
    await house.catalog.inventory.apply([site(desired("gate", id=CAMERA, policy="short"))], [])
    await house.catalog.inventory.remove("door")
    (newest,) = [row for row in await house.segments() if row.start_us == at(130)]
    await house.store.delete(newest.key)
    await house.catalog.footage.mark_missing([newest.id])
    house.clock.advance(250 * SECOND - (house.clock.wall_us() - at(0)))
    sweeper = Sweeper(house.catalog, house.store, house.clock, acceptance=house.data.root / "accept")
    (house.data.root / "accept").touch()
    for _ in range(3):
        await sweeper.run_once()
        house.clock.advance(5 * SECOND)
    await tell(house.catalog, house.store, house.clock)
    told = await require_agreement(house.catalog, house.store, box)
    assert [record["end_us"] for record in told.of("gap")][-1] is None
    assert len(told.of("tombstone")) + len(told.of("missing")) == 3
    assert len(told.of("tombstone")) >= 2
    assert len(told.of("camera")) == 2


async def test_a_catalog_from_a_backup_goes_on_beside_the_line_that_was_lost(house: House) -> None:
    """Nothing is overwritten, both lines are read, and that there are two is said."""
    await house.catalog.inventory.apply([], [Policy(name="old", keep_max_us=1)])
    await tell(house.catalog, house.store, house.clock)
    await house.catalog.inventory.apply([], [Policy(name="lost", keep_max_us=2)])
    head = await house.catalog.outbox.head()
    await tell(house.catalog, house.store, house.clock)
    restored = {"sequence": head.sequence, "sha256": head.sha256, "composed_us": head.composed_us}
    await house.catalog.database.write(
        lambda connection: connection.execute(
            "UPDATE journal_head SET sequence = :sequence, sha256 = :sha256, composed_us = :composed_us", restored
        )
    )
    await house.catalog.inventory.apply([], [Policy(name="old", keep_max_us=3)])
    await tell(house.catalog, house.store, house.clock)
    told = await replay(house.store)
    assert {record["name"]: record["keep_max_us"] for record in told.of("policy")} == {"old": 3, "lost": 2}
    assert [fault for fault in told.faults if "restored from a backup" in fault] == told.faults
    assert len(told.faults) == 1


async def test_a_catalog_of_an_earlier_version_is_told_as_a_whole(house: House) -> None:
    """What was in it before anybody left marks."""
    await record(house)
    await house.ship()
    old = [row.id for row in await house.segments()]
    await house.catalog.expiry.mark(old, now_us=at(9), policy="p", reason="r")
    await house.catalog.expiry.purge(old)
    await house.catalog.expiry.tombstone(old, now_us=at(10))

    def forget(connection: Connection) -> None:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for name in ("outbox", "journal_objects", "journal_head"):
            connection.execute(f"DROP TABLE {name}")
        connection.execute("ALTER TABLE segments DROP COLUMN was_missing")
        connection.execute("PRAGMA user_version = 6")

    await house.catalog.database.write(forget)
    shutil.rmtree(house.data.objects / "v1" / "_journal")
    box = SecretBox.at(house.data.key)
    async with await SqliteCatalog.open(house.data.catalog, house.clock, box) as catalog:
        await tell(catalog, house.store, house.clock)
        told = await require_agreement(catalog, house.store, box)
    assert {noun for noun in FIELDS if told.of(noun)} == set(FIELDS) - {"missing", "event"}
