"""What the recorder of a stream writes into the journal of its run beside gaps: that it begins, and each span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import journal

if TYPE_CHECKING:
    from ingest.assignments import Assignment
    from media.commit import Commit
    from media.errors import GapReason
    from media.track import Track
    from storage.spool import SpoolRun


def note_start(spool: SpoolRun, assignment: Assignment, at_us: int, reason: GapReason | None = None) -> None:
    """The run is responsible for the stream from here on; `reason`: why the one before it is not any more."""
    camera, epoch = assignment.camera, assignment.epoch
    spool.note(journal.stream_start(stream=assignment.stream, camera=camera, epoch=epoch, at_us=at_us, reason=reason))


def note_span(spool: SpoolRun, commit: Commit, track: Track) -> None:
    """A span begins with this fragment."""
    spool.note(
        journal.span_start(
            stream=commit.identity.stream,
            span=commit.span,
            at_us=commit.wall_us,
            codec=track.codec,
            width=track.width,
            height=track.height,
        )
    )
