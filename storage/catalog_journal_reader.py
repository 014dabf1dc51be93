"""Reads the catalog journal back: every object checked, the chain followed, the rows as they were told last.

This is what a catalog is rebuilt from, beside the segments. A gap in the chain is a finding and no end: what is there
counts.

A catalog that was restored from a backup goes on from an older head, so the chain forks. Both lines happened. They are
read one after the other, the one that began later last, and the fork is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media.errors import CatalogError
from storage.catalog_journal import MOST_CONTENT_BYTES, NOTHING_BEFORE, PREFIX, read_object
from storage.catalog_journal_rows import FIELDS, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any
    from uuid import UUID

    from storage.catalog_journal import Told
    from storage.catalog_journal_rows import Record
    from storage.objects import ObjectStat, ObjectStore

_RESTORED = "the catalog was restored from a backup between them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An object of the chain, without its records."""

    key: str
    catalog: UUID
    sequence: int
    at_us: int
    previous: bytes
    sha256: bytes

    @classmethod
    def of(cls, told: Told) -> Link:
        """What of an object belongs to the chain."""
        return cls(
            key=told.key,
            catalog=told.catalog,
            sequence=told.sequence,
            at_us=told.at_us,
            previous=told.previous,
            sha256=told.sha256,
        )


@dataclass(slots=True, kw_only=True)
class Replay:
    """The rows of each noun by their key, and what was wrong on the way."""

    rows: dict[str, dict[tuple[object, ...], Record]] = field(default_factory=lambda: {noun: {} for noun in FIELDS})
    links: list[Link] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unknown: int = 0  # records of nouns that only a later version knows

    def of(self, noun: str) -> list[Record]:
        """The rows of a noun that are there, in the order in which they were first told."""
        return list(self.rows[noun].values())

    def take(self, records: Iterable[dict[str, Any]]) -> None:
        """Apply an object's records in order."""
        for record in records:
            rows = self.rows.get(record.get("noun", ""))
            if rows is None:
                self.unknown += 1
            elif record.get("removed") is True:
                rows.pop(key_of(record), None)
            else:
                rows[key_of(record)] = record


async def survey(store: ObjectStore) -> tuple[list[Link], list[str]]:
    """Every object of the journal in the order of the chain, and what is wrong. ObjectStoreError if the store fails."""
    links, faults = [], []
    async for found in store.list(PREFIX):
        try:
            links.append(Link.of(await _read(store, found)))
        except CatalogError as error:
            faults.append(str(error))
    ordered, more = chain(links)
    return ordered, faults + more


async def replay(store: ObjectStore) -> Replay:
    """Read the whole journal. ObjectStoreError if the store fails; a broken object is a fault, and left out."""
    links, faults = await survey(store)
    outcome = Replay(links=links, faults=faults)
    for link in links:  # once more: all records at once would not fit into memory after some years
        outcome.take((await _read(store, await store.stat(link.key))).records)
    return outcome


def chain(links: Sequence[Link]) -> tuple[list[Link], list[str]]:
    """The objects in the order in which they are to be applied, and what is wrong with the chain. Pure.

    Each follows the one it names. Where that is not there, an object is missing; where two name the same one, the
    line that went on earlier comes first, as a whole.
    """
    known = {link.sha256 for link in links}
    after: dict[bytes, list[Link]] = {}
    faults = []
    roots = []
    for link in sorted(links, key=lambda link: (link.at_us, link.sequence), reverse=True):
        if link.previous in known:
            after.setdefault(link.previous, []).append(link)
            continue
        roots.append(link)
        if link.previous != NOTHING_BEFORE:
            faults.append(f"object {link.key}: the one before it, number {link.sequence - 1}, is missing")
    faults += [
        f"objects {', '.join(each.key for each in forked)} follow the same one: " + _RESTORED
        for forked in after.values()
        if len(forked) > 1
    ]
    ordered = []
    waiting = roots
    while waiting:
        link = waiting.pop()
        ordered.append(link)
        waiting += after.get(link.sha256, [])
    return ordered, faults


async def _read(store: ObjectStore, found: ObjectStat) -> Told:
    if found.size_bytes > MOST_CONTENT_BYTES:
        raise CatalogError(f"object {found.key} has {found.size_bytes} bytes: more than any journal object")
    return read_object(found.key, await store.read(found.key, 0, found.size_bytes))
