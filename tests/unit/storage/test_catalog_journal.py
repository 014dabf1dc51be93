"""Journal objects: their bytes, their chain, and what of the catalog's tables they tell."""

from __future__ import annotations

import gzip
import json
import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from media.errors import CatalogError
from storage.catalog_journal import (
    MOST_TEXT_BYTES,
    NOTHING_BEFORE,
    PREFIX,
    Batch,
    JournalHead,
    JournalObject,
    _key,
    is_journal_key,
    read_object,
)
from storage.catalog_journal_reader import Link, Replay, chain
from storage.catalog_journal_rows import FIELDS, Mark, values_of
from storage.sqlite_schema import migrate
from tests.builders_catalog import T0

HEAD = JournalHead(catalog=UUID(int=7))
TABLES = {
    "site": "sites",
    "policy": "policies",
    "stream": "streams",
    "camera": "cameras",
    "gap": "gaps",
    "run": "runs",
    "tombstone": "tombstones",
    "missing": "segments",
    "run_stream": "run_streams",
    "event": "events",
}
UNTOLD = {
    "stream": {"declared_until_us"},  # follows from segments and gaps
    "tombstone": {"id"},  # follows from the identity
}


def composed(head: JournalHead = HEAD, *, at_us: int = T0, names: tuple[str, ...] = ("a",)) -> tuple[Any, Any]:
    """An object that tells policies, and the head after it."""
    batch = Batch()
    for number, name in enumerate(names):
        row = {"name": name, "keep_max_us": 9, "keep_min_us": None, "purpose": "säkerhet \u2028"}
        batch.add(Mark(number, "policy", name=name), row)
    outcome = batch.composed(head, writer=5, at_us=at_us)
    assert outcome is not None
    return outcome


def test_an_object_tells_what_it_was_given() -> None:
    """Under a key that is sorted by time and names writer, sequence and hash."""
    new, head = composed(names=("a", "b"))
    told = read_object(new.key, new.content)
    assert [record["name"] for record in told.records] == ["a", "b"]
    assert values_of(told.records[0]) == {
        "name": "a",
        "keep_max_us": 9,
        "keep_min_us": None,
        "purpose": "säkerhet \u2028",
    }
    assert (told.catalog, told.writer, told.sequence, told.at_us, told.previous) == (HEAD.catalog, 5, 1, T0, bytes(32))
    assert new.key == (
        f"{PREFIX}2027/01/15/08/1800000000000-0000000000000005-000000000001-{head.sha256.hex()[:32]}.jsonl.gz"
    )
    assert is_journal_key(new.key)
    assert composed(at_us=T0 + 1000, names=("a", "b"))[0].key > new.key


def test_every_changed_bit_and_every_cut_is_noticed() -> None:
    """Without any other object."""
    new, _ = composed()
    for index in range(len(new.content)):
        changed = bytearray(new.content)
        changed[index] ^= 1 << (index % 8)
        with pytest.raises(CatalogError, match="does not have the bytes"):
            read_object(new.key, bytes(changed))
    with pytest.raises(CatalogError, match="does not have the bytes"):
        read_object(new.key, new.content[:-1])


NO_JOURNAL_OBJECTS = {
    "another format": (b"not gzip", "no journal object"),
    "nothing": (gzip.compress(b""), "no journal object"),
    "a list": (gzip.compress(b"[]\n"), "no journal object"),
    "a head cut short": (gzip.compress(b'{"format":"hulta-catalog-journal","version":1}\n'), "no journal object"),
    "a newer version": (gzip.compress(b'{"format":"hulta-catalog-journal","version":2}\n'), "does not know"),
    "another's": (gzip.compress(b'{"format":"another","version":1}\n'), "does not know"),
    "a bomb": (gzip.compress(b" " * (MOST_TEXT_BYTES + 1)), "cut, or larger"),
    "a cut": (gzip.compress(b"{}\n")[:-4], "cut, or larger"),
    "nested too deep": (gzip.compress(b"[" * 100_000), "no journal object"),
}


@pytest.mark.parametrize(("content", "complaint"), NO_JOURNAL_OBJECTS.values(), ids=NO_JOURNAL_OBJECTS.keys())
def test_what_is_no_journal_object_is_refused_in_words(content: bytes, complaint: str) -> None:
    """Also under a key that fits its bytes: whoever may write into the bucket can make one."""
    with pytest.raises(CatalogError, match=complaint):
        read_object(_key(T0, 5, 1, sha256(content).digest()), content)


def test_an_object_under_the_key_of_another_time_is_refused() -> None:
    """Its head says when, by whom and as which one it was written."""
    new, head = composed()
    for key in (_key(T0 + 1000, 5, 1, head.sha256), _key(T0, 6, 1, head.sha256), _key(T0, 5, 2, head.sha256)):
        with pytest.raises(CatalogError, match="does not have the head"):
            read_object(key, new.content)


def test_a_record_that_is_none_is_refused() -> None:
    """By its object, whole, or by the field."""
    text = gzip.decompress(composed()[0].content).splitlines()
    for record in (b"7", b"{}", b'{"noun":"gap","stream":"x"}'):
        content = gzip.compress(b"\n".join([text[0], record]))
        with pytest.raises(CatalogError, match="no journal object"):
            read_object(_key(T0, 5, 1, sha256(content).digest()), content)
    for field, value in (("keep_max_us", "9"), ("keep_max_us", True), ("purpose", 3)):
        with pytest.raises(CatalogError, match="not a record"):
            values_of({**json.loads(text[1]), field: value})


def links(*objects: JournalObject) -> list[Link]:
    """Objects as the chain sees them."""
    return [Link.of(read_object(each.key, each.content)) for each in objects]


def line(head: JournalHead, *times: int) -> tuple[list[JournalObject], JournalHead]:
    """Objects that follow one another."""
    objects = []
    for seconds in times:
        new, head = composed(head, at_us=T0 + seconds * 1_000_000, names=(f"at {seconds}",))
        objects.append(new)
    return objects, head


def test_a_chain_is_read_in_its_own_order() -> None:
    """A clock that went back does not change it."""
    objects, _ = line(HEAD, 0, 60, 10, 70)
    ordered, faults = chain(links(*reversed(objects)))
    assert [link.sequence for link in ordered] == [1, 2, 3, 4]
    assert faults == []


def test_a_missing_object_is_noticed_and_the_rest_counts() -> None:
    """In the middle and at the beginning; the last one is the catalog's to know."""
    objects, _ = line(HEAD, 0, 60, 120, 180)
    ordered, faults = chain(links(*objects[1:2], *objects[3:]))
    assert [link.sequence for link in ordered] == [2, 4]
    assert [fault.partition(": ")[2] for fault in sorted(faults)] == [
        "the one before it, number 1, is missing",
        "the one before it, number 3, is missing",
    ]


def test_a_restored_catalog_forks_the_chain_and_its_own_line_counts_last() -> None:
    """Both lines happened. The numbers of the later one begin again; its words are the later ones all the same."""
    common, restored = line(HEAD, 0, 60)
    lost, _ = line(restored, 120, 180, 240, 300)
    later, _ = line(restored, 400, 460)
    ordered, faults = chain(links(*later, *lost, *common))
    assert [(link.at_us - T0) // 1_000_000 for link in ordered] == [0, 60, 120, 180, 240, 300, 400, 460]
    assert len(faults) == 1
    assert "restored from a backup" in faults[0]


def test_a_replay_has_the_last_word_on_each_row() -> None:
    """Told again: replaced. Removed: gone. Of a noun that only a later version knows: counted."""
    outcome = Replay()
    gap = {"noun": "gap", "stream": "s", "start_us": 1, "end_us": None}
    outcome.take([gap, {**gap, "start_us": 2}, {**gap, "end_us": 5}, {"noun": "hold"}])
    assert outcome.of("gap") == [{**gap, "end_us": 5}, {**gap, "start_us": 2}]
    outcome.take([{**gap, "removed": True}])
    assert (outcome.of("gap"), outcome.unknown) == ([{**gap, "start_us": 2}], 1)


def test_every_column_is_told_or_said_not_to_be(tmp_path: Path) -> None:
    """A column that a later migration adds must be decided about; of segments only their loss is told."""
    database = sqlite3.connect(tmp_path / "catalog.sqlite", isolation_level=None)
    migrate(database, tmp_path)
    for noun, table in TABLES.items():
        columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
        assert set(FIELDS[noun]) <= columns
        if noun != "missing":
            assert columns - set(FIELDS[noun]) == UNTOLD.get(noun, set()), noun
    database.close()
    assert set(TABLES) == set(FIELDS)
    assert bytes(32) == NOTHING_BEFORE
