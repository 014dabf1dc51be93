"""What others see: VLC and Chromium play what playback gives out. Unit tests ask ffmpeg and PyAV."""

from __future__ import annotations

import asyncio
import io
import os
import pwd
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import pytest_asyncio

from tests.builders_playback import NOON_US, Archive, Film, Recorded, film, saved, whole
from tests.chromium import ONE_LOOP, PICTURES, page_of
from tests.range_server import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = [pytest.mark.scenario, ONE_LOOP]

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
WIDTH, HEIGHT = 128, 96

SHOWN_AT = f"""async ([url, times]) => {{
  {PICTURES}
  const video = await loaded(url), rows = [];
  for (const [time, begins] of times) {{
    const shown = await soughtBy(video, time, begins);
    rows.push(red(shown.pixels(video.videoHeight - 10, 1)));
  }}
  return [video.duration, rows];
}}"""

PLAYED = """async (url) => {
  const video = document.createElement('video');
  video.muted = true;
  const ended = new Promise((resolve, reject) => {
    video.addEventListener('ended', resolve, {once: true});
    video.addEventListener('error', () => reject(new Error(video.error.message)), {once: true});
  });
  video.src = url;
  video.playbackRate = 4;
  await video.play();
  video.playbackRate = 4;
  await ended;
  return [video.currentTime, video.getVideoPlaybackQuality().totalVideoFrames];
}"""


@pytest_asyncio.fixture(loop_scope="module")
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    """An archive whose clock stands an hour after noon."""
    made = await Archive.create(tmp_path, now_us=NOON_US + HOUR_US, enabled_at_us=NOON_US - HOUR_US)
    yield made
    await made.close()


def films() -> list[Film]:
    """Two spans of 8 s with B-frames, a sync sample a second."""
    return [film(200, gop=25, b_frames=2, jitter_ticks=0, seed=seed) for seed in (1, 2)]


async def recorded(archive: Archive) -> list[Recorded]:
    """Both, half a minute apart, in the object store."""
    segments: list[Recorded] = []
    for span, source in enumerate(films()):
        start_us = NOON_US + span * 30 * SECOND_US
        segments += archive.record(
            source, gops_per_segment=4, start_us=start_us, span=span, first_sequence=len(segments)
        )
    for segment in segments:
        await archive.ship(segment)
    return segments


async def published(archive: Archive, segments: list[Recorded]) -> Path:
    """A directory with the playlist of both spans, the segments it names, and a page to play them in."""
    www = archive.root / "www"
    www.mkdir()
    for segment in segments:
        name = f"{segment.identity.segment_id}.mp4"
        saved(www / name, await whole(await archive.library.segment_bytes(segment.identity.segment_id)))
    playlist = await archive.library.playlist(archive.camera, NOON_US, NOON_US + 38 * SECOND_US, "/")
    saved(www / "list.m3u8", playlist.encode())
    saved(www / "page.html", b"<!doctype html>")
    return www


@pytest.mark.browser
async def test_chromium_shows_exactly_the_frames_of_a_range(archive: Archive, browser: Browser) -> None:
    """From the middle of a group to between two B-frames, over a gap: each picture at its time, the first at 0."""
    await recorded(archive)
    from_us, to_us = NOON_US + 7_400_000, NOON_US + 31_200_000
    video = await archive.library.video(archive.camera, from_us, to_us)
    www = archive.root / "www"
    www.mkdir()
    saved(www / "page.html", b"<!doctype html>")
    saved(www / "range.mp4", await whole(video))
    # The picture of second t of a film has its bar at column 25 t (mod its width), nine columns wide.
    times = [0.02, 0.06, 0.10, 0.58, 15.0, 22.62, 22.66, 22.70, 23.78, 23.82]
    begins = [0.0, 0.04, 0.08, 0.56, 0.56, 22.6, 22.64, 22.68, 23.76, 23.76]
    bars = [185, 186, 187, 199, 199, 0, 1, 2, 29, 29]
    with served(www) as (address, _):
        page = await page_of(browser, f"{address}/page.html")
        duration, rows = await page.evaluate(SHOWN_AT, [f"{address}/range.mp4", [*zip(times, begins, strict=True)]])
    # Chromium counts the end of the hidden frame that B-frames before the end of the range need; it never shows it.
    assert 23.8 <= duration <= 23.84
    assert [int(np.argmax(np.array(row) > 128)) for row in rows] == [bar % WIDTH for bar in bars]


@pytest.mark.browser
async def test_chromium_plays_a_playlist_over_a_gap(archive: Archive, browser: Browser) -> None:
    """Its own HLS player (hls.js was tried by hand: decision 0041) plays both spans to the end."""
    www = await published(archive, await recorded(archive))
    with served(www) as (address, _):
        page = await page_of(browser, f"{address}/page.html")
        end, frames = await page.evaluate(PLAYED, f"{address}/list.m3u8")
    assert end >= 16
    assert frames >= 390, "all 400, but for what a busy machine drops"


async def test_vlc_plays_playlist_and_video(archive: Archive) -> None:
    """Over the gap, with the pictures of both spans in order; the last few of a span stay in its remuxer."""
    www = await published(archive, await recorded(archive))
    video = await archive.library.video(archive.camera, NOON_US, NOON_US + 38 * SECOND_US)
    saved(www / "range.mp4", await whole(video))
    pictures = [(number, picture) for number, source in enumerate(films()) for picture in source.pictures]
    with served(www) as (address, _):
        for name in ("list.m3u8", "range.mp4"):
            seen = await remuxed_by_vlc(f"{address}/{name}", archive.root)
            found = [number for number, picture in pictures if picture in seen]
            assert found.count(0) > 170, name
            assert found.count(1) > 170, name


async def remuxed_by_vlc(url: str, scratch: Path) -> set[bytes]:
    """The pictures in what VLC demuxes, as a transport stream. VLC refuses to run as root."""
    out = scratch / "vlc"
    out.mkdir(exist_ok=True)
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    if user is not None:
        os.chown(out, user.pw_uid, user.pw_gid)
        for parent in (scratch, *scratch.parents):
            if "pytest" in str(parent):
                parent.chmod(parent.stat().st_mode | 0o011)
    target = out / "out.ts"
    target.unlink(missing_ok=True)
    sink = f"#std{{access=file,mux=ts,dst={target}}}"
    vlc = await asyncio.create_subprocess_exec(
        *("cvlc", "-I", "dummy", "--no-audio", "--play-and-exit", url, "--sout", sink, "vlc://quit"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(out)},
        **({} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}),
    )
    await asyncio.wait_for(vlc.wait(), 60)
    with av.open(io.BytesIO(target.read_bytes())) as container:
        return {frame.to_ndarray(format="yuv420p").tobytes() for frame in container.decode(video=0)}
