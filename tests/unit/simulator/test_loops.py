"""Loops that reach the asked bitrate."""

from __future__ import annotations

from itertools import pairwise

import pytest

from simulator.loops import LOOPS, encode_loop, loop_frames
from simulator.options import Kind
from simulator.oracle import camera_uuid

CAMERA = camera_uuid("cam/0001")
FRAME, SENT_US = 44_885_598_597, 1_795_423_943_905_095


@pytest.mark.parametrize(
    ("bitrate_bps", "fps", "gop_us"),
    [(4_000_000, 25, 1_000_000), (500_000, 10, 2_000_000), (2_000_000, 15, 8_000_000), (12_000_000, 25, 500_000)],
)
def test_a_loop_has_the_bitrate_that_was_asked_for(bitrate_bps: int, fps: int, gop_us: int) -> None:
    """Within 3 %, the marks counted: a load test must load."""
    reel = encode_loop(Kind(bitrate_bps=bitrate_bps, fps=fps, gop_us=gop_us), 0)
    size = sum(len(payload) for frame in reel.frames for payload in frame.payloads(CAMERA, FRAME, SENT_US))
    assert size * 8 * 1_000_000 / reel.lap.length_us == pytest.approx(bitrate_bps, rel=0.03)


def test_sync_samples_lie_where_the_gop_says() -> None:
    """And not all loops' at the same time: a city's cameras do not send their key frames together."""
    options = Kind(bitrate_bps=500_000, fps=12, gop_us=1_000_000)
    starts = []
    for index in range(LOOPS):
        sync = [number for number, frame in enumerate(encode_loop(options, index).frames) if frame.sync]
        assert {later - earlier for earlier, later in pairwise(sync)} == {12}
        assert len(sync) == 10
        starts.append(sync[0])
    assert starts == [0, 3, 6, 9]


@pytest.mark.parametrize(("gop_us", "frames"), [(1_000_000, 250), (8_000_000, 400), (60_000_000, 1500), (40_000, 250)])
def test_a_loop_is_whole_gops_of_ten_seconds_or_more(gop_us: int, frames: int) -> None:
    """With the usual GOPs the loop and the clock on the wall stay in step."""
    assert loop_frames(Kind(fps=25, gop_us=gop_us)) == frames
