"""Minutes of footage as catalog rows: made once, then laid on any instant by changing a few bytes.

Encoding a fragment index takes 150 us, which is an hour for 20 million rows. An index is written as differences, so
the same minute at another instant differs in four numbers only: media time and wall time of the first fragment, and
what undoes them in the second. `Minute.at` replaces these four; that the result is what `encode` makes is a test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from media.flat_mp4 import ChunkTables
from media.fragment_index import FragmentEntry, decode, encode
from media.sample_table import SampleSums, SampleTable

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

MINUTE_US = 60_000_000
TICKS = 90_000
INIT_BYTES = 700
HEADER_BYTES = 112  # of a moof without samples, and its mdat
SAMPLE_HEADER_BYTES = 16
COMMIT_BYTES = 274
BYTES_PER_SECOND = 500_000  # 4 Mbit/s
DAMAGED = 0.02  # of all minutes

_MEDIA, _WALL, _NUMBERS = 3, 5, 10  # places of media and wall time among the ten numbers of a fragment


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What the rows of a minute of one kind of camera share."""

    samples: int
    sync_samples: int
    lost_packets: int
    codec: str
    width: int
    height: int
    init_bytes: int
    size_bytes: int
    duration_ticks: int
    fragments: tuple[bytes, bytes, bytes, bytes, bytes]  # what is around the four numbers
    second: tuple[int, int]  # media and wall time that is missing between the first two fragments
    table: bytes
    sums: SampleSums

    def at(self, start_us: int, media_ticks: int) -> bytes:
        """The fragment index of this minute when it begins at `start_us` and at `media_ticks` of its span."""
        media, wall = self.second
        head, one, two, three, tail = self.fragments
        return b"".join(
            (
                head,
                varint(media_ticks << 1),
                one,
                varint(start_us << 1),
                two,
                zigzag(media - media_ticks),
                three,
                zigzag(wall - start_us),
                tail,
            )
        )


def synthetic(random: Generator, *, rate: int, jitter_ticks: int, gop_seconds: int = 1) -> Minute:
    """A minute of a camera at 4 Mbit/s: fragments of a second, a damaged one in a minute out of fifty.

    `jitter_ticks` is how far the camera's clock places a frame from its even place; 0 is a camera that counts.
    """
    count = 60 * rate
    ticks = np.arange(count + 1, dtype=np.int64) * (TICKS // rate)
    if jitter_ticks:
        ticks[1:-1] += random.integers(-jitter_ticks, jitter_ticks + 1, count - 1)
    sizes = random.integers(BYTES_PER_SECOND // rate // 2, BYTES_PER_SECOND // rate * 3 // 2, count).astype(np.uint32)
    table = SampleTable(
        sizes=sizes,
        durations=np.diff(ticks).astype(np.uint32),
        offsets=np.zeros(count, np.int32),
        sync=np.arange(0, count, rate * gop_seconds, dtype=np.uint32),
    )
    return minute(
        _entries(
            table, ticks, rate, gop_seconds, damaged=int(random.integers(0, 60)) if random.random() < 0.02 else -1
        ),
        table.encode(),
        codec="avc1.640028",
        width=1920,
        height=1080,
        init_bytes=INIT_BYTES,
    )


def minute(
    entries: list[FragmentEntry],
    table: bytes,
    *,
    codec: str,
    width: int,
    height: int,
    init_bytes: int,
    size_bytes: int | None = None,
) -> Minute:
    """The minute of these fragments, the first of which begins at instant 0 and media time 0."""
    assert (entries[0].wall_us, entries[0].media_ticks) == (0, 0)
    last = entries[-1]
    return Minute(
        samples=sum(entry.samples for entry in entries),
        sync_samples=sum(entry.sync_samples for entry in entries),
        lost_packets=sum(entry.lost_packets for entry in entries),
        codec=codec,
        width=width,
        height=height,
        init_bytes=init_bytes,
        size_bytes=last.offset + last.length + COMMIT_BYTES * (1 + len(entries)) + len(table)
        if size_bytes is None
        else size_bytes,
        duration_ticks=last.media_ticks + last.duration_ticks,
        fragments=_around(encode(entries)),
        second=(
            entries[1].media_ticks - entries[0].duration_ticks,
            entries[1].wall_us - entries[0].end_wall_us,
        ),
        table=table,
        sums=ChunkTables(table).sums,
    )


def shifted(index: bytes) -> list[FragmentEntry]:
    """The fragments of an index, moved to instant 0 and media time 0."""
    entries = decode(index)
    first = entries[0]
    return [
        replace(
            entry,
            media_ticks=entry.media_ticks - first.media_ticks,
            wall_us=entry.wall_us - first.wall_us,
            end_wall_us=entry.end_wall_us - first.wall_us,
        )
        for entry in entries
    ]


def varint(number: int) -> bytes:
    """As in media/fragment_index."""
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def zigzag(number: int) -> bytes:
    """The same of a number that may be negative."""
    return varint(number << 1 if number >= 0 else ~(number << 1))


def _around(index: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """An index without the four numbers that depend on when and where the minute is."""
    ends = [place + 1 for place, octet in enumerate(index) if place and octet < 0x80]  # of count, then of each number
    cuts = [1 + _MEDIA, 1 + _WALL, 1 + _NUMBERS + _MEDIA, 1 + _NUMBERS + _WALL]
    begins = [ends[cut - 1] for cut in cuts]
    stops = [0, *(ends[cut] for cut in cuts)]
    head, one, two, three, tail = (index[stop:begin] for stop, begin in zip(stops, [*begins, len(index)], strict=True))
    return head, one, two, three, tail


def _entries(
    table: SampleTable, ticks: NDArray[np.int64], rate: int, gop_seconds: int, *, damaged: int
) -> list[FragmentEntry]:
    entries, offset = [], INIT_BYTES
    for second in range(60):
        begin, end = int(ticks[second * rate]), int(ticks[(second + 1) * rate])
        header_bytes = HEADER_BYTES + SAMPLE_HEADER_BYTES * rate
        length = header_bytes + int(table.sizes[second * rate : (second + 1) * rate].sum())
        sync = second % gop_seconds == 0
        entries.append(
            FragmentEntry(
                offset=offset,
                length=length,
                data_offset=offset + header_bytes,
                media_ticks=begin,
                duration_ticks=end - begin,
                wall_us=begin * 100 // 9,
                end_wall_us=end * 100 // 9,
                samples=rate,
                sync_samples=int(sync),
                starts_with_sync=sync,
                lost_packets=3 if second == damaged else 0,
            )
        )
        offset += length + COMMIT_BYTES
    return entries
