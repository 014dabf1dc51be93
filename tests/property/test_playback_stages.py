"""Bytes and ETag of a range depend on nothing but what was recorded: not on where its segments are by now."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import NoFootage
from storage import layout
from storage.recovery import recover_run
from storage.spool_reader import DurableMark
from tests.builders_playback import NOON_US, RUN, Archive, Recorded, film, whole

if TYPE_CHECKING:
    from pathlib import Path

CAMERA = UUID("6b1f2a34-5c6d-4e7f-8a9b-0c1d2e3f4a5b")
STREAM = UUID("0f9e8d7c-6b5a-4938-a716-051423324150")
STAGES = ("growing", "sealed", "recovered", "stored")


async def archive_at(stage: str, root: Path, b_frames: int) -> tuple[Archive, list[Recorded]]:
    """Two segments of three fragments; of the second, at least two are durable at every stage."""
    archive = await Archive.create(root, now_us=NOON_US + 60_000_000)
    archive.camera = replace(archive.camera, id=CAMERA, stream=STREAM)
    first, second = recorded = archive.record(film(60, b_frames=b_frames), gops_per_segment=3)
    if stage == "stored":
        await archive.ship(first)
        await archive.ship(second)
        return archive, recorded
    archive.spool_sealed(first)
    if stage == "sealed":
        archive.spool_sealed(second)
    else:
        archive.spool_open(second, 3)
    if stage == "recovered":
        path = layout.open_path(root / "spool", second.identity)
        path.write_bytes(path.read_bytes()[:-1000])
        recover_run(layout.run_directory(root / "spool", RUN), root / "quarantine", archive.clock, lambda _: None)
        assert layout.sealed_path(root / "spool", second.identity).exists()
    else:
        archive.hold_run()
        archive.marks[STREAM] = DurableMark(run=RUN, epoch=1, sequence=1, fragment=1)
    return archive, recorded


def new(directory: Path) -> Path:
    """A directory, made."""
    directory.mkdir()
    return directory


async def answers(archive: Archive, from_us: int, to_us: int) -> tuple[str, bytes, int, int, int] | None:
    """All that a client sees of a video."""
    try:
        video = await archive.library.video(archive.camera, from_us, to_us)
    except NoFootage:
        return None
    assert video.complete
    return video.etag, await whole(video), video.start_us, video.end_us, video.frames


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_range_is_the_same_file_at_every_stage(tmp_path: Path, b_frames: int) -> None:
    """Growing, sealed, recovered after a crash, or in the object store: the same bytes under the same ETag."""
    with asyncio.Runner() as runner:
        made = [runner.run(archive_at(stage, new(tmp_path / stage), b_frames)) for stage in STAGES]
        first, second = made[0][1]
        durable_us = second.shots[19].wall_us + 35_000  # inside the last frame of its second fragment
        edges = [shot.wall_us for shot in (*first.shots, *second.shots[:20])]
        instants = st.one_of(st.sampled_from(edges), st.integers(NOON_US, durable_us))

        @settings(max_examples=60, database=None)
        @given(st.tuples(instants, instants).filter(lambda pair: pair[0] < pair[1]))
        def check(pair: tuple[int, int]) -> None:
            found = [runner.run(answers(archive, *pair)) for archive, _ in made]
            assert found.count(found[0]) == len(STAGES)

        check()
        for archive, _ in made:
            runner.run(archive.close())


async def test_a_file_that_is_being_read_outlives_its_spool_copy(tmp_path: Path) -> None:
    """Sealed, shipped and removed between two pieces: the reader goes on in the object store."""
    archive = await Archive.create(tmp_path, now_us=NOON_US + 60_000_000)
    recorded = archive.record(film(60, b_frames=2), gops_per_segment=2)
    for segment in recorded[:-1]:
        archive.spool_sealed(segment)
    archive.spool_open(recorded[-1], 2)
    video = await archive.library.video(archive.camera, NOON_US + 90_000, recorded[-1].end_us)
    pieces = video.read()
    content = await anext(pieces)
    for segment in recorded:
        await archive.ship(segment)
    async for piece in pieces:
        content += piece
    again = await archive.library.video(archive.camera, NOON_US + 90_000, recorded[-1].end_us)
    assert (again.etag, await whole(again)) == (video.etag, content)
    await archive.close()
