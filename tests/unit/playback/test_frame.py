"""The picture on screen at an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

import playback.frame
from media.errors import CodecError, NoFootage
from tests.builders_playback import NOON_US, Archive, film

if TYPE_CHECKING:
    from playback.frame import Frame
    from tests.builders_playback import Shot

HOUR_US = 3_600_000_000
WIDTH, HEIGHT = 128, 96


def assert_shows(frame: Frame, shot: Shot, others: list[Shot]) -> None:
    """The JPEG is nearest to this picture, and near to it."""
    assert frame.wall_us == shot.wall_us
    image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (HEIGHT, WIDTH)

    def distance(other: Shot) -> float:
        luma = np.frombuffer(other.picture, np.uint8)[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)
        full_range = (luma.astype(float) - 16) * 255 / 219  # JPEG has no headroom, video has
        return float(np.abs(image - np.clip(full_range, 0, 255)).mean())

    assert distance(shot) < 4
    assert min(others, key=distance) is shot


@pytest.mark.parametrize("b_frames", [0, 3])
async def test_the_last_frame_at_or_before_the_instant(archive: Archive, b_frames: int) -> None:
    """At a frame's own instant, just before the next one, and with B-frames around it."""
    recorded = archive.record(film(40, b_frames=b_frames))
    for segment in recorded:
        await archive.ship(segment)
    shots = [shot for segment in recorded for shot in segment.shots]
    for index in (0, 1, 2, 3, 9, 10, 11, 19, 20, 27, 38):
        for at_us in (shots[index].wall_us, shots[index + 1].wall_us - 1):
            assert_shows(await archive.library.frame(archive.camera, at_us), shots[index], shots)
    assert_shows(await archive.library.frame(archive.camera, recorded[-1].end_us - 1), shots[-1], shots)


async def test_a_frame_of_h265(archive: Archive) -> None:
    """At a sync sample, before and after it, and one that leads it."""
    recorded = archive.record(film(40, b_frames=3, h265=True))
    for segment in recorded:
        await archive.ship(segment)
    shots = [shot for segment in recorded for shot in segment.shots]
    for index in (0, 1, 8, 9, 10, 11, 20, 29, 38):
        assert_shows(await archive.library.frame(archive.camera, shots[index].wall_us), shots[index], shots)


async def test_what_leads_a_segment_is_not_shown_alone(archive: Archive) -> None:
    """It needs what came before the segment: the last frame of that is shown instead, with its own time."""
    recorded = archive.record(film(40, b_frames=3, h265=True))
    for segment in recorded:
        await archive.ship(segment)
    shots = [shot for segment in recorded for shot in segment.shots]
    assert shots[19] is recorded[1].shots[0]
    assert_shows(await archive.library.frame(archive.camera, shots[19].wall_us), shots[18], shots)


async def test_the_newest_frame_comes_from_the_spool(archive: Archive) -> None:
    """Out of a file that is still being written."""
    first, second = archive.record(film(40))
    archive.spool_sealed(first)
    archive.spool_open(second, 1)
    assert_shows(
        await archive.library.frame(archive.camera, second.shots[9].wall_us), second.shots[9], list(second.shots)
    )


async def test_outside_of_spans_there_is_no_picture(archive: Archive) -> None:
    """Before the first frame, in a gap, after the last."""
    before = archive.record(film(20))
    after = archive.record(film(20, seed=8), start_us=NOON_US + 10_000_000, span=1, first_sequence=5)
    for segment in (*before, *after):
        await archive.ship(segment)
    for at_us in (NOON_US - 1, before[-1].end_us, NOON_US + 5_000_000, NOON_US + 10_000_000 - 1, after[-1].end_us):
        with pytest.raises(NoFootage, match="nothing was recorded at 2026-11-18T1"):
            await archive.library.frame(archive.camera, at_us)


async def test_the_work_for_one_frame_is_bounded(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of pictures without end is refused, with a hint for whoever set up the camera."""
    (segment,) = archive.record(film(20))
    await archive.ship(segment)
    monkeypatch.setattr(playback.frame, "MOST_BYTES", len(segment.fragments[0]) * 3 // 4)
    assert await archive.library.frame(archive.camera, NOON_US + 50_000)
    with pytest.raises(CodecError, match="bytes lie between the frame at"):
        await archive.library.frame(archive.camera, NOON_US + 380_000)
