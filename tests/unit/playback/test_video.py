"""An exact mp4 of any range: the right pictures at the right times, no more and no less, whoever reads it."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from media.errors import NoFootage, RangeError
from tests.builders_playback import (
    NOON_US,
    Archive,
    Film,
    Recorded,
    Shot,
    count_by_ffprobe,
    film,
    frames_by_ffmpeg,
    frames_by_pyav,
    md5,
    saved,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

    from playback.video import VideoFile

HOUR_US = 3_600_000_000
PLAIN = {"b_frames": 0}
B_FRAMES = {"b_frames": 3}


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
    count = count_by_ffprobe(saved(path, content))
    if ticks is None:
        ticks = [sum(shot.ticks for shot in expected[:index]) for index in range(len(expected))]
    assert frames_by_pyav(content) == list(zip(ticks, [shot.picture for shot in expected], strict=True))
    assert frames_by_ffmpeg(path) == list(zip(ticks, [md5(shot.picture) for shot in expected], strict=True))
    assert count == len(expected) == video.frames


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


@pytest.mark.parametrize(("first", "stop"), [(0, 50), (10, 20), (8, 11), (9, 10), (10, 11), (7, 31), (29, 33)])
@pytest.mark.parametrize("b_frames", [0, 3])
async def test_a_range_of_h265_shows_exactly_its_frames(
    archive: Archive, tmp_path: Path, b_frames: int, first: int, stop: int
) -> None:
    """Also where it begins with pictures that lead a sync sample: those are decoded from the sync sample before."""
    frames = await shelve(archive, film(50, b_frames=b_frames, h265=True))
    end_us = frames[stop].wall_us if stop < len(frames) else NOON_US + 60_000_000
    video = await archive.library.video(archive.camera, frames[first].wall_us, end_us)
    await assert_shows(video, frames[first:stop], tmp_path / "range.mp4")


async def test_a_range_of_h265_never_claims_what_leads_its_first_segment(archive: Archive, tmp_path: Path) -> None:
    """Those pictures need the segment before: with it in the range they are shown, without it they are not counted."""
    frames = await shelve(archive, film(50, b_frames=3, h265=True))
    video = await archive.library.video(archive.camera, frames[19].wall_us, frames[25].wall_us)
    await assert_shows(video, frames[20:25], tmp_path / "without.mp4")
    video = await archive.library.video(archive.camera, frames[18].wall_us, frames[25].wall_us)
    await assert_shows(video, frames[18:25], tmp_path / "with.mp4")


@pytest.mark.parametrize("kind", [PLAIN, B_FRAMES], ids=["plain", "b-frames"])
async def test_ranges_that_touch_share_no_frame_and_lose_none(archive: Archive, kind: dict[str, int]) -> None:
    """A range cut anywhere, also between two frames, gives the same pictures as the whole."""
    frames = await shelve(archive, film(50, **kind))
    cuts = [NOON_US, NOON_US + 1, *(NOON_US + tenths * 100_000 + 7 for tenths in range(1, 20, 3)), NOON_US + 9_000_000]
    pictures = []
    for from_us, to_us in pairwise(cuts):
        try:
            video = await archive.library.video(archive.camera, from_us, to_us)
        except NoFootage:
            continue
        pictures += [picture for _, picture in frames_by_pyav(await whole(video))]
    assert pictures == [shot.picture for shot in frames]


@pytest.mark.parametrize("kind", [PLAIN, B_FRAMES], ids=["plain", "b-frames"])
async def test_file_time_follows_wall_time_over_a_gap(archive: Archive, tmp_path: Path, kind: dict[str, int]) -> None:
    """The last frame before a gap stays on screen until the first one after it."""
    before = await shelve(archive, film(30, **kind))
    after = await shelve(archive, film(30, seed=8, **kind), start_us=NOON_US + 60_000_000, span=1, first_sequence=9)
    shown = [*before[13:], *after[:17]]
    video = await archive.library.video(archive.camera, shown[0].wall_us, after[17].wall_us)
    ticks = [sum(shot.ticks for shot in before[13:index]) for index in range(13, 30)]
    resumed = (after[0].wall_us - shown[0].wall_us) * 90_000 // 1_000_000
    ticks += [resumed + sum(shot.ticks for shot in after[:index]) for index in range(17)]
    await assert_shows(video, shown, tmp_path / "gap.mp4", ticks=ticks)


async def test_a_change_of_picture_size_is_a_second_sample_entry(archive: Archive, tmp_path: Path) -> None:
    """Each part of the file is decoded with its own parameter sets; the first entry serves again after the second."""
    small, large = film(20, b_frames=2), film(20, b_frames=2, size=(192, 160))
    frames = await shelve(archive, small)
    for number, source in enumerate((large, small), start=1):
        start_us = NOON_US + number * 10_000_000
        frames += await shelve(archive, source, start_us=start_us, span=number, first_sequence=10 * number)
    video = await archive.library.video(archive.camera, frames[5].wall_us, frames[50].wall_us)
    content = await whole(video)
    assert [picture for _, picture in frames_by_pyav(content)] == [shot.picture for shot in frames[5:50]]
    assert count_by_ffprobe(saved(tmp_path / "sizes.mp4", content)) == 45
    assert content.count(b"avcC") == 2


async def test_spans_that_overlap_are_shown_one_after_the_other(archive: Archive) -> None:
    """The clock was set back: frames of both spans lie in the range, and each is shown once."""
    early = await shelve(archive, film(30))
    late = await shelve(archive, film(30, seed=8), start_us=NOON_US + 600_000, span=1, first_sequence=5)
    from_us, to_us = NOON_US + 700_000, NOON_US + 1_500_000
    expected = [shot for shot in [*early, *late] if from_us <= shot.wall_us < to_us]
    video = await archive.library.video(archive.camera, from_us, to_us)
    with av.open(io.BytesIO(await whole(video))) as container:
        pictures = [frame.to_ndarray(format="yuv420p").tobytes() for frame in container.decode(video=0)]
    assert pictures == [shot.picture for shot in expected]
    assert video.frames == len(expected)


async def test_any_part_of_the_file_can_be_read_alone(archive: Archive) -> None:
    """What a Range request gets is what the whole file has there."""
    await shelve(archive, film(50, b_frames=2))
    video = await archive.library.video(archive.camera, NOON_US + 300_000, NOON_US + 1_700_000)
    content = await whole(video)
    random = np.random.default_rng(1)
    edges = [0, 1, 31, 32, len(content) - 1, len(content)]
    edges += [content.index(kind) for kind in (b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco", b"mdat")]
    for start in (*edges, *random.integers(0, len(content), 40)):
        for length in (0, 1, 7, 1000, len(content)):
            part = b"".join([piece async for piece in video.read(int(start), int(start) + length)])
            assert part == content[start : start + length]


async def test_a_range_with_nothing_in_it_is_no_footage(archive: Archive) -> None:
    """Between two frames, before the first and after the last."""
    frames = await shelve(archive, film(20))
    for from_us, to_us in (
        (frames[3].wall_us + 1, frames[4].wall_us),
        (NOON_US - 9, NOON_US),
        (NOON_US + 9_000_000,) * 2,
    ):
        with pytest.raises(NoFootage, match="gate"):
            await archive.library.video(archive.camera, from_us, to_us + (from_us == to_us))


async def test_a_range_beyond_what_is_durable_is_clipped_and_says_so(archive: Archive) -> None:
    """The end of the range is where the newest durable footage ends; asking later gives more."""
    recorded = archive.record(film(40))
    archive.clock.step(NOON_US + 1_500_000 - archive.clock.wall_us())
    archive.spool_open(recorded[0], 2)
    video = await archive.library.video(archive.camera, NOON_US + 100_000, NOON_US + 2_000_000)
    assert not video.complete
    assert video.to_us == recorded[0].end_us
    assert video.frames == sum(shot.wall_us >= NOON_US + 100_000 for shot in recorded[0].shots)
    archive.spool_sealed(recorded[0])
    archive.spool_sealed(recorded[1])
    archive.clock.step(10_000_000)
    later = await archive.library.video(archive.camera, NOON_US + 100_000, NOON_US + 1_600_000)
    assert later.complete
    assert later.etag != video.etag


async def test_a_track_with_another_clock_rate_is_refused(archive: Archive) -> None:
    """One file has one timescale."""
    source = film(20)
    await shelve(archive, source)
    other = Film(
        track=replace(source.track, timescale=48_000),
        units=source.units,
        times_ticks=source.times_ticks,
        pictures=source.pictures,
    )
    await shelve(archive, other, start_us=NOON_US + 10_000_000, span=1, first_sequence=5)
    with pytest.raises(RangeError, match="clock rate changes at 2026-11-18T12:00:10"):
        await archive.library.video(archive.camera, NOON_US, NOON_US + 20_000_000)


@pytest.mark.parametrize("kind", [PLAIN, B_FRAMES], ids=["plain", "b-frames"])
async def test_whole_segments_are_laid_out_from_their_rows(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, kind: dict[str, int]
) -> None:
    """A day is 1440 sample tables from all over the catalog: none is read before the first byte, but those at the ends.

    A row of an earlier version does not have what is needed; its table is read, and the file is the same.
    """
    await shelve(archive, film(100, gop=10, **kind))
    read: list[int] = []
    tables = archive.catalog.footage.sample_tables

    async def counted(segment_ids: Sequence[UUID]) -> dict[UUID, bytes]:
        read.append(len(segment_ids))
        return await tables(segment_ids)

    monkeypatch.setattr(archive.catalog.footage, "sample_tables", counted)
    wanted = archive.camera, NOON_US, NOON_US + HOUR_US
    await archive.library.video(*wanted)
    assert sum(read) == 0
    await archive.library.video(archive.camera, NOON_US + 100_000, NOON_US + 3_900_000)
    assert sum(read) == 2
    new = await archive.library.video(*wanted)
    content = await whole(new)
    read.clear()
    with closing(sqlite3.connect(archive.root / "catalog.sqlite")) as older:
        older.execute("UPDATE segments SET payload_bytes = NULL")
        older.commit()
    old = await archive.library.video(*wanted)
    assert sum(read) == 5
    assert (old.etag, await whole(old)) == (new.etag, content)
