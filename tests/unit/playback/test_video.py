"""An exact mp4 of any range: the right pictures at the right times, no more and no less, whoever reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builders_playback import (
    NOON_US,
    TICKS,
    Archive,
    Film,
    Recorded,
    Shot,
    count_by_ffprobe,
    film,
    frames_by_ffmpeg,
    frames_by_pyav,
    md5,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playback.video import VideoFile

HOUR_US = 3_600_000_000
PLAIN = {"b_frames": 0}
B_FRAMES = {"b_frames": 3}


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    """An archive whose clock stands an hour after noon."""
    made = await Archive.create(tmp_path, now_us=NOON_US + HOUR_US, enabled_at_us=NOON_US - HOUR_US)
    yield made
    await made.close()


async def shelve(archive: Archive, source: Film, **how: int) -> list[Shot]:
    """Record and ship a film; its frames."""
    recorded = archive.record(source, **how)
    for segment in recorded:
        await archive.ship(segment)
    return shots(recorded)


def shots(recorded: list[Recorded]) -> list[Shot]:
    """The frames of some segments."""
    return [shot for segment in recorded for shot in segment.shots]


async def assert_shows(video: VideoFile, expected: list[Shot], path: Path, *, ticks: list[int] | None = None) -> None:
    """Three readers agree on exactly these frames, at these times since the first."""
    content = await whole(video)
    assert len(content) == video.size_bytes
    path.write_bytes(content)
    if ticks is None:
        ticks = [sum(shot.ticks for shot in expected[:index]) for index in range(len(expected))]
    assert frames_by_pyav(content) == list(zip(ticks, [shot.picture for shot in expected], strict=True))
    assert frames_by_ffmpeg(path) == list(zip(ticks, [md5(shot.picture) for shot in expected], strict=True))
    assert count_by_ffprobe(path) == len(expected) == video.frames


@pytest.mark.parametrize("kind", [PLAIN, B_FRAMES], ids=["plain", "b-frames"])
@pytest.mark.parametrize(
    ("first", "stop"),
    [(0, 50), (0, 1), (1, 2), (13, 14), (49, 50), (10, 20), (7, 31), (20, 40), (3, 6), (9, 11), (19, 22), (33, 49)],
)
async def test_a_range_shows_exactly_its_frames(
    archive: Archive, tmp_path: Path, kind: dict[str, int], first: int, stop: int
) -> None:
    """Wherever a range begins and ends: at a sync sample, inside a group, between B-frames, in another segment."""
    frames = await shelve(archive, film(50, **kind))
    end_us = frames[stop].wall_us if stop < len(frames) else NOON_US + 60_000_000
    video = await archive.library.video(archive.camera, frames[first].wall_us, end_us)
    await assert_shows(video, frames[first:stop], tmp_path / "range.mp4")
