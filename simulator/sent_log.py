"""What was sent: the S of the oracle, written outside of the system under test.

One line per frame and session: camera (percent-encoded as in its URL), session, frame number, microseconds UTC, CRC-32,
and `sync` or `-`; `sound` for a frame of sound, which is counted by itself. A `!` after the last word says that a fault
spoiled the frame: a packet of it was lost, reordered or cut off, or it cannot be decoded with what the camera says
about itself. Such a frame need not come back.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType


class SentFrame(NamedTuple):
    """One frame handed to the network for one session. `session` rises with every PLAY, across restarts too."""

    camera: str
    session: int
    frame: int
    sent_us: int
    crc32: int
    sync: bool
    spoiled: bool = False
    """Not sent whole, in order and decodable as described, on purpose."""
    sound: bool = False
    """A frame of sound; each is a sync sample."""


class SentLog:
    """Appends to a file, unbuffered: a line is in the kernel before its frame is on the network."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def __call__(self, sent: SentFrame) -> None:
        """Note one frame."""
        word = "sound" if sent.sound else "sync" if sent.sync else "-"
        kind = word + ("!" if sent.spoiled else "")
        line = f"{_encoded(sent.camera)} {sent.session} {sent.frame} {sent.sent_us} {sent.crc32:08x} {kind}\n"
        self._file.write(line.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


@cache  # as many as there are cameras
def _encoded(camera: str) -> str:
    return quote(camera)


def read_sent_log(path: Path) -> Iterator[SentFrame]:
    """The frames of a log, in order. A last line torn by a kill is left out: its frame was not sent."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            camera, session, frame, sent_us, crc32, kind = line.decode().split()
            yield SentFrame(
                unquote(camera),
                int(session),
                int(frame),
                int(sent_us),
                int(crc32, 16),
                sync=kind.rstrip("!") != "-",
                spoiled=kind.endswith("!"),
                sound=kind.startswith("sound"),
            )
