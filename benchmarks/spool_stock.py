"""Sealed segments of a minute of 4 Mbit/s by the product's own writer, to be laid into a spool again and again."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from media.boxes import box
from media.commit import ZERO_CHAIN
from media.fmp4_write import Sample, SegmentWriter
from media.identity import SegmentIdentity
from media.track import Track
from storage import files, journal, layout

RUN = 7
START_US = 1_795_003_200_000_000
SECONDS, RATE = 60, 25
SAMPLE_BYTES = 20_000  # 4 Mbit/s at 25 frames a second
TICKS = 90_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Segments of one run, one per stream, outside of any spool."""

    identities: list[SegmentIdentity]
    paths: list[Path]
    size_bytes: int

    @contextmanager
    def spooled(self, spool: Path) -> Iterator[None]:
        """A spool whose living run has sealed them: the names are new, the bytes are those of the stock."""
        directory = layout.run_directory(spool, RUN)
        directory.mkdir(parents=True)
        lock = files.open_directory(directory)
        try:
            files.lock(lock)
            (directory / layout.JOURNAL).write_bytes(b"".join(map(journal.encode, self._records())))
            for identity, path in zip(self.identities, self.paths, strict=True):
                target = layout.sealed_path(spool, identity)
                target.parent.mkdir()
                target.hardlink_to(path)
            os.sync()  # what is written here is not what is measured
            yield
        finally:
            files.close(lock)

    def _records(self) -> Iterator[journal.Record]:
        yield journal.run_start(run=RUN, host="benchmark", boot_id="", at_us=START_US)
        for each in self.identities:
            yield journal.stream_start(stream=each.stream, camera=each.camera, epoch=each.epoch, at_us=START_US)
            yield journal.gap_close(stream=each.stream, at_us=START_US)


def make_stock(folder: Path, count: int) -> Stock:
    """Write so many segments below `folder`."""
    folder.mkdir()
    identities = [_identity(number) for number in range(count)]
    paths = [folder / f"{number}.mp4" for number in range(count)]
    for identity, path in zip(identities, paths, strict=True):
        path.write_bytes(segment(identity))
    return Stock(identities=identities, paths=paths, size_bytes=sum(path.stat().st_size for path in paths))


def segment(identity: SegmentIdentity) -> bytes:
    """A sealed file: a fragment a second, a sync sample in each, random payload."""
    writer = SegmentWriter(identity, _track(), 0, ZERO_CHAIN)
    content = bytearray(writer.init)
    payload = os.urandom(SAMPLE_BYTES)
    for second in range(SECONDS):
        buffers, _ = writer.fragment(
            payload=[payload] * RATE,
            samples=[Sample(SAMPLE_BYTES, TICKS // RATE, 0, number == 0) for number in range(RATE)],
            media_ticks=second * TICKS,
            duration_ticks=TICKS,
            wall_us=START_US + second * 1_000_000,
            end_wall_us=START_US + (second + 1) * 1_000_000,
            lost_packets=0,
            clock_quality=1,
        )
        content += b"".join(buffers)
    return bytes(content + b"".join(writer.seal(START_US + SECONDS * 1_000_000)))


def _identity(number: int) -> SegmentIdentity:
    name = f"benchmark/{number}"
    camera, stream = uuid5(NAMESPACE_URL, name), uuid5(NAMESPACE_URL, f"{name}/main")
    return SegmentIdentity(camera=camera, stream=stream, epoch=1, run=RUN, sequence=0)


def _track() -> Track:
    """A track whose avcC is well-formed and describes nothing."""
    avcc = box(b"avcC", bytes([1, 0x64, 0, 0x28, 0xFF, 0xE0, 0]))
    visual = bytes(6) + struct.pack(">H16xHH", 1, 1920, 1080) + bytes(50)
    entry = box(b"avc1", visual, avcc)
    return Track(kind="video", timescale=TICKS, codec="avc1.640028", width=1920, height=1080, sample_entry=entry)
