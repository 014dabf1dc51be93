"""A grown host's catalog moves to PostgreSQL: all of it, unchanged, and once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from media.errors import CatalogError, Conflict, GapReason
from storage import catalog_move, journal, postgres_schema
from storage.catalog import Catalog
from storage.catalog_journal import read_object
from storage.catalog_move import CatalogMove
from storage.clock import FakeClock
from storage.postgres_address import PostgresAddress
from storage.postgres_catalog import PostgresCatalog
from storage.postgres_database import PostgresDatabase
from storage.postgres_days import Days
from storage.secrets import SecretBox
from storage.sqlite_catalog import SqliteCatalog
from tests.builders_catalog import CAMERA, POLICY, RUN, STREAM, T0, Journal, at, desired, digest, segment, site
from tests.postgres_server import empty_database

EVER = 1 << 60
SEGMENTS = 30


class Killed(Exception):  # noqa: N818 - what happened
    """The process ends here."""


@pytest.fixture(name="source")
async def _source(tmp_path: Path) -> AsyncIterator[SqliteCatalog]:
    """A catalog with something of everything."""
    box = SecretBox.at(tmp_path / "key")
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", FakeClock(wall_us=T0), box) as catalog:
        cameras = site(desired("gate", id=CAMERA), desired("door", enabled=False), networks=("10.17.0.0/24",))
        await catalog.inventory.apply([cameras, site(name="empty")], [POLICY])
        book = Journal()
        book.stream_start(0)
        book.gap_close(1)
        book.add(journal.clock_step(at_us=at(2), step_us=700_000))
        rows = [segment(60 * number, 60 * number + 55, number) for number in range(SEGMENTS)]
        await catalog.gaps.import_journal(RUN, book.records)
        await catalog.footage.register([(row, b"table %d" % row.identity.sequence) for row in rows])
        ids = [row.id for row in rows]
        await catalog.footage.begin_upload(ids[:20])
        await catalog.footage.stored({row.id: digest(row) for row in rows[:18]})
        await catalog.footage.mark_missing(ids[17:18])
        await catalog.expiry.mark(ids[:6], now_us=at(4000), policy="default", reason="old\0er")
        await catalog.expiry.purge(ids[:4])
        await catalog.expiry.tombstone(ids[:3], now_us=at(5000))
        composed = await catalog.outbox.compose(writer=1, now_us=at(0))
        assert composed is not None
        await catalog.outbox.written(composed.sequence)
        await catalog.gaps.stitch(STREAM, from_us=T0, until_us=None, reason=GapReason.STALLED, detail="it\0 hangs")
        yield catalog


@pytest.fixture(name="address")
async def _address(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresAddress]:
    monkeypatch.setattr(catalog_move, "BATCH", 7)
    async with empty_database() as address:
        yield address


async def move(source: SqliteCatalog, address: PostgresAddress, told: Any = lambda noun, count: None) -> dict[str, int]:
    """As the command does it."""
    target = await PostgresDatabase.open(address)
    try:
        await postgres_schema.migrate(target)
        return await CatalogMove(source.database, target, Days(target), told).run()
    finally:
        await target.close()


async def everything(catalog: Catalog) -> list[Any]:
    """What it answers to every question there is."""
    rows = await catalog.footage.segments(STREAM, -EVER, EVER, marked=True)
    known: list[UUID] = [segment(0, 1, number).id for number in range(SEGMENTS + 1)]
    cameras = await catalog.inventory.cameras()
    answers = [cameras, await catalog.inventory.sites(), await catalog.inventory.policies(), rows]
    answers += [await catalog.footage.sample_tables(known), await catalog.footage.states(known)]
    answers += [await catalog.gaps.events(STREAM, -EVER, EVER), await catalog.gaps.expected_since()]
    answers += [await catalog.gaps.journal_offset(RUN), await catalog.outbox.head()]
    backlog = await catalog.outbox.backlog()
    answers += [backlog.changes, sorted(backlog.nouns), backlog.composed]
    answers += [await catalog.expiry.tombstones(STREAM, -EVER, EVER)]
    answers += [await catalog.gaps.gaps(camera.stream, -EVER, EVER) for camera in cameras]
    answers += [await catalog.expiry.candidates(STREAM, marked=marked, limit=99) for marked in (False, True)]
    return [without_nul(answer) for answer in answers]


def without_nul(answer: Any) -> str:
    """PostgreSQL's text holds no NUL; it is the one thing that does not come along."""
    if isinstance(answer, dict):
        answer = sorted(answer.items(), key=str)
    return repr(answer).replace("\\x00", "�")


async def opened(address: PostgresAddress, tmp_path: Path) -> PostgresCatalog:
    """The target, as a role opens it."""
    return await PostgresCatalog.open(address, FakeClock(wall_us=T0), SecretBox.at(tmp_path / "key"))


async def test_everything_moves(source: SqliteCatalog, address: PostgresAddress, tmp_path: Path) -> None:
    """Every question has the same answer afterwards, also what retention and the catalog journal ask."""
    rows = await move(source, address)
    assert (rows["segments"], rows["tombstones"], rows["cameras"], rows["sites"]) == (SEGMENTS - 3, 3, 2, 2)
    async with await opened(address, tmp_path) as target:
        assert await everything(target) == await everything(source)


async def test_it_goes_on_from_there(source: SqliteCatalog, address: PostgresAddress, tmp_path: Path) -> None:
    """The same footage is registered and changes nothing, new footage is, and the journal's chain is one."""
    await move(source, address)
    async with await opened(address, tmp_path) as target:
        before = await everything(target)
        await target.footage.register([(segment(60 * n, 60 * n + 55, n), b"other") for n in range(SEGMENTS)])
        assert await everything(target) == before
        new = segment(60 * SEGMENTS, 60 * SEGMENTS + 55, SEGMENTS)
        await target.footage.register([(new, b"")])
        await target.gaps.import_journal(RUN + 1, Journal(RUN + 1, start=9000).records)
        event = Journal(RUN + 1, start=9000)
        event.add(journal.clock_step(at_us=at(9001), step_us=1))
        await target.gaps.import_journal(RUN + 1, event.records)
        composed = await target.outbox.compose(writer=2, now_us=at(1))
        assert composed is not None
        assert read_object(composed.key, composed.content).previous == (await source.outbox.head()).sha256
        assert composed.sequence == 2


@pytest.mark.parametrize("noun", ["sites", "gaps", "segments"])
async def test_a_move_that_was_killed_goes_on(
    source: SqliteCatalog, address: PostgresAddress, tmp_path: Path, noun: str
) -> None:
    """Nothing twice, nothing left out; until it is whole, nobody may use it."""
    seen: list[tuple[str, int]] = []

    def killed(which: str, count: int) -> None:
        seen.append((which, count))
        if which == noun:
            raise Killed

    with pytest.raises(Killed):
        await move(source, address, killed)
    with pytest.raises(CatalogError, match="not finished"):
        await opened(address, tmp_path)
    again: list[tuple[str, int]] = []
    await move(source, address, lambda which, count: again.append((which, count)))
    assert not set(seen) & set(again)
    async with await opened(address, tmp_path) as target:
        assert await everything(target) == await everything(source)
    assert (await move(source, address))["segments"] == SEGMENTS - 3


async def test_a_target_with_something_in_it_is_refused(
    source: SqliteCatalog, address: PostgresAddress, tmp_path: Path
) -> None:
    """One that is used, and one that another host's catalog moved to."""
    async with await opened(address, tmp_path) as target:
        await target.footage.register([(segment(0, 60), b"mine")])
    with pytest.raises(Conflict, match="another catalog"):
        await move(source, address)
    async with (
        empty_database() as second,
        await SqliteCatalog.open(tmp_path / "other.sqlite", FakeClock(wall_us=T0)) as other,
    ):
        await other.inventory.apply([], [POLICY])
        await move(other, second)
        with pytest.raises(Conflict, match="another catalog"):
            await move(source, second)


async def test_what_does_not_come_back_as_it_went_ends_the_move(
    source: SqliteCatalog, address: PostgresAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte of one sample table: the batch is not committed, the move says where it stopped, and can go on."""
    written = catalog_move._copy

    async def bent(connection: Any, table: str, columns: list[str], rows: Any) -> None:
        if table == "segment_samples":
            rows = [{**row, "samples": row["samples"].replace(b"15", b"16")} for row in rows]
        await written(connection, table, columns, rows)

    with monkeypatch.context() as bending:
        bending.setattr(catalog_move, "_copy", bent)
        with pytest.raises(CatalogError, match="is not what came back"):
            await move(source, address)
    with pytest.raises(CatalogError, match="not finished"):
        await opened(address, tmp_path)
    await move(source, address)
    async with await opened(address, tmp_path) as target:
        assert await everything(target) == await everything(source)
