"""`check`: walks all streams and says where catalog, objects, spool and gaps disagree. It changes nothing.

It may run beside everything else. Rows and files move while it reads, so where something is wrong it looks once more,
and only what is wrong both times is reported.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from media.errors import MediaError, ObjectMissing
from media.identity import parse_key
from storage import catalog_journal, spool_check, store_ownership
from storage.audit import Evidence, Finding, FindingKind, audit
from storage.catalog_journal_check import JournalCheck
from storage.model import SECOND_US, SegmentState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from media.identity import SegmentIdentity
    from storage.catalog import Catalog
    from storage.clock import Clock
    from storage.model import Segment
    from storage.objects import ObjectStore
    from storage.spool_reader import SpoolReader

DAY_US = 86_400 * SECOND_US
PREFIX = "v1/"
_READ_BYTES = 4 << 20
_LOOK_AGAIN_S = 1.0  # a recovery may be writing the end of a file of a dead run


@dataclass(slots=True, kw_only=True)
class CheckReport:
    """What was looked at, and what is wrong."""

    started_us: int
    streams: int = 0
    segments: int = 0
    segment_bytes: int = 0
    gaps: int = 0
    tombstones: int = 0
    spooled: int = 0  # segments in the spool, registered or not
    objects: int = 0
    object_bytes: int = 0
    hashed: int = 0  # objects that were read as a whole
    journal_objects: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        """One line of figures, then a line for each finding."""
        figures = (
            f"{self.streams} streams, {self.segments} segments ({self.segment_bytes:,} bytes), {self.objects} objects "
            f"({self.object_bytes:,} bytes, {self.hashed} hashed), {self.spooled} in the spool, {self.gaps} gaps, "
            f"{self.tombstones} tombstones, {self.journal_objects} journal objects: {len(self.findings)} findings"
        )
        return "\n".join([figures, *(f"  {finding}" for finding in self.findings)])


class Check:
    """One walk. Without a spool reader, what waits there counts as missing."""

    def __init__(self, catalog: Catalog, store: ObjectStore, spool: SpoolReader | None, clock: Clock) -> None:
        self._catalog = catalog
        self._store = store
        self._spool = spool
        self._clock = clock

    async def run(self, *, deep: bool = False) -> CheckReport:
        """Check everything; with `deep` also the hash of every stored object. CatalogError, ObjectStoreError."""
        await store_ownership.require_own_store(self._catalog, self._store)
        report = CheckReport(started_us=self._clock.wall_us())
        since = await self._catalog.gaps.expected_since()
        places: dict[UUID, str] = {}
        journal = await JournalCheck.begin(self._catalog)
        async for stream, place, objects in self._streams_of_store(report, journal):
            places[stream] = place
            await self._check_stream(report, stream, since.get(stream), place, objects, deep=deep)
        for stream in sorted(set(since) - set(places)):
            await self._check_stream(report, stream, since[stream], None, {}, deep=deep)
        report.journal_objects = journal.objects
        report.findings += await journal.findings(self._store if deep else None)
        if self._spool is not None:
            report.findings += await self._check_spools(self._spool.spools, deep=deep)
        return report

    async def _check_spools(self, spools: Sequence[Path], *, deep: bool) -> list[Finding]:
        findings = await asyncio.to_thread(spool_check.look, *spools, deep=deep)
        if findings:
            await self._clock.sleep(_LOOK_AGAIN_S)
            again = {each.subject for each in await asyncio.to_thread(spool_check.look, *spools, deep=deep)}
            findings = [each for each in findings if each.subject in again]
        return findings

    async def _streams_of_store(
        self, report: CheckReport, journal: JournalCheck
    ) -> AsyncIterator[tuple[UUID, str, dict[str, int]]]:
        """Each stream that has objects, with the prefix of its keys and all its objects; one listing of the store."""
        stream, place, objects = None, "", dict[str, int]()
        async for found in self._store.list(PREFIX):
            if catalog_journal.is_journal_key(found.key):
                journal.saw(found.key)
                continue
            if found.key == store_ownership.KEY:
                continue
            identity = _identity(found.key)
            if identity is None:
                what = "neither the key of a segment nor of a journal object"
                report.findings.append(
                    Finding(kind=FindingKind.OBJECT_FOREIGN, subject=f"object {found.key}", what=what)
                )
                continue
            if identity.stream != stream:
                if stream is not None:
                    yield stream, place, objects
                stream, place, objects = identity.stream, f"{PREFIX}{identity.camera}/{identity.stream}/", {}
            objects[found.key] = found.size_bytes
            report.objects += 1
            report.object_bytes += found.size_bytes
        if stream is not None:
            yield stream, place, objects

    async def _check_stream(
        self,
        report: CheckReport,
        stream: UUID,
        since_us: int | None,
        place: str | None,
        objects: dict[str, int],
        *,
        deep: bool,
    ) -> None:
        evidence = await self._evidence(stream, since_us, objects)
        report.streams += 1
        report.segments += len(evidence.segments)
        report.segment_bytes += sum(row.size_bytes for row in evidence.segments)
        report.gaps += len(evidence.gaps)
        report.tombstones += len(evidence.tombstones)
        report.spooled += len(evidence.spooled)
        findings = audit(evidence)
        if findings:
            if place is not None:
                listing = self._store.list(place)
                objects = {each.key: each.size_bytes async for each in listing if _identity(each.key) is not None}
            again = {(each.kind, each.subject) for each in audit(await self._evidence(stream, since_us, objects))}
            findings = [each for each in findings if (each.kind, each.subject) in again]
        report.findings += findings
        if deep:
            suspects = {each.subject for each in findings}
            for row in evidence.segments:
                if row.state is SegmentState.STORED and f"segment {row.id}" not in suspects:
                    await self._hash(report, row)

    async def _evidence(self, stream: UUID, since_us: int | None, objects: dict[str, int]) -> Evidence:
        """Read the spool before the rows: what `ship` moves in between is then seen twice, not never."""
        spooled = [] if self._spool is None else await asyncio.to_thread(self._spool.segments, stream)
        newest_us = max((parse_key(key)[1] * 1000 for key in objects), default=0)  # a clock may have been ahead once
        until_us = max([self._clock.wall_us(), newest_us, *(segment.end_us for segment in spooled)]) + DAY_US
        if since_us is None:
            return Evidence(stream=stream, since_us=None, spooled=spooled, objects=objects)
        rows: dict[UUID, Segment] = {}
        for start_us in range(since_us, until_us, DAY_US):  # a day at a time, so that nobody waits for one long read
            for row in await self._catalog.footage.segments(stream, start_us, start_us + DAY_US, marked=True):
                rows[row.id] = row
        return Evidence(
            stream=stream,
            since_us=since_us,
            segments=list(rows.values()),
            tombstones=await self._catalog.expiry.tombstones(stream, since_us, until_us),
            gaps=await self._catalog.gaps.gaps(stream, since_us, until_us),
            spooled=spooled,
            objects=objects,
        )

    async def _hash(self, report: CheckReport, row: Segment) -> None:
        digest = sha256()
        try:
            for offset in range(0, row.size_bytes, _READ_BYTES):
                digest.update(await self._store.read(row.key, offset, min(_READ_BYTES, row.size_bytes - offset)))
        except ObjectMissing:
            return  # deleted since it was listed
        report.hashed += 1
        if digest.digest() != row.sha256:
            what = f"object {row.key} does not have the bytes that were stored"
            report.findings.append(Finding(kind=FindingKind.OBJECT_DIFFERS, subject=f"segment {row.id}", what=what))


def _identity(key: str) -> SegmentIdentity | None:
    """Whose object has this key; None if no segment's."""
    try:
        return parse_key(key)[0]
    except MediaError:
        return None
