"""A browser hears what is given back, and refuses nothing because of its sound."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.builders_audio import AAC, OPUS, PCMU, encoded, packetized
from tests.builders_playback import NOON_US, saved, whole
from tests.chromium import ONE_LOOP, page_of
from tests.range_server import served
from tests.unit.playback.test_sound import SECONDS, pcm_packets, recorded

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

    from tests.builders_playback import Archive

pytestmark = [pytest.mark.scenario, pytest.mark.browser, ONE_LOOP]

PLAYED = """async (url) => {
  const video = document.createElement('video');
  const ended = new Promise((resolve, reject) => {
    video.addEventListener('ended', resolve, {once: true});
    video.addEventListener('error', () => reject(new Error(video.error.message)), {once: true});
  });
  video.src = url;
  await video.play();
  video.playbackRate = 4;
  await ended;
  return [video.currentTime, video.getVideoPlaybackQuality().totalVideoFrames, video.webkitAudioDecodedByteCount];
}"""

BUFFERED = """async ([url, codecs, init]) => {
  const media = new MediaSource();
  const video = document.createElement('video');
  video.src = URL.createObjectURL(media);
  await new Promise(resolve => media.addEventListener('sourceopen', resolve, {once: true}));
  const buffer = media.addSourceBuffer(`video/mp4; codecs="${codecs}"`);
  buffer.appendBuffer(await (await fetch(url)).arrayBuffer());
  await new Promise((resolve, reject) => {
    buffer.addEventListener('updateend', resolve, {once: true});
    buffer.addEventListener('error', () => reject(new Error('refused')), {once: true});
  });
  return [buffer.buffered.length, buffer.buffered.end(0)];
}"""

HEARD = """async (url) => {
  const context = new OfflineAudioContext(1, 16000, 16000);
  const sound = await context.decodeAudioData(await (await fetch(url)).arrayBuffer());
  const samples = sound.getChannelData(0).slice(4 * 16000, 5 * 16000);
  let crossings = 0;
  for (let i = 1; i < samples.length; i++) crossings += samples[i - 1] < 0 && samples[i] >= 0;
  return [sound.duration, crossings];
}"""


async def _published(archive: Archive) -> Path:
    """A directory with an export, a playlist, the segments it names, and an empty page."""
    www = archive.root / "www"
    www.mkdir()
    playlist = await archive.library.playlist(archive.camera, NOON_US, NOON_US + SECONDS * 1_000_000, "/")
    for name, query in set(re.findall(r"([0-9a-f-]{36})\.mp4(\?audio=none)?", playlist)):
        content = await archive.library.segment_bytes(UUID(name), sound=not query)
        saved(www / f"{name}.mp4", await whole(content))
        saved(www / "segment.mp4", await whole(content))
    saved(www / "list.m3u8", playlist.encode())
    video = await archive.library.video(archive.camera, NOON_US + 1_500_000, NOON_US + 9_900_000)
    saved(www / "export.mp4", await whole(video))
    saved(www / "page.html", b"<!doctype html>")
    return www


@pytest.mark.parametrize(
    ("codec", "section", "timing"), [("aac", AAC, (16_000, 1024)), ("libopus", OPUS, (48_000, 960))]
)
async def test_chromium_plays_pictures_and_sound(
    browser: Browser, tmp_path: Path, codec: str, section: str, timing: tuple[int, int]
) -> None:
    """An export and a playlist to their ends; what is heard is the tone that was sent."""
    rate, ticks = timing
    frames, extradata = encoded(codec, rate=rate, seconds=SECONDS)
    packets = [
        ((n + 1) * ticks * 1_000_000 // rate, n * ticks, packetized(codec, frame)) for n, frame in enumerate(frames)
    ]
    archive = await recorded(tmp_path, section.replace("config=1408", f"config={extradata.hex()}"), packets)
    with served(await _published(archive)) as (address, _):
        page = await page_of(browser, f"{address}/page.html")
        for name, seconds in (("export.mp4", 8.4), ("list.m3u8", SECONDS)):
            end, shown, decoded = await page.evaluate(PLAYED, f"{address}/{name}")
            assert abs(end - seconds) < 0.2, name
            assert shown > 0.9 * seconds * 25, name
            assert decoded > 0.9 * seconds / SECONDS * sum(map(len, frames)), name
        duration, crossings = await page.evaluate(HEARD, f"{address}/export.mp4")
        assert abs(duration - 8.4) < 0.2
        assert abs(crossings - 440) <= 1
    await archive.close()


async def test_chromium_plays_a_camera_with_g711_in_silence(browser: Browser, tmp_path: Path) -> None:
    """It would refuse the file as a whole if it told of a codec that the browser does not know."""
    archive = await recorded(tmp_path, PCMU, pcm_packets())
    with served(await _published(archive)) as (address, _):
        page = await page_of(browser, f"{address}/page.html")
        for name, seconds in (("export.mp4", 8.4), ("list.m3u8", SECONDS)):
            end, shown, decoded = await page.evaluate(PLAYED, f"{address}/{name}")
            assert abs(end - seconds) < 0.2, name
            assert shown > 0.9 * seconds * 25, name
            assert decoded == 0, name
        ranges, _end = await page.evaluate(BUFFERED, [f"{address}/segment.mp4", "avc1.64000a", ""])
        assert ranges == 1
    await archive.close()
