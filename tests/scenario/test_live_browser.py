"""Live pictures in a real Chromium, through real processes: the pixels on the screen are the camera's, of this moment.

The simulated camera draws the time into each picture and fresh grain over all of it, so the picture on the screen is
drawn again and compared: that says which one it is, and how old.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Browser, Page, WebSocket

from media.live_wire import HEADER, LiveUnit, read_header, read_message, request
from playback.live_muxer import LEAD_US
from server.status_socket import read_status
from simulator.picture import HEIGHT, WIDTH, Picture
from storage.clock import HostClock
from storage.layout import Layout
from storage.model import main_stream
from storage.unix_address import unix_address
from tests.chromium import ONE_LOOP, PICTURES, page_of
from tests.product import running, simulated

pytestmark = [pytest.mark.scenario, pytest.mark.browser, ONE_LOOP]

FRAME_US = 40_000
GOP_US = 8_000_000
"""Of the camera that draws the time: what some cameras choose by themselves."""
OLDEST_US = 10_000_000
NEAR, MARGIN = 6.0, 1.0
"""Mean difference in luma: a picture on the screen was 3.8 to 5.3 off from itself, and 6.0 to 7.5 from the next one."""
ROWS = HEIGHT // 2
"""Of each picture: the clock and much of the rest."""

LOOK = (
    """video => {"""
    + PICTURES
    + """
  const {at, width, pixels: of} = shownBy(video), pixels = of(0, video.videoHeight / 2);
  const luma = new Uint8Array(pixels.length / 4);
  for (let i = 0; i < luma.length; i++)
    luma[i] = 16 + (66 * pixels[4 * i] + 129 * pixels[4 * i + 1] + 25 * pixels[4 * i + 2]) / 256;
  let text = "";
  for (let i = 0; i < luma.length; i += 4096) text += String.fromCharCode(...luma.subarray(i, i + 4096));
  return [at, width, btoa(text)];
}"""
)

CALL = """async url => {
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = true;
  video.requestVideoFrameCallback(() => window.shownAt = Date.now());
  const peer = window.peer = new RTCPeerConnection();
  peer.addTransceiver("video", {direction: "recvonly"});
  peer.ontrack = ({track}) => video.srcObject = new MediaStream([track]);
  await peer.setLocalDescription(await peer.createOffer());
  const headers = {"Content-Type": "application/sdp"};
  const answer = await fetch(url, {method: "POST", headers, body: peer.localDescription.sdp});
  if (answer.status !== 201) throw new Error(await answer.text());
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  await new Promise(resolve => video.onloadeddata = resolve);
  await video.play();
  return answer.headers.get("Location");
}"""


SHOWS = """() => {
  const video = document.getElementById("live-video");
  return video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !video.seeking;
}"""
NOTE_FIRST = """() => {
  const video = document.getElementById("live-video");
  video.requestVideoFrameCallback((_, {mediaTime}) => { window.firstShown = mediaTime; });
}"""
KEEP_LITTLE = "async () => { (await import('/live.js')).Live.kept = 0.5; }"
COUNT_ERRORS = """() => {
  const video = document.getElementById("live-video");
  window.errors = window.shown = 0;
  video.addEventListener("error", () => window.errors++);
  const count = () => { window.shown++; video.requestVideoFrameCallback(count); };
  video.requestVideoFrameCallback(count);
}"""
RECENT_US = 500_000


@dataclass(frozen=True)
class Product:
    """A running product with two cameras, and where it is; `yard` sends these pictures again and again."""

    http: httpx.Client
    data: Path
    film: list[NDArray[np.uint8]]


def high_film(path: Path) -> Path:
    """A file in the High profile, which most cameras send."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25,format=gray"]
    command += ["-frames:v", "50", "-c:v", "libx264", "-profile:v", "high", "-pix_fmt", "yuv420p", "-bf", "0"]
    subprocess.run([*command, "-g", "25", "-preset", "veryfast", path], check=True, timeout=60)
    return path


def luma_of(path: Path) -> list[NDArray[np.uint8]]:
    """Its pictures, as far as they are compared."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray()[:ROWS] for frame in container.decode(video=0)]


@pytest.fixture(name="product", scope="module")
def _product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("live")
    high = high_film(folder / "high.mp4")
    with (
        simulated("--gop", f"{GOP_US // 1_000_000}s") as (gate,),
        simulated("--file", high) as (yard,),
        running(folder, {"gate": gate, "yard": yard}) as http,
    ):
        yield Product(http, folder / "data", luma_of(high))


async def opened(browser: Browser, product: Product, path: str) -> Page:
    """A page of the product, as soon as its camera records."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(recording, product):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)
    return await page_of(browser, str(product.http.base_url.join(path)))


def recording(product: Product) -> bool:
    """Whether the cameras record."""
    try:
        cameras = product.http.get("/api/v1/cameras").json()
    except httpx.TransportError:
        return False
    return bool(cameras) and all(camera["state"] == "recording" for camera in cameras)


async def pid_of_recorder(product: Product) -> int | None:
    """Who records; None while nobody answers."""
    said = await read_status(Layout(product.data).socket("record"))
    return None if said is None else said["pid"]


async def look(page: Page, selector: str) -> tuple[int, NDArray[np.uint8]]:
    """What is on the screen, and when."""
    at_ms, width, encoded = await page.locator(selector).evaluate(LOOK)
    assert width == WIDTH
    return int(at_ms) * 1000, np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(ROWS, WIDTH)


async def age_us(page: Page, selector: str) -> int:
    """How old the picture on the screen is; fails unless it is one that the camera drew in the last seconds."""
    at_us, luma = await look(page, selector)
    taken_us = taken(luma, at_us, OLDEST_US)
    assert taken_us is not None, "this is no picture of the last ten seconds"
    return at_us - taken_us


def taken(luma: NDArray[np.uint8], at_us: int, oldest_us: int) -> int | None:
    """When the camera drew this picture; None if not in so long before a moment."""
    newest_us = at_us // FRAME_US * FRAME_US
    drawn = Picture("cam/0001")
    for wall_us in range(newest_us + FRAME_US, newest_us - oldest_us, -FRAME_US):
        off = difference(drawn, wall_us, luma)
        if off < NEAR and off + MARGIN < difference(drawn, wall_us - FRAME_US, luma):
            return wall_us
    return None


def difference(drawn: Picture, wall_us: int, luma: NDArray[np.uint8]) -> float:
    """Between the picture of a moment and the one on the screen."""
    return float(np.abs(drawn.render(wall_us)[:ROWS].astype(np.int16) - luma).mean())


async def ages(page: Page, selector: str, door: str, readings: int = 10) -> None:
    """Look at the screen a number of times, and print what was seen."""
    seen = []
    for _ in range(readings):
        seen.append(await age_us(page, selector))
        await asyncio.sleep(0.05)
    median, worst = statistics.median(seen) / 1000, max(seen) / 1000
    print(f"{door}: pictures {median:.0f} ms old (median of {readings}), {worst:.0f} ms at worst")


async def early_in_a_group(product: Product) -> int:
    """Wait until a group of pictures is old, but has some seconds to go; when the next sync sample is due."""
    sync_us = (await first_unit(product)).arrival_us
    begun_us = (HostClock().wall_us() - sync_us) % GOP_US
    await asyncio.sleep((1_500_000 - begun_us) % GOP_US / 1_000_000 if not 1_500_000 < begun_us < 3_000_000 else 0)
    sync_us = (await first_unit(product)).arrival_us
    assert 1_000_000 < HostClock().wall_us() - sync_us < GOP_US
    return sync_us + GOP_US


def zeros_of(page: Page) -> list[int]:
    """The times of day of media time 0 that a page is told from here on, in microseconds."""
    zeros: list[int] = []

    def note(message: bytes | str) -> None:
        if isinstance(message, str):
            zeros.append(round(datetime.fromisoformat(json.loads(message)["zero"]).timestamp() * 1_000_000))

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    return zeros


async def first_unit(product: Product) -> LiveUnit:
    """What somebody gets first who begins to watch while nobody else does."""
    (camera,) = [camera for camera in product.http.get("/api/v1/cameras").json() if camera["name"] == "gate"]
    async with asyncio.timeout(10):
        with unix_address(Layout(product.data).live) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        try:
            writer.write(request(main_stream(UUID(camera["id"]))))
            while True:
                length, kind = read_header(await reader.readexactly(HEADER.size))
                message = read_message(kind, await reader.readexactly(length))
                if isinstance(message, LiveUnit):
                    assert message.sync
                    return message
        finally:
            writer.transport.abort()


async def in_the_present(page: Page, selector: str, door: str, asked_us: int, next_us: int) -> None:
    """Wait for a picture of this moment."""
    async with asyncio.timeout(60):
        taken_us = None
        while taken_us is None:
            at_us, luma = await look(page, selector)
            taken_us = taken(luma, at_us, RECENT_US)
    print(f"{door}: a picture {(at_us - taken_us) / 1000:.0f} ms old after {(at_us - asked_us) / 1e6:.2f} s", end=", ")
    print(f"{(next_us - at_us) / 1e6:.1f} s before the next sync sample")


async def test_the_first_viewer_need_not_wait_for_a_sync_sample(browser: Browser, product: Product) -> None:
    """The page shows the present out of a group that is being recorded, and keeps what that needs."""
    page = await opened(browser, product, "/")
    await page.evaluate(KEEP_LITTLE)
    await page.evaluate(NOTE_FIRST)
    zeros = zeros_of(page)
    await page.get_by_role("button", name="gate").click()
    next_us = await early_in_a_group(product)
    asked_us = await page.evaluate("() => { document.getElementById('live').click(); return Date.now(); }") * 1000
    await page.wait_for_function(SHOWS)
    # The group was there already when the page showed it, and it did not wait for another one to begin.
    begins_us, first_us = zeros[0] + LEAD_US, zeros[0] + await page.evaluate("firstShown") * 1_000_000
    assert begins_us < asked_us - 1_000_000
    assert begins_us < first_us < next_us
    await in_the_present(page, "#live-video", "WebSocket", asked_us, next_us)
    await ages(page, "#live-video", "WebSocket, from the middle of a group", readings=5)


async def test_the_first_webrtc_viewer_need_not_wait_either(browser: Browser, product: Product) -> None:
    """A browser runs through the pictures that the present one needs, as fast as it decodes them."""
    page = await opened(browser, product, "/healthz")
    next_us = await early_in_a_group(product)
    asked_us = await page.evaluate("Date.now()") * 1000
    await page.evaluate(CALL, str(product.http.base_url.join("/api/v1/cameras/gate/whep")))
    await age_us(page, "video")
    shown_us = await page.evaluate("shownAt") * 1000
    print(f"WebRTC: the first picture after {(shown_us - asked_us) / 1e6:.2f} s", end=", ")
    assert shown_us < next_us
    await in_the_present(page, "video", "WebRTC", asked_us, next_us)
    await ages(page, "video", "WebRTC, from the middle of a group", readings=5)


async def test_the_page_shows_the_camera_live(browser: Browser, product: Product) -> None:
    """By the button, out of footage; the time under the picture is that of the picture."""
    page = await opened(browser, product, "/")
    await page.get_by_role("button", name="gate").click()
    await page.get_by_role("button", name="Live", exact=True).click()
    await page.wait_for_function(SHOWS)
    await page.wait_for_function("() => document.getElementById('live-video').currentTime > 2.5")
    await ages(page, "#live-video", "WebSocket")
    assert page.url.endswith("#gate@live")
    await page.get_by_role("button", name="Close").click()


async def test_webrtc_shows_the_camera_live(browser: Browser, product: Product) -> None:
    """H.264 as the camera sent it, until the session is ended."""
    page = await opened(browser, product, "/healthz")
    location = await page.evaluate(CALL, str(product.http.base_url.join("/api/v1/cameras/gate/whep")))
    await page.wait_for_function("() => document.querySelector('video').currentTime > 1")
    await ages(page, "video", "WebRTC")
    assert product.http.delete(location).status_code == 200
    await page.wait_for_function("() => ['closed', 'failed', 'disconnected'].includes(peer.connectionState)")


async def test_webrtc_shows_a_stream_of_the_high_profile(browser: Browser, product: Product) -> None:
    """Chromium's own decoder does not offer that profile, and takes it under the name of Main."""
    page = await opened(browser, product, "/healthz")
    await page.evaluate(CALL, str(product.http.base_url.join("/api/v1/cameras/yard/whep")))
    seen: set[int] = set()
    async with asyncio.timeout(60):  # or it is the same picture again and again
        while len(seen) < 3:
            _, luma = await look(page, "video")
            off = [float(np.abs(picture.astype(np.int16) - luma).mean()) for picture in product.film]
            assert min(off) < 3.0, "this is none of the film's pictures"
            seen.add(int(np.argmin(off)))


async def test_a_recorder_that_is_killed_is_seen_live_again(browser: Browser, product: Product) -> None:
    """The page goes on by itself, in the same connection, with the present, and forgets what was before."""
    page = await opened(browser, product, "/#gate@live")
    await page.evaluate(KEEP_LITTLE)
    await page.wait_for_function(SHOWS)
    kept = await page.evaluate("document.getElementById('live-video').buffered.start(0)")
    before = await pid_of_recorder(product)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(30):
        while (await pid_of_recorder(product)) in {None, before}:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)
    at = await page.evaluate("document.getElementById('live-video').currentTime")
    await page.wait_for_function("at => document.getElementById('live-video').currentTime > at + 1", arg=at)
    await ages(page, "#live-video", "after a restart", readings=3)
    await page.wait_for_function("at => document.getElementById('live-video').buffered.start(0) > at", arg=kept)


async def test_a_picture_lost_of_av1_costs_the_rest_of_its_group(browser: Browser, tmp_path: Path) -> None:
    """Chromium shows nothing more of what it was given; the page begins again with a group that is whole."""
    lossy = simulated("--codec", "av1", "--gop", "1s", "--bitrate", "1M", "--fault", "loss,percent=2")
    with lossy as (gate,), running(tmp_path, {"gate": gate}) as http:
        page = await opened(browser, Product(http, tmp_path / "data", []), "/")
        await page.evaluate(COUNT_ERRORS)
        sockets: list[WebSocket] = []
        page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108 - it wants a function of Python
        await page.get_by_role("button", name="gate").click()
        await page.get_by_role("button", name="Live", exact=True).click()
        for again in (1, 2):
            await page.wait_for_function("again => window.errors >= again", arg=again)
            await page.evaluate("() => { window.shown = 0; }")
            await page.wait_for_function("() => window.shown > 10")
        wanted = [socket.url.rpartition("=")[2] for socket in sockets]
        assert wanted == ["now", *["next"] * (len(wanted) - 1)]
