"""Builders for tests of the catalog and the shipper: rows, journal records, and runs of a spool on disk."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

from media.boxes import box
from media.commit import ZERO_CHAIN
from media.errors import GapReason
from media.fmp4_write import Sample, SegmentWriter
from media.identity import SegmentIdentity
from media.track import Track
from media.url import CameraUrl
from storage import files, journal, layout
from storage.model import DesiredCamera, DesiredSite, Policy, Segment, SegmentState, main_stream
from tests.builders_rows import segment_row

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000
T0 = 1_800_000_000 * SECOND
CAMERA = UUID("00000000-0000-4000-8000-0000000000ca")
STREAM = main_stream(CAMERA)
RUN = 0x1234
POLICY = Policy(name="default", keep_max_us=62 * 86_400 * SECOND, purpose="test")


def at(seconds: float) -> int:
    """An instant, in seconds after T0."""
    return T0 + round(seconds * SECOND)


def desired(name: str = "gate", **fields: Any) -> DesiredCamera:
    """A camera as a configuration wants it."""
    fields.setdefault("url", CameraUrl.parse("rtsp://operator:hunter2@10.17.0.11/media"))
    return DesiredCamera(name=name, **fields)


def site(*cameras: DesiredCamera, name: str = "harbour", **fields: Any) -> DesiredSite:
    """A site with cameras."""
    return DesiredSite(name=name, cameras=cameras, **fields)


def identity(sequence: int = 0, *, run: int = RUN, stream: UUID = STREAM, epoch: int = 1) -> SegmentIdentity:
    """The identity of a test's segment."""
    return SegmentIdentity(camera=CAMERA, stream=stream, epoch=epoch, run=run, sequence=sequence)


def segment(
    start: float, end: float, sequence: int = 0, *, run: int = RUN, stream: UUID = STREAM, span: int = 0, **fields: Any
) -> Segment:
    """A row of the footage from `start` to `end`, in seconds after T0."""
    row = segment_row(
        at(start),
        at(end),
        sequence,
        camera=CAMERA,
        stream=stream,
        run=run,
        span=span,
        state=SegmentState.SPOOLED,
        media_ticks=round(start * 90_000),
        fragments=b"\x01\x00",
    )
    return replace(row, **fields)


def digest(row: Segment) -> bytes:
    """Something that may be a segment's hash."""
    return sha256(row.id.bytes).digest()


class Journal:
    """Records with their offsets, as if read from a run's journal."""

    def __init__(self, run: int = RUN, *, start: float = 0, after: float = -1e6, after_us: int | None = None) -> None:
        self.run = run
        self.records: list[journal.JournalRecord] = []
        before_us = at(after) if after_us is None else after_us
        self.add(journal.run_start(run=run, host="rec-1", boot_id="boot", at_us=at(start), after_us=before_us))

    def add(self, record: dict[str, Any]) -> None:
        """Append a record."""
        end = self.records[-1].end_offset if self.records else 0
        line = journal.encode(record)
        self.records.append(journal.JournalRecord(kind=record["kind"], fields=record, end_offset=end + len(line)))

    def stream_start(self, start: float, *, stream: UUID = STREAM) -> None:
        """The run takes the stream over."""
        self.add(journal.stream_start(stream=stream, camera=CAMERA, epoch=1, at_us=at(start)))

    def gap_open(self, start: float, reason: GapReason, *, stream: UUID = STREAM, detail: str = "") -> None:
        """Nothing is recorded from here on."""
        self.add(journal.gap_open(stream=stream, at_us=at(start), reason=reason, detail=detail))

    def gap_close(self, end: float, *, stream: UUID = STREAM) -> None:
        """The gap ends."""
        self.add(journal.gap_close(stream=stream, at_us=at(end)))

    def run_end(self, end: float) -> None:
        """The run stopped cleanly."""
        self.add(journal.run_end(at_us=at(end)))


def track() -> Track:
    """A track that describes nothing."""
    avcc = box(b"avcC", bytes([1, 0x64, 0, 0x1F, 0xFF, 0xE0, 0]))
    visual = bytes(24) + (320).to_bytes(2, "big") + (240).to_bytes(2, "big") + bytes(50)
    return Track(
        kind="video",
        timescale=90_000,
        codec="avc1.64001f",
        width=320,
        height=240,
        sample_entry=box(b"avc1", visual, avcc),
    )


class SpoolOnDisk:
    """A run's directory as `record` leaves it: locked while it lives, a journal, segments open or sealed."""

    def __init__(self, spool: Path, run: int = RUN, *, start: float = 0) -> None:
        self.spool, self.run = spool, run
        self.path = layout.run_directory(spool, run)
        self.path.mkdir(parents=True)
        self._lock = files.open_directory(self.path)
        assert files.lock(self._lock)
        self.note(journal.run_start(run=run, host="rec-1", boot_id="boot", at_us=at(start)))

    def note(self, record: dict[str, Any]) -> None:
        """Append a journal record."""
        with (self.path / layout.JOURNAL).open("ab") as file:
            file.write(journal.encode(record))

    def stream_start(self, start: float, *, stream: UUID = STREAM, camera: UUID = CAMERA) -> None:
        """The run takes the stream over."""
        self.note(journal.stream_start(stream=stream, camera=camera, epoch=1, at_us=at(start)))

    def gap_open(self, start: float, reason: GapReason, *, stream: UUID = STREAM) -> None:
        """Nothing is recorded from here on."""
        self.note(journal.gap_open(stream=stream, at_us=at(start), reason=reason))

    def gap_close(self, end: float, *, stream: UUID = STREAM) -> None:
        """The gap ends."""
        self.note(journal.gap_close(stream=stream, at_us=at(end)))

    def segment(
        self,
        start: float,
        end: float,
        sequence: int = 0,
        *,
        stream: UUID = STREAM,
        camera: UUID = CAMERA,
        span: int = 0,
        sealed: bool = True,
        payload_bytes: int = 0,
    ) -> Path:
        """A file with one fragment a second, of at least so many bytes each, sealed or still open."""
        who = SegmentIdentity(camera=camera, stream=stream, epoch=1, run=self.run, sequence=sequence)
        path = layout.sealed_path(self.spool, who) if sealed else layout.open_path(self.spool, who)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(segment_bytes(who, start, end, span=span, sealed=sealed, payload_bytes=payload_bytes))
        return path

    def die(self) -> None:
        """The process is killed: nothing is written any more, the lock goes."""
        os.close(self._lock)

    def end(self, when: float) -> None:
        """The process stops cleanly."""
        self.note(journal.run_end(at_us=at(when)))
        self.die()


def segment_bytes(
    who: SegmentIdentity, start: float, end: float, *, span: int = 0, sealed: bool = True, payload_bytes: int = 0
) -> bytes:
    """A segment's file with one fragment of one sample a second."""
    writer = SegmentWriter(who, track(), span, ZERO_CHAIN)
    content = [writer.init]
    edges = [start, *(second for second in range(int(start) + 1, int(end) + 1) if start < second < end), end]
    for first, last in pairwise(edges):
        duration_ticks = round((last - first) * 90_000)
        payload = f"{who} {first}".encode().ljust(payload_bytes, b".")
        buffers, _ = writer.fragment(
            payload=[payload],
            samples=[Sample(len(payload), duration_ticks, 0, True)],
            media_ticks=round((first - start) * 90_000),
            duration_ticks=duration_ticks,
            wall_us=at(first),
            end_wall_us=at(last),
            lost_packets=0,
            clock_quality=1,
        )
        content += map(bytes, buffers)
    if sealed:
        content += writer.seal(at(end))
    return b"".join(content)
