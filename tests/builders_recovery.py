"""The spool of a dead run, and the files in it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from storage import layout
from storage.clock import FakeClock
from storage.recovery import Finding, RecoveredRun, recover_run
from tests import builders_segment
from tests.builders_spool import RUN, identity, place, tree

if TYPE_CHECKING:
    from pathlib import Path

    from media.identity import SegmentIdentity


class Disk:
    """A data directory with the spool of a dead run."""

    def __init__(self, root: Path) -> None:
        self.spool = root / "spool"
        self.quarantine = root / "quarantine"
        self.run = layout.run_directory(self.spool, RUN)
        self.reported: list[Finding] = []

    def place(self, segment: SegmentIdentity, content: bytes, *, sealed: bool = False) -> Path:
        """Put a segment's file there."""
        return place(self.spool, segment, content, sealed=sealed)

    def recover(self) -> RecoveredRun:
        """Recover the run."""
        return recover_run(self.run, self.quarantine, FakeClock(), self.reported.append)

    def sealed(self, sequence: int = 0) -> bytes:
        """The content of a sealed segment."""
        return layout.sealed_path(self.spool, identity(sequence)).read_bytes()

    def kept(self) -> list[bytes]:
        """The content of every file in the quarantine."""
        return list(tree(self.quarantine).values()) if self.quarantine.exists() else []


@cache
def segment_file(sequence: int = 0, fragments: int = 4) -> builders_segment.File:
    """A small segment with this place in the run."""
    units = builders_segment.plain_units(fragments)
    return builders_segment.write(builders_segment.plain_track(), units, identity=identity(sequence))
