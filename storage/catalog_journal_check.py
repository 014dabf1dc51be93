"""Is the catalog journal whole? By its keys, out of the listing that `check` makes anyway; or, deep, by its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.audit import Finding, FindingKind
from storage.catalog_journal import sequence_of
from storage.catalog_journal_reader import survey

if TYPE_CHECKING:
    from storage.catalog import Catalog
    from storage.objects import ObjectStore

_MOST_NAMED = 5


class JournalCheck:
    """Which of the objects that were written by now a listing has shown."""

    def __init__(self, written: int) -> None:
        self.objects = 0
        self._seen = bytearray(max(0, written) + 1)  # by sequence; a year is half a million

    @classmethod
    async def begin(cls, catalog: Catalog) -> JournalCheck:
        """Before the listing, so that what is written meanwhile is not asked for."""
        head = await catalog.outbox.head()  # first: if something is composed after it, one object less is asked for
        return cls(head.sequence - (await catalog.outbox.backlog()).composed)

    def saw(self, key: str) -> None:
        """The listing has this object."""
        self.objects += 1
        _, sequence = sequence_of(key)
        if sequence < len(self._seen):
            self._seen[sequence] = 1

    async def findings(self, store: ObjectStore | None) -> list[Finding]:
        """What is not there; with a store, also what of the rest is not as it was written."""
        found = []
        missing = [number for number in range(1, len(self._seen)) if not self._seen[number]]
        if missing:
            named = ", ".join(map(str, missing[:_MOST_NAMED])) + (" ..." if len(missing) > _MOST_NAMED else "")
            what = f"of {len(self._seen) - 1} objects that were written {len(missing)} are not there: {named}"
            found.append(Finding(kind=FindingKind.JOURNAL_MISSING, subject="catalog journal", what=what))
        if store is not None:
            _, faults = await survey(store)
            broken = FindingKind.JOURNAL_BROKEN
            found += [Finding(kind=broken, subject="catalog journal", what=fault) for fault in faults]
        return found
