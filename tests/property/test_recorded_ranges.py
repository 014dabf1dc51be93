"""From access units to pictures: what the segmenter makes of long groups with B-frames, cut anywhere by ranges."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.segment_sink import StreamIdentity
from ingest.segmenter import Segmenter
from media.access_unit import AccessUnit
from media.commit import ZERO_CHAIN
from media.errors import NoFootage
from media.h264_parameters import ParameterSets
from media.nal import split_length_prefixed
from storage import layout
from tests.builders_playback import NOON_US, RUN, Archive, Film, film, frames_by_pyav, saved, whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from media.commit import Commit
    from media.identity import SegmentIdentity
    from media.track import Track

FRAMES = 200


@dataclass
class Files:
    """A sink that keeps each segment's bytes."""

    contents: dict[SegmentIdentity, bytes] = field(default_factory=dict)
    current: SegmentIdentity | None = None

    def open_segment(self, identity: SegmentIdentity, track: Track, init: bytes) -> None:
        """A new file."""
        assert track.kind == "video"
        self.current = identity
        self.contents[identity] = init

    def append_fragment(self, buffers: Sequence[bytes | bytearray], commit: Commit) -> None:
        """The next fragment."""
        assert self.current == commit.identity
        self.contents[commit.identity] += b"".join(buffers)

    def seal_segment(self, buffers: Sequence[bytes | bytearray], end_us: int) -> None:
        """The end of the file."""
        assert end_us > NOON_US
        assert self.current is not None
        self.contents[self.current] += b"".join(buffers)

    def interrupted(self, end_us: int, silence_us: int) -> None:
        """Never here."""
        raise AssertionError(f"silence of {silence_us} us after {end_us}")


def segmented(source: Film, archive: Archive) -> Files:
    """The film through the segmenter, each unit arriving when it can be shown."""
    who = StreamIdentity(camera=archive.camera.id, stream=archive.camera.stream, epoch=1, run=RUN)
    files = Files()
    segmenter = Segmenter(who, files, segment_us=4_000_000, chain=ZERO_CHAIN)
    parameters = ParameterSets.from_nals(split_length_prefixed(source.units[0].nals))
    latest_us = NOON_US
    for number, unit in enumerate(source.units):
        latest_us = max(latest_us, NOON_US + unit.pts_ticks * 100 // 9)
        segmenter.add(
            AccessUnit(
                nals=bytearray(unit.nals),
                rtp_timestamp=unit.pts_ticks,
                sync=unit.sync,
                lost_packets=0,
                parameters=None if number else parameters,
            ),
            latest_us,
        )
    segmenter.end_span()
    return files


async def recorded(root: Path, source: Film) -> Archive:
    """An archive whose spool holds the film."""
    archive = await Archive.create(root, now_us=NOON_US + 60_000_000)
    for identity, content in segmented(source, archive).contents.items():
        path = layout.sealed_path(root / "spool", identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        saved(path, content)
    return archive


async def pictures(archive: Archive, from_us: int, to_us: int) -> list[bytes]:
    """What a range shows."""
    try:
        video = await archive.library.video(archive.camera, from_us, to_us)
    except NoFootage:
        return []
    found = frames_by_pyav(await whole(video))
    assert [time for time, _ in found] == sorted(time for time, _ in found)
    assert found[0][0] == 0
    return [picture for _, picture in found]


@pytest.mark.parametrize(("gop", "b_frames"), [(100, 3), (30, 2), (100, 0)])
def test_ranges_partition_what_was_recorded(tmp_path: Path, gop: int, b_frames: int) -> None:
    """Fragments that begin without a sync sample, in the middle of a group of 4 s: every picture in one range, once."""
    source = film(FRAMES, gop=gop, b_frames=b_frames)
    with asyncio.Runner() as runner:
        archive = runner.run(recorded(tmp_path, source))
        instants = st.lists(st.integers(NOON_US, NOON_US + 8_200_000), min_size=1, max_size=5)

        @settings(max_examples=12, database=None)
        @given(instants)
        def check(cuts: list[int]) -> None:
            edges = [NOON_US - 1_000_000, *sorted(cuts), NOON_US + 20_000_000]
            found = [runner.run(pictures(archive, *pair)) for pair in pairwise(edges)]
            assert [picture for part in found for picture in part] == list(source.pictures)

        check()
        runner.run(archive.close())


def test_a_range_may_begin_with_the_last_picture_of_a_segment(tmp_path: Path) -> None:
    """It was sent before the picture that is shown before it; without that one it once met the next segment's first."""
    source = film(FRAMES, gop=30, b_frames=2, jitter_ticks=0)
    with asyncio.Runner() as runner:
        archive = runner.run(recorded(tmp_path, source))
        frame_us = 40_000
        for border_us in range(NOON_US + 30 * frame_us, NOON_US + FRAMES * frame_us, 30 * frame_us):
            cut_us = border_us - frame_us - frame_us // 2
            edges = [NOON_US, cut_us, NOON_US + 20_000_000]
            found = [runner.run(pictures(archive, *pair)) for pair in pairwise(edges)]
            assert [picture for part in found for picture in part] == list(source.pictures)
        runner.run(archive.close())


def test_a_range_inside_a_gop_of_nearly_a_minute_is_exact(tmp_path: Path) -> None:
    """Fragments of a second, one sync sample at the far end: early, in the middle, late, and over the next one."""
    source = film(1450, gop=1400)
    frame_us = 40_000
    with asyncio.Runner() as runner:
        archive = runner.run(recorded(tmp_path, source))
        for first, last in ((0, 3), (30, 32), (749, 776), (1390, 1399), (1395, 1405), (1449, 1450)):
            from_us, to_us = NOON_US + first * frame_us - 15_000, NOON_US + last * frame_us - 15_000
            assert runner.run(pictures(archive, from_us, to_us)) == list(source.pictures[first:last])
        runner.run(archive.close())
