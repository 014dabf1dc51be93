"""Cameras of AV1 from the wire to the browser: recorded, shipped, exported, shown; bytes and pixels are compared."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import av
import cv2
import numpy as np
import pytest

from simulator.picture import HEIGHT, STRIP_HEIGHT, WIDTH, Picture
from simulator.timetable import Timetable, steady_lap
from storm.footage import read_video
from tests.chromium import ONE_LOOP, PICTURES, page_of
from tests.product import output_of, running, simulated
from tests.scenario.test_players import PLAYED
from tests.scenario.test_round_trip import check_units, iso, recorded, seconds_recorded, units
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from numpy.typing import NDArray
    from playwright.async_api import Browser

    from storm.facts import Seen

pytestmark = pytest.mark.scenario

FPS = 25
FRAME = timedelta(seconds=1 / FPS)
LIVE = "cam/0001"
SECONDS = 4

STRIPS_AT = f"""async ([url, times, height]) => {{
  {PICTURES}
  const video = await loaded(url), strips = [];
  for (const [time, begins] of times) {{
    strips.push(red((await soughtBy(video, time, begins)).pixels(0, height)));
  }}
  return [video.videoWidth, video.videoHeight, strips];
}}"""

WATCHED = (
    """async ([url, frames, height]) => {"""
    + PICTURES
    + """
  const source = new MediaSource();
  const video = document.createElement('video');
  video.muted = true;
  video.src = URL.createObjectURL(source);
  await new Promise(resolve => source.addEventListener('sourceopen', resolve, {once: true}));
  const waiting = [];
  let media, buffer;
  const append = () => { if (waiting.length && !buffer.updating) buffer.appendBuffer(waiting.shift()); };
  const begin = () => {
    if (video.paused && video.buffered.length) {
      video.currentTime = video.buffered.start(0);
      video.play();
    }
  };
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({data}) => {
    if (typeof data !== 'string') {
      waiting.push(data);
      append();
    } else if (!media) {
      media = JSON.parse(data);
      buffer = source.addSourceBuffer(media.mime);
      buffer.onupdateend = () => { begin(); append(); };
    }
  };
  const shown = await new Promise((resolve, reject) => {
    video.onerror = () => reject(new Error(video.error.message));
    socket.onclose = () => reject(new Error('the live socket was closed'));
    const look = () => --frames ? video.requestVideoFrameCallback(look) : resolve(shownBy(video));
    video.requestVideoFrameCallback(look);
  });
  return [media, shown.us, red(shown.pixels(0, height))];
}"""
)


class City(NamedTuple):
    """Two cameras that were recorded: one drawn live, one that plays a film again and again."""

    client: httpx.Client
    film: Path
    start: datetime
    """Of the live camera's footage."""
    folder: Path

    def export(self, camera: str, start: datetime, seconds: float) -> Path:
        """An exact mp4 of that range."""
        asked = {"from": iso(start), "to": iso(start + timedelta(seconds=seconds))}
        answer = self.client.get(f"/api/v1/cameras/{camera}/video.mp4", params=asked)
        assert answer.status_code == 200, answer.text
        file = self.folder / f"{camera}-{seconds}.mp4"
        file.write_bytes(answer.content)
        return file

    def frames(self, file: Path, start: datetime) -> list[Seen]:
        """What a file of the live camera shows, each frame with its mark."""
        return list(read_video(file, LIVE, round(start.timestamp() * 1_000_000)))


def make_film(path: Path) -> None:
    """Two seconds by libaom, every picture different."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=320x240:rate={FPS}:duration=2"]
    encoder = ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", str(FPS), "-crf", "40"]
    subprocess.run([*command, "-pix_fmt", "yuv420p", *encoder, path], check=True, timeout=120)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Some seconds of both, over several segments, shipped and still in the spool."""
    folder = tmp_path_factory.mktemp("av1")
    film = folder / "film.mp4"
    make_film(film)
    with (
        simulated("--codec", "av1") as live,
        simulated("--file", film) as looped,
        running(folder, {"live": live[0], "film": looped[0]}, segment_s=2) as client,
    ):
        asyncio.run(eventually("enough is recorded", lambda: least_recorded(client) > SECONDS, 60))
        yield City(client, film, datetime.fromisoformat(recorded(client, "live")[0]["from"]), folder)


def least_recorded(client: httpx.Client) -> float:
    """Of both cameras, in seconds."""
    return min(seconds_recorded(client, camera) for camera in ("live", "film"))


def test_temporal_units_come_back_bit_identical(city: City) -> None:
    """The film's samples, round and round, in order and at their times."""
    start = datetime.fromisoformat(recorded(city.client, "film")[0]["from"])
    check_units(units(city.film), units(city.export("film", start + timedelta(seconds=0.7), 3)))


def test_an_exact_export_has_the_frames_of_its_range(city: City) -> None:
    """From the middle of a GOP: every frame once, in order, with its mark; libav decodes as many as were asked for."""
    start = city.start + timedelta(seconds=0.5)
    file = city.export("live", start, 3)
    seen = city.frames(file, start)
    assert all(frame.intact for frame in seen)
    assert {after.frame - before.frame for before, after in pairwise(seen)} == {1}
    assert len(seen) == 3 * FPS
    with av.open(str(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3 * FPS


def test_other_programs_see_the_same_file(city: City) -> None:
    """From a sync sample on, where players that decode hidden frames have none to count. Nobody complains."""
    seconds = 3 - 0.5 / FPS  # no border of the range is one of a frame
    file = city.export("live", city.start, seconds)
    entries = "stream=codec_name,profile,width,height,nb_read_frames"
    shown, complaints = output_of(
        ["ffprobe", "-v", "warning", "-count_frames", "-show_entries", entries, "-of", "csv=p=0", file]
    )
    assert (shown.strip(), complaints) == (f"av1,Main,{WIDTH},{HEIGHT},{3 * FPS}", "")
    assert output_of(["ffmpeg", "-v", "warning", "-i", file, "-f", "null", "-"]) == ("", "")
    asked = f"from={iso(city.start)}&to={iso(city.start + timedelta(seconds=seconds))}"
    playlist = f"{city.client.base_url}/api/v1/cameras/live/playlist.m3u8?{asked}"
    decoded, complaints = output_of(["ffmpeg", "-v", "error", "-i", playlist, "-map", "0:v", "-f", "framemd5", "-"])
    assert complaints == ""
    assert sum(1 for line in decoded.splitlines() if not line.startswith("#")) >= 3 * FPS


def test_a_still_shows_the_frame_of_its_instant(city: City) -> None:
    """By its burnt-in clock, from a sync sample and from the middle of a GOP."""
    seen = city.frames(city.export("live", city.start, 3), city.start)
    for number in (FPS, 2 * FPS + 13):
        at = city.start + (number + 0.5) * FRAME
        answer = city.client.get("/api/v1/cameras/live/frame.jpg", params={"at": iso(at)})
        assert answer.status_code == 200, answer.text
        picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        assert nearest(picture[:STRIP_HEIGHT], seen[number].frame) == 0


@ONE_LOOP
@pytest.mark.browser
async def test_chromium_shows_the_frames_of_an_export(browser: Browser, city: City) -> None:
    """Each picture at its time, by the clock in it."""
    start = city.start + timedelta(seconds=0.5)
    file = city.export("live", start, 3)
    seen = city.frames(file, start)
    wanted = [0, 1, 12, 13, 40, 74]
    start_us = round(start.timestamp() * 1_000_000)
    begins = [(seen[number].wall_us - start_us) / 1_000_000 for number in wanted]
    times = [(begin + 0.5 / FPS, begin) for begin in begins]
    asked = f"from={iso(start)}&to={iso(start + timedelta(seconds=3))}"
    origin = str(city.client.base_url)
    page = await page_of(browser, f"{origin}/healthz")
    url = f"{origin}/api/v1/cameras/live/video.mp4?{asked}"
    width, height, strips = await page.evaluate(STRIPS_AT, [url, times, STRIP_HEIGHT])
    _, frames = await page.evaluate(PLAYED, f"{origin}/api/v1/cameras/live/playlist.m3u8?{asked}")
    assert (width, height) == (WIDTH, HEIGHT)
    shown = [np.array(strip, np.uint8).reshape(STRIP_HEIGHT, WIDTH) for strip in strips]
    assert [nearest(strip, seen[number].frame) for strip, number in zip(shown, wanted, strict=True)] == [0] * 6
    assert frames >= 2 * FPS, "of the playlist, but for what a busy machine drops"


@ONE_LOOP
@pytest.mark.browser
async def test_chromium_shows_the_camera_live(browser: Browser, city: City) -> None:
    """As fMP4 over the WebSocket; after two seconds the picture's clock is what its time in the stream says."""
    origin = str(city.client.base_url)
    live = f"{origin.replace('http', 'ws')}/api/v1/cameras/live/live"
    page = await page_of(browser, f"{origin}/healthz")
    media, shown_us, strip = await page.evaluate(WATCHED, [live, 2 * FPS, STRIP_HEIGHT])
    assert media["mime"] == 'video/mp4; codecs="av01.0.01M.08"'
    at = datetime.fromisoformat(media["zero"]) + timedelta(microseconds=shown_us)
    strip = np.array(strip, np.uint8).reshape(STRIP_HEIGHT, WIDTH)
    # Live time counts from the arrival of one frame, which is as late as the machine is busy.
    assert -FPS < nearest(strip, round(at.timestamp() * FPS), within=FPS) <= 1


def nearest(strip: NDArray[np.uint8], frame: int, within: int = 10) -> int:
    """Which frame's clock a strip shows, counted from this one; it must look like it."""
    timetable, picture = Timetable(steady_lap(FPS), 0), Picture(LIVE)

    def distance(step: int) -> float:
        drawn = picture.render(timetable.presented_us(frame + step))[:STRIP_HEIGHT]
        # Studio range to full range.
        expected = (drawn.astype(float) - 16) * 255 / 219
        return float(np.abs(expected - strip).mean())

    best = min(range(-within, within + 1), key=distance)
    assert distance(best) < 4
    return best
