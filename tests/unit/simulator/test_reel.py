"""Prepared frames that repeat."""

from __future__ import annotations

import pytest

from media.h264_parameters import ParameterSets
from simulator.codec_h264 import H264
from simulator.reel import Reel, ReelSource
from simulator.source import CodedFrame
from simulator.timetable import steady_lap


@pytest.mark.parametrize(("number", "sync"), [(0, 2), (2, 2), (3, 5), (5, 5), (6, 9), (7, 9), (7_000_000, 7_000_002)])
def test_the_next_sync_sample_may_lie_behind_the_seam(number: int, sync: int) -> None:
    """A lap of seven with sync samples at 2 and 5."""
    frames = tuple(
        CodedFrame.from_units(H264(), [b"\x65\x01" if index in (2, 5) else b"\x41\x01"], marked=False)
        for index in range(7)
    )
    source = ReelSource(Reel(frames=frames, lap=steady_lap(25, 7), parameters=ParameterSets()), 0)
    assert source.next_sync(number) == sync


def test_a_frame_is_delivered_at_once() -> None:
    """By its number in time, not in the lap."""
    frames = tuple(CodedFrame.from_units(H264(), [b"\x65" + bytes([index + 1])], marked=False) for index in range(3))
    source = ReelSource(Reel(frames=frames, lap=steady_lap(25, 3), parameters=ParameterSets()), 0)
    delivered: list[tuple[int, CodedFrame]] = []
    source.produce(3_000_001, lambda number, frame: delivered.append((number, frame)))
    assert delivered == [(3_000_001, frames[1])]
