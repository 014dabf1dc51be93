"""A segment without its sound: the same fragments of pictures behind an init section that tells of nothing else.

Browsers refuse a file as a whole when they do not know the codec of its sound (G.711). Playlists then refer to this
file, which is made as it is read. Where sound is played everywhere, they refer to the segment's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from media.audio_description import PLAIN_ENTRY_BYTES, PLAYED_EVERYWHERE
from media.fragment_index import columns, sound_columns
from media.init_section import init_section, sound_bytes
from playback.payload import READ_BYTES
from playback.virtual_file import Fixed, Streamed, VirtualFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from numpy.typing import NDArray

    from playback.footage import MergedFootage
    from storage.model import Segment

QUERY = "?audio=none"


class SegmentLayout(NamedTuple):
    """Where fragments of pictures are in the file that a playlist refers to, with the sound behind each."""

    query: str  # behind the URL of the segment's own file
    init_bytes: int
    offsets: NDArray[np.int64]
    ends: NDArray[np.int64]


def lay_out_segment(segment: Segment) -> SegmentLayout:
    """The segment's own file, or the one of its pictures alone, where its sound is not played everywhere."""
    index, sound = columns(segment.fragments), sound_columns(segment.fragments)
    if sound is None:
        return SegmentLayout("", segment.init_bytes, index.offset, index.offset + index.length)
    entry, heard = sound
    if entry not in PLAYED_EVERYWHERE:
        init_bytes = segment.init_bytes - sound_bytes(PLAIN_ENTRY_BYTES)
        ends = init_bytes + np.cumsum(index.length)
        return SegmentLayout(QUERY, init_bytes, ends - index.length, ends)
    # The last fragment of sound before the next one of pictures, or the one of pictures if there is none between.
    ends = np.concatenate((index.offset + index.length, heard.offset + heard.length))
    ends.sort()
    following = np.append(index.offset[1:], np.iinfo(np.int64).max)
    return SegmentLayout("", segment.init_bytes, index.offset, ends[np.searchsorted(ends, following) - 1])


class PicturesFile:
    """The pictures of a segment, as far as they are durable."""

    def __init__(self, footage: MergedFootage, segment: Segment, init: bytes) -> None:
        self._footage = footage
        self._segment = segment
        index = columns(segment.fragments)
        self._offsets: list[int] = index.offset.tolist()
        lengths: list[int] = index.length.tolist()
        self._content = VirtualFile([Fixed(init), Streamed(lengths, self._fragment)])

    @classmethod
    async def of(cls, footage: MergedFootage, segment: Segment) -> Self:
        """The file of this segment."""
        pictures, _sound = await footage.tracks(segment)
        return cls(footage, segment, init_section(pictures))

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return self._content.size_bytes

    @property
    def etag(self) -> str:
        """Quoted, strong: that of the segment's own file, and what was left out of it."""
        return f'"{self._segment.id}-{self._segment.size_bytes}-pictures"'

    def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `stop`, in pieces of at most READ_BYTES."""
        return self._content.read(start, self.size_bytes if stop is None else stop)

    async def _fragment(self, number: int, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        async with self._footage.open(self._segment) as stored:
            for at in range(start, stop, READ_BYTES):
                yield await stored.read_at(self._offsets[number] + at, min(READ_BYTES, stop - at))
