r"""The spool journal: what a run observed, in order, one line each: `<crc32 of the JSON, 8 hex> <JSON object>\n`.

The journal tells what the footage cannot: when a stream began to be recorded, why there is a gap, when a span starts.
It is written in the same group commit as the fragments and imported by `ship`, idempotently, by offset. A line counts
only if its newline is there and its CRC fits. What follows the last such line is a torn tail and may still be on its
way; anything else that does not fit is damage, is reported, and does not hide the lines after it.

Times (`at_us`) are microseconds UTC. A run is printed as 16 hex digits, streams and cameras as UUIDs.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from media.errors import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from media.errors import GapReason

    ReadAt = Callable[[int, int], bytes]
    Record = dict[str, Any]

# What each kind of record must hold. A later version may add fields and kinds; a reader ignores those it does not know.
FIELDS: dict[str, tuple[str, ...]] = {
    "run_start": ("run", "host", "boot_id", "at_us"),  # and order_us, which earlier versions did not write
    "stream_start": ("stream", "camera", "epoch", "at_us"),  # opens a gap `no_sync` at at_us; may have a reason
    "gap_open": ("stream", "at_us", "reason", "detail"),  # closes a gap that is still open at at_us
    "gap_close": ("stream", "at_us"),
    "span_start": ("stream", "span", "at_us", "codec", "width", "height"),
    "clock_step": ("at_us", "step_us"),
    "frozen_picture": ("stream", "at_us", "over"),
    "frozen_timestamps": ("stream", "at_us", "over"),
    "camera_clock": ("stream", "at_us", "over", "offset_us"),
    "run_end": ("at_us",),
}

MAX_LINE_BYTES = 16_384
_DETAIL_CHARACTERS = 1000
_CRC_DIGITS = 8
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """One record. `end_offset` is where the next one starts: reading again from there repeats nothing."""

    kind: str
    fields: Record
    end_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReading:
    """The records from an offset on, and the byte ranges that hold none.

    `tail` is the range behind the last record (empty if none): still being written, or torn by a crash.
    `damage` are ranges between records: a disk that lost or changed bytes.
    """

    records: tuple[JournalRecord, ...]
    tail: tuple[int, int]
    damage: tuple[tuple[int, int], ...]


def run_start(*, run: int, host: str, boot_id: str, at_us: int, after_us: int = 0) -> Record:
    """The first record of every journal. `after_us` is the order of the newest run before it.

    Its own order is greater: the time it starts at, unless the clock has gone back since.
    """
    order_us = max(at_us, after_us + 1)
    who = {"run": f"{run:016x}", "host": host, "boot_id": boot_id}
    return {"kind": "run_start", **who, "at_us": at_us, "order_us": order_us}


def stream_start(*, stream: UUID, camera: UUID, epoch: int, at_us: int, reason: GapReason | None = None) -> Record:
    """From here on the run is responsible for the stream; a gap `no_sync` is open until its first span.

    `reason` is why the run before it has it no longer, where that is known: it explains what is missing before.
    """
    why = {} if reason is None else {"reason": str(reason)}
    return {"kind": "stream_start", "stream": str(stream), "camera": str(camera), "epoch": epoch, "at_us": at_us} | why


def gap_open(*, stream: UUID, at_us: int, reason: GapReason, detail: str = "") -> Record:
    """Nothing is recorded from here on. `detail` is for people and never holds a credential."""
    return {"kind": "gap_open", "stream": str(stream), "at_us": at_us, "reason": str(reason), "detail": detail}


def gap_close(*, stream: UUID, at_us: int) -> Record:
    """The open gap ends."""
    return {"kind": "gap_close", "stream": str(stream), "at_us": at_us}


def span_start(*, stream: UUID, span: int, at_us: int, codec: str, width: int, height: int) -> Record:
    """A span begins."""
    return {
        "kind": "span_start",
        "stream": str(stream),
        "span": span,
        "at_us": at_us,
        "codec": codec,
        "width": width,
        "height": height,
    }


def clock_step(*, at_us: int, step_us: int) -> Record:
    """The wall clock of the host jumped by `step_us`; `at_us` is after the jump."""
    return {"kind": "clock_step", "at_us": at_us, "step_us": step_us}


def condition(*, kind: str, stream: UUID, at_us: int, over: bool, **more: int | None) -> Record:
    """Something odd about a camera that sends begins, or is over: `frozen_picture` and the two below it in FIELDS."""
    return {"kind": kind, "stream": str(stream), "at_us": at_us, "over": over, **more}


def run_end(*, at_us: int) -> Record:
    """The last record of a run that stopped cleanly."""
    return {"kind": "run_end", "at_us": at_us}


def encode(record: Mapping[str, Any]) -> bytes:
    """A record as its line. Raises SpoolError for a record no reader would understand."""
    fields = FIELDS.get(record.get("kind", ""))
    if fields is None:
        raise SpoolError(f"journal: unknown kind of record {record.get('kind')!r}")
    if missing := [name for name in fields if name not in record]:
        raise SpoolError(f"journal: {record['kind']} without {', '.join(missing)}")
    if "detail" in record:
        record = {
            **record,
            "detail": record["detail"][:_DETAIL_CHARACTERS],
        }  # an error's text is never too long to note
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
    line = b"%08x %b\n" % (zlib.crc32(text), text)
    if len(line) > MAX_LINE_BYTES:
        raise SpoolError(f"journal: {record['kind']} of {len(line)} bytes, at most {MAX_LINE_BYTES}")
    return line


def read_journal(read_at: ReadAt, size_bytes: int, from_offset: int = 0) -> JournalReading:
    """All records between `from_offset` (0, or the `end_offset` of a record) and `size_bytes`."""
    records: list[JournalRecord] = []
    damage: list[tuple[int, int]] = []
    end = good = from_offset  # good: the end of the last record
    for line in _lines(read_at, from_offset, size_bytes):
        start, end = end, end + len(line)
        if (fields := _decode(line)) is None:
            continue
        if good < start:
            damage.append((good, start))
        records.append(JournalRecord(kind=fields["kind"], fields=fields, end_offset=end))
        good = end
    return JournalReading(records=tuple(records), tail=(good, max(good, size_bytes)), damage=tuple(damage))


def _lines(read_at: ReadAt, offset: int, end: int) -> Iterator[bytes]:
    """The lines of the range with their newlines; what is too long for a line comes in pieces without one."""
    rest = b""
    while offset < end and (block := read_at(offset, min(_READ_BYTES, end - offset))):
        offset += len(block)
        *lines, rest = _split(rest + block)
        yield from lines
        while len(rest) > MAX_LINE_BYTES:
            yield rest[:MAX_LINE_BYTES]
            rest = rest[MAX_LINE_BYTES:]
    if rest:
        yield rest


def _split(block: bytes) -> list[bytes]:
    """Lines with their newline, and last what follows them."""
    *lines, rest = block.split(b"\n")
    return [*(line + b"\n" for line in lines), rest]


def _decode(line: bytes) -> Record | None:
    """The record of a line, or None if it holds none."""
    crc, space, text = line[:_CRC_DIGITS], line[_CRC_DIGITS : _CRC_DIGITS + 1], line[_CRC_DIGITS + 1 : -1]
    if not line.endswith(b"\n") or space != b" " or crc != b"%08x" % zlib.crc32(text):
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and isinstance(fields.get("kind"), str) else None
