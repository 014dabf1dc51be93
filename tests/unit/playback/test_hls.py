"""Playlists of byte ranges into the segments' own files."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av
import pytest

from media.errors import GapReason, NoFootage
from storage.spool_reader import DurableMark
from tests.builders_playback import NOON_US, RUN, Archive, Film, Recorded, count_by_ffprobe, film, saved, whole
from tests.range_server import served

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US


def long_film(seconds: int, *, b_frames: int = 0, seed: int = 7, size: tuple[int, int] = (128, 96)) -> Film:
    """A sync sample a second, and no jitter."""
    return film(25 * seconds, gop=25, b_frames=b_frames, jitter_ticks=0, seed=seed, size=size)


async def ask(archive: Archive, from_s: float, to_s: float) -> str:
    """The playlist between two instants, in seconds after noon."""
    from_us, to_us = NOON_US + int(from_s * SECOND_US), NOON_US + int(to_s * SECOND_US)
    return await archive.library.playlist(archive.camera, from_us, to_us, "/api/v1/segments/")


def entries(playlist: str) -> list[list[str]]:
    """The lines of each entry; its URI is the last one."""
    found: list[list[str]] = [[]]
    for line in playlist.splitlines()[6:]:
        found[-1].append(line)
        if not line.startswith("#"):
            found.append([])
    return [entry for entry in found if entry and not entry[-1].startswith("#")]


async def published(archive: Archive, playlist: str, recorded: list[Recorded]) -> None:
    """Playlist and segments as files below `www`, as the API would give them."""
    www = archive.root / "www"
    (www / "api/v1/segments").mkdir(parents=True)
    for segment in recorded:
        segment_id = segment.identity.segment_id
        content = await whole(await archive.library.segment_bytes(segment_id))
        saved(www / f"api/v1/segments/{segment_id}.mp4", content)
    saved(www / "list.m3u8", playlist.encode())


@contextmanager
def online(archive: Archive) -> Iterator[str]:
    """The address of the published playlist."""
    with served(archive.root / "www") as (address, _):
        yield f"{address}/list.m3u8"


def decoded(url: str) -> list[bytes]:
    """All pictures that FFmpeg finds behind an address."""
    with av.open(url) as container:
        return [frame.to_ndarray(format="yuv420p").tobytes() for frame in container.decode(video=0)]


async def test_a_playlist_of_a_past_range(archive: Archive) -> None:
    """Line by line: version, dates, one init section, groups of fragments that begin with a sync sample, an end."""
    first, second = recorded = archive.record(long_film(10), gops_per_segment=6)
    for segment in recorded:
        await archive.ship(segment)
    playlist = await ask(archive, 1.5, 10)
    uris = [f"/api/v1/segments/{segment.identity.segment_id}.mp4" for segment in recorded]
    init_bytes = len(first.init)
    groups = [sum(map(len, first.fragments[:4])), sum(map(len, first.fragments[4:])), sum(map(len, second.fragments))]
    commit_bytes = 300
    assert playlist.splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:8",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=1.500000,PRECISE=YES",
        f'#EXT-X-MAP:URI="{uris[0]}",BYTERANGE="{init_bytes}@0"',
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T12:00:00.000000Z",
        "#EXTINF:4.000000,",
        f"#EXT-X-BYTERANGE:{groups[0] - commit_bytes}@{init_bytes}",
        uris[0],
        "#EXTINF:2.000000,",
        f"#EXT-X-BYTERANGE:{groups[1] - commit_bytes}@{init_bytes + groups[0]}",
        uris[0],
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T12:00:06.000000Z",
        "#EXTINF:4.000000,",
        f"#EXT-X-BYTERANGE:{groups[2] - commit_bytes}@{init_bytes}",
        uris[1],
        "#EXT-X-ENDLIST",
    ]


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_ffmpeg_plays_every_frame_of_a_span(archive: Archive, b_frames: int) -> None:
    """Both the installed ffmpeg and PyAV's, over HTTP with byte ranges."""
    source = long_film(12, b_frames=b_frames)
    recorded = archive.record(source, gops_per_segment=5)
    for segment in recorded:
        await archive.ship(segment)
    await published(archive, await ask(archive, 0, 12), recorded)
    with online(archive) as url:
        assert decoded(url) == list(source.pictures)
        assert count_by_ffprobe(url) == len(source.pictures)


async def test_a_gap_is_one_marked_entry_and_players_go_on_after_it(archive: Archive) -> None:
    """The mark leads to the next init section. FFmpeg loses the fragment at which the clock goes back, nothing else."""
    films = [long_film(8, b_frames=2, seed=seed) for seed in (1, 2)]
    recorded = archive.record(films[0], gops_per_segment=8)
    recorded += archive.record(films[1], gops_per_segment=8, start_us=NOON_US + HOUR_US // 2, span=1, first_sequence=7)
    for segment in recorded:
        await archive.ship(segment)
    playlist = await ask(archive, 0, 1808)
    gap = entries(playlist)[2]
    uri = f"/api/v1/segments/{recorded[1].identity.segment_id}.mp4"
    init = f"{len(recorded[1].init)}@0"
    assert gap == [
        "#EXT-X-DISCONTINUITY",
        f'#EXT-X-MAP:URI="{uri}",BYTERANGE="{init}"',
        "#EXT-X-GAP",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T12:00:08.000000Z",
        "#EXTINF:1.000000,",
        f"#EXT-X-BYTERANGE:{init}",
        uri,
    ]
    assert entries(playlist)[3][0] == "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T12:30:00.000000Z"
    await published(archive, playlist, recorded)
    with online(archive) as url:
        assert decoded(url) == [*films[0].pictures, *films[1].pictures[25:]]


async def test_a_span_that_follows_at_once_brings_its_init_section_along(archive: Archive) -> None:
    """New parameter sets, no time missing: no gap is claimed, and the first entry begins with the file."""
    films = [long_film(4, seed=1), long_film(4, seed=2, size=(192, 160))]
    recorded = archive.record(films[0], gops_per_segment=4)
    recorded += archive.record(films[1], gops_per_segment=4, start_us=NOON_US + 4 * SECOND_US, span=1, first_sequence=1)
    for segment in recorded:
        await archive.ship(segment)
    second = entries(await ask(archive, 0, 8))[1]
    assert second[0] == "#EXT-X-DISCONTINUITY"
    assert "#EXT-X-GAP" not in second
    assert second[-2].endswith("@0")


async def test_a_playlist_of_the_present_only_ever_grows(archive: Archive) -> None:
    """Without an end, and without the group that is still growing; what was published does not change."""
    archive.clock.step(NOON_US + 11 * SECOND_US - archive.clock.wall_us())
    (segment,) = archive.record(long_film(20), gops_per_segment=20)
    before = ""
    archive.spool_open(segment, 20)
    archive.hold_run()
    for fragment in range(4, 20):
        archive.marks[archive.camera.stream] = DurableMark(run=RUN, epoch=1, sequence=0, fragment=fragment)
        archive.clock.step(SECOND_US)
        playlist = await ask(archive, 0, 3600)
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in playlist
        assert "#EXT-X-ENDLIST" not in playlist
        assert len(entries(playlist)) == fragment // 4
        assert playlist.startswith(before)
        before = playlist
    archive.spool_sealed(segment)
    await archive.register(segment)
    await archive.catalog.gaps.stitch(archive.camera.stream, until_us=None, reason=GapReason.STALLED)
    assert len(entries(await ask(archive, 0, 3600))) == 5, "the camera is gone: nothing grows any more"
    ended = await ask(archive, 0, 20)
    assert ended.endswith("#EXT-X-ENDLIST\n")
    assert ended.replace("VOD", "EVENT").startswith(before)


async def test_the_end_of_a_range_cuts_its_last_entry(archive: Archive) -> None:
    """After the fragment that holds it, so that a second later the same range gives the same playlist."""
    (segment,) = archive.record(long_film(8), gops_per_segment=8)
    archive.spool_open(segment, 6)
    early = await ask(archive, 0, 5.5)
    archive.spool_sealed(segment)
    assert await ask(archive, 0, 5.5) == early
    assert [line for line in early.splitlines() if line.startswith("#EXTINF")] == [
        "#EXTINF:4.000000,",
        "#EXTINF:2.000000,",
    ]


async def test_long_groups_stay_whole(archive: Archive) -> None:
    """Smart codecs send a sync sample every 10 s: an entry cannot begin without one, so it is as long."""
    (segment,) = archive.record(film(500, gop=250, jitter_ticks=0), gops_per_segment=2)
    await archive.ship(segment)
    playlist = await ask(archive, 0, 20)
    assert re.findall("#EXTINF:(.*),", playlist) == ["10.000000", "10.000000"]
    assert "#EXT-X-TARGETDURATION:10" in playlist


async def test_nothing_to_play_is_no_footage(archive: Archive) -> None:
    """Neither an empty range nor one whose only group is still growing gives an empty playlist."""
    with pytest.raises(NoFootage):
        await ask(archive, 0, 10)
    archive.spool_open(archive.record(long_film(4), gops_per_segment=4)[0], 2)
    with pytest.raises(NoFootage):
        await ask(archive, 0, 10)
