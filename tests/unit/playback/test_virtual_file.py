"""Any byte range of a file that is nowhere, by touching only what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from playback.virtual_file import Fixed, Rendered, Streamed, VirtualFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PARTS = [b"one", b"", b"twotwo", b"3", b"fourfour"]


class Touched:
    """Parts, and which of them were asked for."""

    def __init__(self, parts: list[bytes]) -> None:
        self.parts = parts
        self.numbers: list[int] = []

    async def render(self, first: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Whole parts."""
        for number in range(first, stop):
            self.numbers.append(number)
            yield self.parts[number]

    async def stream(self, number: int, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """A part, byte by byte."""
        self.numbers.append(number)
        for offset in range(start, stop):
            yield self.parts[number][offset : offset + 1]


def file_of(rendered: Touched, streamed: Touched) -> VirtualFile:
    """Fixed bytes between two sections of parts."""
    sizes = [len(part) for part in PARTS]
    return VirtualFile(
        [Fixed(b"<"), Rendered(sizes, rendered.render), Fixed(b""), Fixed(b"|"), Streamed(sizes, streamed.stream)]
    )


async def read(file: VirtualFile, start: int, stop: int) -> bytes:
    """The pieces joined."""
    return b"".join([piece async for piece in file.read(start, stop)])


@given(st.integers(0, 45), st.integers(0, 45))
async def test_every_range_is_that_part_of_the_whole(start: int, stop: int) -> None:
    """Also empty ones, and ones that reach past the end."""
    content = b"<" + b"".join(PARTS) + b"|" + b"".join(PARTS)
    file = file_of(Touched(PARTS), Touched(PARTS))
    assert file.size_bytes == len(content)
    assert await read(file, start, stop) == content[start:stop]


async def test_only_the_parts_in_the_range_are_made() -> None:
    """The end of one section and the start of the next one."""
    rendered, streamed = Touched(PARTS), Touched(PARTS)
    assert await read(file_of(rendered, streamed), 13, 22) == b"urfour|on"
    assert (rendered.numbers, streamed.numbers) == ([4], [0])


async def test_a_reader_that_goes_away_closes_what_it_opened() -> None:
    """A player hangs up in the middle of a part: nothing waits for the garbage collector."""
    closed = []

    async def endless(_number: int, _start: int, _stop: int) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    pieces = VirtualFile([Fixed(b"<"), Streamed([1000], endless)]).read(0, 1000)
    assert [await anext(pieces), await anext(pieces)] == [b"<", b"x"]
    await pieces.aclose()
    assert closed
