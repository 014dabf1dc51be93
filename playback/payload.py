"""The payload of a slice: samples without the headers and commit boxes that lie between fragments in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from media.errors import Mp4Error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from numpy.typing import NDArray

    from media.fragment_index import FragmentEntry
    from playback.footage import SegmentBytes

READ_BYTES = 1 << 20
"""Read at once. Between two fragments lie about 1 KiB of headers: skipping them in memory is cheaper than a request."""


class Extent(NamedTuple):
    """Bytes of a segment's file."""

    offset: int
    length: int


def payload_extents(
    fragments: Sequence[FragmentEntry], sizes: NDArray[np.uint32], first: int, stop: int
) -> list[Extent]:
    """Where samples `first` to `stop` are in the segment's file; one extent for each fragment that has any."""
    ends = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    extents: list[Extent] = []
    number = 0
    for fragment in fragments:
        begin = number
        number += fragment.samples
        data_bytes = int(ends[number] - ends[begin])
        if fragment.data_offset + data_bytes != fragment.offset + fragment.length:
            raise Mp4Error(f"the fragment at byte {fragment.offset} is not as long as its samples")
        inside = max(first, begin), min(stop, number)
        if inside[0] < inside[1]:
            skipped, end = int(ends[inside[0]] - ends[begin]), int(ends[inside[1]] - ends[begin])
            extents.append(Extent(fragment.data_offset + skipped, end - skipped))
    return extents


async def read_extents(
    stored: SegmentBytes, extents: Sequence[Extent], start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` to `stop` of the extents joined together, in pieces of at most READ_BYTES."""
    for group in _groups(_clipped(extents, start, stop)):
        offset = group[0].offset
        block = memoryview(await stored.read_at(offset, group[-1].offset + group[-1].length - offset))
        yield b"".join(block[part.offset - offset : part.offset - offset + part.length] for part in group)


def _clipped(extents: Sequence[Extent], start: int, stop: int) -> Iterator[Extent]:
    """What of the extents is in the range, none longer than READ_BYTES."""
    position = 0
    for offset, length in extents:
        begin, end = max(start, position), min(stop, position + length)
        for at in range(begin, end, READ_BYTES):
            yield Extent(offset + at - position, min(READ_BYTES, end - at))
        position += length


def _groups(extents: Iterator[Extent]) -> Iterator[list[Extent]]:
    """Neighbours that one read covers."""
    group: list[Extent] = []
    for extent in extents:
        if group and extent.offset + extent.length - group[0].offset > READ_BYTES:
            yield group
            group = []
        group.append(extent)
    if group:
        yield group
