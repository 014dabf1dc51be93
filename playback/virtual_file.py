"""A file that is nowhere: sections of parts that are made when they are read.

A section is a run of many similar parts (the sizes of all samples, segment by segment; the payload, segment by
segment), of which it keeps only where each one ends. Reading a byte range finds the sections and parts it touches by
binary search, and makes no other. A reader that goes away closes what it had opened, at once.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import aclosing
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    ReadParts = Callable[[int, int], AsyncGenerator[bytes, None]]
    ReadPart = Callable[[int, int, int], AsyncGenerator[bytes, None]]


class Section(Protocol):
    """A run of bytes of known length."""

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        ...

    def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `stop`, in pieces."""
        ...


class VirtualFile:
    """Sections one after the other; itself a section."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self.sections = sections
        self._ends = list(accumulate(section.size_bytes for section in sections))

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return self._ends[-1] if self._ends else 0

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `stop`, in pieces; ends early at the end of the file."""
        stop = min(stop, self.size_bytes)
        index = bisect_right(self._ends, start)
        while start < stop:
            end = self._ends[index]
            offset = end - self.sections[index].size_bytes
            async with aclosing(self.sections[index].read(start - offset, min(stop, end) - offset)) as pieces:
                async for piece in pieces:
                    yield piece
            start = end
            index += 1


class Fixed:
    """Bytes that are there."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size_bytes(self) -> int:
        """How long they are."""
        return len(self._content)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """These bytes."""
        yield self._content[start:stop]


class Rendered:
    """Small parts, each made as a whole; neighbours are asked for together, so that they can be fetched in batches."""

    def __init__(self, part_bytes: Sequence[int], render: ReadParts) -> None:
        """`render(first, stop)` yields the parts from `first` to `stop`, each as one piece."""
        self._ends = list(accumulate(part_bytes))
        self._render = render

    @property
    def size_bytes(self) -> int:
        """How long all parts are."""
        return self._ends[-1]

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The parts that are touched, the outer two cut to fit."""
        first = bisect_right(self._ends, start)
        last = bisect_right(self._ends, stop - 1)
        offset = self._ends[first - 1] if first else 0
        async for part in self._render(first, last + 1):
            yield part[max(0, start - offset) : stop - offset]
            offset += len(part)


class Streamed:
    """Large parts, each read from where it is, in pieces."""

    def __init__(self, part_bytes: Sequence[int], read_part: ReadPart) -> None:
        """`read_part(index, start, stop)` yields the bytes of one part."""
        self._ends = list(accumulate(part_bytes))
        self._read_part = read_part

    @property
    def size_bytes(self) -> int:
        """How long all parts are."""
        return self._ends[-1]

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to `stop`, part by part."""
        index = bisect_right(self._ends, start)
        while start < stop:
            end = self._ends[index]
            offset = self._ends[index - 1] if index else 0
            async with aclosing(self._read_part(index, start - offset, min(stop, end) - offset)) as pieces:
                async for piece in pieces:
                    yield piece
            start = end
            index += 1
