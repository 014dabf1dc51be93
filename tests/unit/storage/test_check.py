"""`check` over a real catalog, store and spool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from media.errors import GapReason, ObjectStoreError
from storage.check import Check, CheckReport
from storage.clock import FakeClock
from storage.directory_store import DirectoryStore
from storage.layout import Layout
from storage.model import Policy
from storage.secrets import SecretBox
from storage.shipper import Shipper
from storage.spool_reader import SpoolReader
from storage.sqlite_catalog import SqliteCatalog
from storage.store_ownership import accept_store
from tests.builders_catalog import CAMERA, POLICY, STREAM, T0, SpoolOnDisk, at, desired, site
from tests.builders_catalog_journal import tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class HastyClock(FakeClock):
    """Nobody has to wait."""

    async def sleep(self, seconds: float) -> None:
        """The time passes at once."""
        self.advance(round(seconds * 1_000_000))


class House:
    """A data directory with one camera, two minutes of footage, an outage between them and a run that goes on."""

    def __init__(self, root: Path, catalog: SqliteCatalog, clock: FakeClock) -> None:
        self.data, self.catalog, self.clock = Layout(root), catalog, clock
        self.store = DirectoryStore(self.data.objects)

    async def record(self) -> SpoolOnDisk:
        """Record and ship."""
        await self.catalog.inventory.apply([site(desired("gate", id=CAMERA))], [POLICY])
        run = SpoolOnDisk(self.data.spool)
        run.stream_start(0)
        run.gap_close(0)
        run.segment(0, 60, 0)
        run.gap_open(60, GapReason.STALLED)
        run.gap_close(70)
        run.segment(70, 130, 1, span=1)
        run.segment(130, 140, 2, span=1, sealed=False)
        shipper = Shipper(self.catalog, self.store, self.data, self.clock)
        while await shipper.run_once():
            pass
        return run

    async def check(self, *, deep: bool = False) -> CheckReport:
        """Check, as the command does: without the recorder's word on what is durable."""
        return await Check(self.catalog, self.store, SpoolReader(self.data.spools, lambda _: None), self.clock).run(
            deep=deep
        )

    def object_path(self, number: int) -> Path:
        """The file of an object."""
        return sorted(self.data.objects.rglob("*.mp4"))[number]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A data directory."""
    clock = HastyClock(wall_us=T0)
    async with await SqliteCatalog.open(tmp_path / "catalog.sqlite", clock, SecretBox.at(tmp_path / "key")) as catalog:
        yield House(tmp_path, catalog, clock)


async def test_an_empty_house_is_in_order(house: House) -> None:
    """Nothing is nothing."""
    report = await house.check()
    assert report.ok
    assert str(report).startswith("0 streams")


async def test_a_recording_house_is_in_order(house: House) -> None:
    """Beside a run that goes on, with the figures of what was looked at."""
    await house.record()
    report = await house.check(deep=True)
    assert report.findings == []
    assert (report.streams, report.segments, report.objects, report.hashed) == (1, 2, 2, 2)
    assert (report.spooled, report.gaps) == (1, 1)
    assert report.segment_bytes == report.object_bytes > 0
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


def _flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:700],
        lambda _: b"",
        lambda content: bytes(len(content)),
        lambda _: b"a film of somebody's holiday" * 100,
        lambda content: _flip(content, 2),
        lambda content: _flip(content, 5),
        lambda content: _flip(content, -100),
    ],
    ids=[
        "cut by a byte",
        "cut",
        "empty",
        "zeros",
        "foreign",
        "flip in ftyp's size",
        "flip in ftyp",
        "flip in the seal",
    ],
)
async def test_a_sealed_file_that_cannot_be_read_is_found_while_its_run_lives(
    house: House, damage: Callable[[bytes], bytes]
) -> None:
    """Recovery comes when the run ends, which may be in months: what the books promise is looked at now."""
    run = await house.record()
    path = run.segment(140, 150, 3, span=1)
    assert (await house.check()).ok, "a file sealed right now is no finding"
    path.write_bytes(damage(path.read_bytes()))
    assert [(found.kind, found.subject) for found in (await house.check()).findings] == [
        ("spool_unreadable", f"file {path}")
    ]


async def test_a_sealed_file_of_another_segment_and_foreign_names_are_found(house: House) -> None:
    """Names promise; a copy that recovery has not finished promises nothing."""
    run = await house.record()
    path = run.segment(140, 150, 3, span=1)
    other = path.rename(path.with_name(path.name.replace(".3.mp4", ".4.mp4")))
    (path.parent / "notes.txt").write_bytes(b"x")
    (path.parent / path.name.replace(".mp4", ".mp4.copy")).write_bytes(b"x")
    assert sorted((found.kind, found.subject) for found in (await house.check()).findings) == [
        ("spool_foreign", f"file {path.parent / 'notes.txt'}"),
        ("spool_unreadable", f"file {other}"),
    ]


async def test_a_flipped_bit_in_the_spool_is_found_by_reading_everything(house: House) -> None:
    """A fragment's bytes are hashed only with `deep`."""
    run = await house.record()
    path = run.segment(140, 150, 3, span=1)
    content = path.read_bytes()
    place = content.index(b"mdat") + 10
    path.write_bytes(_flip(content, place))
    assert (await house.check()).ok
    assert [found.kind for found in (await house.check(deep=True)).findings] == ["spool_unreadable"]


async def test_a_file_that_is_repaired_or_removed_meanwhile_is_no_finding(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ship` moves on while this looks: only what is wrong both times is wrong."""
    run = await house.record()
    path = run.segment(140, 150, 3, span=1)
    content = path.read_bytes()
    path.write_bytes(content[:-1])

    async def finish(_seconds: float) -> None:
        path.write_bytes(content)

    monkeypatch.setattr(house.clock, "sleep", finish)
    assert (await house.check()).ok


async def test_a_suppressed_gap_row_is_found(house: House) -> None:
    """Silent loss is what this command is for."""
    await house.record()
    await house.catalog.database.write(lambda connection: connection.execute("DELETE FROM gaps"))
    report = await house.check()
    assert [(finding.kind, finding.subject) for finding in report.findings] == [
        ("undeclared_hole", f"stream {STREAM} from {at(60)} to {at(70)} us")
    ]
    assert "neither footage nor a gap for 10.000000 s" in str(report)


async def test_an_object_that_is_gone_or_cut_is_found(house: House) -> None:
    """By asking the store, row by row."""
    await house.record()
    first, second = house.object_path(0), house.object_path(1)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    assert sorted(finding.kind for finding in (await house.check()).findings) == ["object_differs", "object_missing"]


async def test_a_flipped_bit_is_found_by_reading_everything(house: House) -> None:
    """Sizes do not tell; `deep` does."""
    await house.record()
    path = house.object_path(0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert (await house.check()).ok
    report = await house.check(deep=True)
    assert [finding.kind for finding in report.findings] == ["object_differs"]
    assert report.hashed == 2


async def test_foreign_and_unknown_objects_are_found(house: House) -> None:
    """What lies in the store and belongs to nobody."""
    await house.record()
    path = house.object_path(0)
    (path.parent / "notes.txt").write_bytes(b"x")
    path.with_name(path.name.replace("-0.mp4", "-9.mp4")).write_bytes(b"x")
    assert sorted(finding.kind for finding in (await house.check()).findings) == ["object_foreign", "object_unknown"]


async def test_objects_of_a_stream_that_nobody_knows_are_found(house: House) -> None:
    """As after the loss of the catalog, when a person has said that the store is that of the new one."""
    await house.record()
    async with await SqliteCatalog.open(house.data.root / "new.sqlite", house.clock) as other:
        with pytest.raises(ObjectStoreError, match="belongs to catalog"):
            await Check(other, house.store, None, house.clock).run()
        await accept_store(other, house.store)
        report = await Check(other, house.store, None, house.clock).run()
    assert [finding.kind for finding in report.findings] == ["object_unknown"] * 2


async def test_what_moves_while_it_is_looked_at_is_not_wrong(house: House) -> None:
    """An object that was put after the listing is seen by the second look."""
    await house.record()
    path = house.object_path(0)
    content = path.read_bytes()
    path.unlink()
    segments = house.catalog.footage.segments

    async def put_meanwhile(*args: object, **options: object) -> object:
        path.write_bytes(content)
        return await segments(*args, **options)  # type: ignore[arg-type]

    house.catalog.footage.segments = put_meanwhile  # type: ignore[method-assign,assignment]
    assert (await house.check()).ok


async def journal_of(house: House, objects: int) -> list[Path]:
    """So many journal objects, as files in their order."""
    for number in range(objects):
        await house.catalog.inventory.apply([], [Policy(name="p", keep_max_us=1 + number)])
        await tell(house.catalog, house.store, house.clock)
    return sorted((house.data.objects / "v1" / "_journal").rglob("*.gz"))


async def test_a_missing_journal_object_is_found_by_the_listing_alone(house: House) -> None:
    """In the middle or at the end; what is composed and not yet written is not asked for."""
    files = await journal_of(house, 4)
    await house.catalog.inventory.apply([], [Policy(name="p", keep_max_us=99)])
    assert await house.catalog.outbox.compose(writer=1, now_us=at(0))
    report = await house.check()
    assert (report.ok, report.journal_objects, report.objects) == (True, 4, 0)
    for number in (1, 3):
        files[number].unlink()
    (finding,) = (await house.check()).findings
    assert str(finding) == ("journal_missing: catalog journal: of 4 objects that were written 2 are not there: 2, 4")


async def test_a_changed_journal_object_is_found_by_a_deep_check(house: House) -> None:
    """And with it the hole that it leaves in the chain."""
    files = await journal_of(house, 3)
    assert (await house.check(deep=True)).ok
    content = bytearray(files[1].read_bytes())
    content[20] ^= 1
    files[1].write_bytes(content)
    assert (await house.check()).ok
    findings = (await house.check(deep=True)).findings
    assert {finding.kind for finding in findings} == {"journal_broken"}
    assert "does not have the bytes" in findings[0].what
    assert "number 2, is missing" in findings[1].what


async def test_what_only_looks_like_a_journal_object_is_foreign(house: House) -> None:
    """Under the prefix of the journal, and not spelled like one."""
    (file,) = await journal_of(house, 1)
    file.with_name("0-0-0.jsonl.gz").write_bytes(b"")
    assert [finding.kind for finding in (await house.check()).findings] == ["object_foreign"]
