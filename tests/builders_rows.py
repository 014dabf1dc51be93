"""A segment's row, complete and plausible, for every test that needs one: the test names only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from media.identity import SegmentIdentity
from storage.model import Segment, SegmentState

CAMERA, STREAM = UUID(int=1), UUID(int=2)


def segment_row(
    start_us: int,
    end_us: int,
    sequence: int = 0,
    *,
    camera: UUID = CAMERA,
    stream: UUID = STREAM,
    run: int = 1,
    **fields: Any,
) -> Segment:
    """Footage from `start_us` to `end_us`, the first of its span, stored, at 25 frames a second."""
    ticks = (end_us - start_us) * 9 // 100
    row = Segment(
        identity=SegmentIdentity(camera=camera, stream=stream, epoch=1, run=run, sequence=sequence),
        span=0,
        state=SegmentState.STORED,
        start_us=start_us,
        end_us=end_us,
        media_ticks=0,
        duration_ticks=ticks,
        timescale=90_000,
        samples=max(1, ticks // 3600),
        sync_samples=1,
        lost_packets=0,
        codec="avc1.64001f",
        width=1920,
        height=1080,
        init_bytes=700,
        size_bytes=30_000,
        sha256=None,
        fragments=b"",
        chain=bytes(32),
    )
    return replace(row, **fields)
