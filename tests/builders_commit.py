"""Runs of the commit path over a real directory, and what they announce."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from storage import layout
from storage.spool import SpoolRun
from tests.builders_spool import RUN, FileSeam

if TYPE_CHECKING:
    from media.identity import SegmentIdentity
    from storage.spool import SpoolSegment

INIT = b"init section"


def create_run(root: Path, run: int = RUN) -> SpoolRun:
    """A run in the spool below `root`."""
    return SpoolRun.create(root / "spool", run=run, host="rec-1", at_us=7, loop=asyncio.get_running_loop())


def open_file(root: Path, segment: SegmentIdentity) -> Path:
    """Where a segment is while it grows."""
    return layout.open_path(root / "spool", segment)


def sealed_file(root: Path, segment: SegmentIdentity) -> Path:
    """Where a segment is when it is whole."""
    return layout.sealed_path(root / "spool", segment)


class Announcements:
    """What was announced, in order; `of` makes a `done` callback with a name."""

    def __init__(self, seam: FileSeam | None = None) -> None:
        self.names: list[str] = []
        self.errors: dict[str, Exception | None] = {}
        self._seam = seam
        self._more = asyncio.Event()

    async def appended(self, segment: SpoolSegment, name: str) -> Exception | None:
        """Append a fragment with this content and wait for its end."""
        segment.append([name.encode()], lambda error: self.add(name, error))
        return await self.wait(name)

    async def wait(self, name: str) -> Exception | None:
        """Wait until `name` was announced; its error."""
        while name not in self.errors:
            self._more.clear()
            await self._more.wait()
        return self.errors[name]

    def add(self, name: str, error: Exception | None) -> None:
        """The callback."""
        self.names.append(name)
        self.errors[name] = error
        if self._seam is not None:
            self._seam.note(f"done {name}")
        self._more.set()
