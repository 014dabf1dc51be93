"""The spool journal: what was written is read, what is torn is not, and damage hides nothing behind it."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from media.errors import GapReason, SpoolError
from storage import journal

if TYPE_CHECKING:
    from storage.journal import JournalReading, Record

STREAM = UUID("00000000-0000-4000-8000-0000000000a1")
CAMERA = UUID("00000000-0000-4000-8000-0000000000ca")

RECORDS = [
    journal.run_start(run=0x1234, host="rec-1", boot_id="b", at_us=1),
    journal.stream_start(stream=STREAM, camera=CAMERA, epoch=3, at_us=2),
    journal.gap_open(stream=STREAM, at_us=3, reason=GapReason.STALLED, detail="nothing since\n12:00 \u2028 å"),
    journal.gap_close(stream=STREAM, at_us=4),
    journal.span_start(stream=STREAM, span=0, at_us=4, codec="avc1.64001f", width=1920, height=1080),
    journal.clock_step(at_us=5, step_us=-900_000),
    journal.condition(kind="frozen_picture", stream=STREAM, at_us=5, over=False),
    journal.condition(kind="frozen_timestamps", stream=STREAM, at_us=5, over=True),
    journal.condition(kind="camera_clock", stream=STREAM, at_us=5, over=False, offset_us=-41_000_000),
    journal.run_end(at_us=6),
]
LINES = [journal.encode(record) for record in RECORDS]


def _read(content: bytes, from_offset: int = 0) -> JournalReading:
    return journal.read_journal(lambda offset, length: content[offset : offset + length], len(content), from_offset)


def _fields(reading: JournalReading) -> list[Record]:
    return [record.fields for record in reading.records]


def test_a_line_is_a_crc_and_json() -> None:
    """The format page in one line: crc32 of the JSON in hex, a space, the JSON, a newline."""
    crc, text = LINES[0].split(b" ", 1)
    assert text.endswith(b"\n")
    assert int(crc, 16) == zlib.crc32(text[:-1])
    assert json.loads(text) == {
        "kind": "run_start",
        "run": "0000000000001234",
        "host": "rec-1",
        "boot_id": "b",
        "at_us": 1,
        "order_us": 1,
    }


def test_every_kind_is_read_as_it_was_written() -> None:
    """Records come back in order, newlines inside texts and all."""
    reading = _read(b"".join(LINES))
    assert _fields(reading) == RECORDS
    assert [record.kind for record in reading.records] == list(journal.FIELDS)
    assert reading.tail == (len(b"".join(LINES)),) * 2
    assert reading.damage == ()


def test_reading_goes_on_where_it_ended() -> None:
    """The end offset of each record is where the next import starts."""
    content = b"".join(LINES)
    for done, record in enumerate(_read(content).records, 1):
        assert _fields(_read(content, record.end_offset)) == RECORDS[done:]


@pytest.mark.parametrize("kept", range(len(LINES[-1])))
def test_a_torn_tail_is_not_a_record(kept: int) -> None:
    """Whatever a crash leaves of the last line, the records before it are read and the tail is named."""
    whole = b"".join(LINES[:-1])
    reading = _read(whole + LINES[-1][:kept])
    assert _fields(reading) == RECORDS[:-1]
    assert reading.tail == (len(whole), len(whole) + kept)


@pytest.mark.parametrize("tail", [bytes(5000), b"\n\n", b"garbage\n", LINES[0][:-1] + b" \n", b"x" * 100_000])
def test_a_tail_of_anything_is_only_a_tail(tail: bytes) -> None:
    """Zeros of a lost page, other text, a line of any length: not a record."""
    whole = b"".join(LINES)
    reading = _read(whole + tail)
    assert _fields(reading) == RECORDS
    assert reading.tail == (len(whole), len(whole) + len(tail))


def test_damage_in_the_middle_is_reported_and_hides_nothing() -> None:
    """A changed byte costs its own line, and the reader knows where."""
    damaged = bytearray(b"".join(LINES))
    start = len(LINES[0])
    damaged[start + 30] ^= 1
    reading = _read(bytes(damaged))
    assert _fields(reading) == [RECORDS[0], *RECORDS[2:]]
    assert reading.damage == ((start, start + len(LINES[1])),)


def test_lines_are_found_across_read_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that two reads share is one line."""
    monkeypatch.setattr(journal, "_READ_BYTES", 7)
    assert _fields(_read(b"".join(LINES))) == RECORDS


def test_records_of_later_versions_are_passed_on() -> None:
    """A kind or a field that this version does not know is the importer's to ignore."""
    text = b'{"kind":"later","x":1}'
    reading = _read(b"%08x %b\n" % (zlib.crc32(text), text))
    assert _fields(reading) == [{"kind": "later", "x": 1}]


@pytest.mark.parametrize("text", [b"[]", b"{}", b'{"kind":1}', b"nonsense", b'"\xff"'])
def test_a_fitting_crc_alone_makes_no_record(text: bytes) -> None:
    """A record is a JSON object with a kind."""
    assert _fields(_read(b"%08x %b\n" % (zlib.crc32(text), text))) == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"kind": "nap", "at_us": 1}, "unknown kind"),
        ({"at_us": 1}, "unknown kind"),
        ({"kind": "gap_close", "at_us": 1}, "without stream"),
        ({"kind": "run_end", "at_us": 1, "note": "x" * 20_000}, "at most"),
    ],
)
def test_what_no_reader_would_understand_is_not_written(record: Record, message: str) -> None:
    """A wrong record is the writer's error, told at once."""
    with pytest.raises(SpoolError, match=message):
        journal.encode(record)


def test_a_long_detail_is_cut() -> None:
    """The text of an error never makes a gap unwritable."""
    record = journal.gap_open(stream=STREAM, at_us=3, reason=GapReason.PROTOCOL, detail="å" * 50_000)
    assert len(journal.encode(record)) < journal.MAX_LINE_BYTES
