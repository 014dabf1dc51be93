"""Journal objects: what the catalog knows besides footage, as small immutable objects of the store. Pure.

An object is gzip of JSON lines: a head, then a record for each row that changed (docs/formats/catalog-journal.md).
Its key has its time, writer and sequence and the first half of its hash; its head the hash of the object before. So an
object that was changed, cut or swapped is known by itself, and one that is missing by its neighbours.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.errors import CatalogError
from storage.catalog_journal_rows import Mark, key_of, record_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.catalog_journal_rows import Record

PREFIX = "v1/_journal/"
FORMAT = "hulta-catalog-journal"
VERSION = 1
NOTHING_BEFORE = bytes(32)
"""In place of the hash of the object before the first."""

MOST_MARKS = 500
"""In one object: with the rows that change beside it a transaction stays below its 1000."""
FULL_BYTES = 1 << 20
"""Of text: an object takes no more records then. A record is a few hundred bytes."""
MOST_TEXT_BYTES = 8 << 20
"""More is not unpacked: whoever may write into the bucket must not fill the memory of who reads it."""

MOST_CONTENT_BYTES = 2 << 20
"""Of an object: a listed one that is larger is not read."""

_HASH_DIGITS = 32
_KEY = re.compile(
    rf"{PREFIX}[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/[0-9]{{2}}/"
    r"(?P<ms>[0-9]{13})-(?P<writer>[0-9a-f]{16})-(?P<sequence>[0-9]{12})-(?P<hash>[0-9a-f]{32})\.jsonl\.gz"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHead:
    """How far a catalog has told its changes: the last object it composed, which may still have to be written."""

    catalog: UUID
    sequence: int = 0  # of the first object it is 1
    sha256: bytes = NOTHING_BEFORE
    composed_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalObject:
    """An object as it is to be written."""

    sequence: int
    key: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An object as it was read back."""

    key: str
    catalog: UUID
    writer: int
    sequence: int
    at_us: int
    previous: bytes
    sha256: bytes
    records: list[Record]


@dataclass(slots=True)
class Batch:
    """Marks on their way into one object. Each row is told once, as it is now."""

    numbers: list[int] = field(default_factory=list)
    _lines: list[bytes] = field(default_factory=list)
    _rows: set[tuple[object, ...]] = field(default_factory=set)
    _size_bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether no more is to be added."""
        return len(self.numbers) >= MOST_MARKS or self._size_bytes >= FULL_BYTES

    def knows(self, mark: Mark) -> bool:
        """Whether the mark's row is told already, and need not be read again."""
        return mark.row in self._rows

    def add(self, mark: Mark, row: Mapping[str, Any] | None) -> None:
        """Take a mark; `row` is what it points to now, None if there is no such row any more, or if it is known."""
        self.numbers.append(mark.number)
        record = None if self.knows(mark) else record_of(mark, row)
        self._rows.add(mark.row)
        if record is not None:
            line = _line(record)
            self._lines.append(line)
            self._size_bytes += len(line)

    def composed(self, head: JournalHead, *, writer: int, at_us: int) -> tuple[JournalObject, JournalHead] | None:
        """The object of these changes and the head after it; None if there is nothing to tell."""
        if not self._lines:
            return None
        sequence, at_us = head.sequence + 1, max(0, at_us)
        first = {
            "format": FORMAT,
            "version": VERSION,
            "catalog": str(head.catalog),
            "writer": f"{writer:016x}",
            "sequence": sequence,
            "at_us": at_us,
            "previous": head.sha256.hex(),
            "records": len(self._lines),
        }
        content = gzip.compress(_line(first) + b"".join(self._lines), mtime=0)
        digest = sha256(content).digest()
        key = _key(at_us, writer, sequence, digest)
        after = JournalHead(catalog=head.catalog, sequence=sequence, sha256=digest, composed_us=at_us)
        return JournalObject(sequence=sequence, key=key, content=content), after


def is_journal_key(key: str) -> bool:
    """Whether a key is spelled as those of journal objects are."""
    return _KEY.fullmatch(key) is not None


def sequence_of(key: str) -> tuple[int, int]:
    """The writer and the sequence of a journal object's key. CatalogError if it is no such key."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise CatalogError(f"not the key of a journal object: {key!r}")
    return int(match["writer"], 16), int(match["sequence"])


def read_object(key: str, content: bytes) -> Told:
    """What an object says. CatalogError if it is not what was written under this key, or of a later version."""
    digest = sha256(content).digest()
    match = _KEY.fullmatch(key)
    if match is None or match["hash"] != digest.hex()[:_HASH_DIGITS]:
        raise CatalogError(f"object {key} does not have the bytes that its key says")
    try:
        head, *records = map(json.loads, _unpacked(content).splitlines())
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise CatalogError(f"object {key} is of a format that this version does not know", hint="upgrade Hulta")
        told = Told(
            key=key,
            catalog=UUID(head["catalog"]),
            writer=int(head["writer"], 16),
            sequence=head["sequence"],
            at_us=head["at_us"],
            previous=bytes.fromhex(head["previous"]),
            sha256=digest,
            records=records,
        )
        whole = head["records"] == len(records) == len(list(map(key_of, records)))
        ours = whole and _key(told.at_us, told.writer, told.sequence, digest) == key
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, zlib.error) as error:
        raise CatalogError(f"object {key} is no journal object: {error}") from None
    if not ours:
        raise CatalogError(f"object {key} does not have the head that its key says")
    return told


def _key(at_us: int, writer: int, sequence: int, digest: bytes) -> str:
    """Sorted by time; a writer and the hash in it, so that no two objects ever claim one key."""
    hour = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).strftime("%Y/%m/%d/%H")
    half = digest.hex()[:_HASH_DIGITS]
    return f"{PREFIX}{hour}/{at_us // 1000:013}-{writer:016x}-{sequence:012}-{half}.jsonl.gz"


def _line(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _unpacked(content: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)  # gzip, with its CRC-32
    text = unpacking.decompress(content, MOST_TEXT_BYTES)
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("it is cut, or larger than any journal object")
    return text
