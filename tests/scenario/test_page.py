"""The operators' page in a real Chromium."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from media.errors import GapReason
from media.url import CameraUrl
from server.status_socket import answering
from storage.layout import Layout
from storage.model import DesiredCamera
from tests.builders_playback import NOON_US, Archive, film
from tests.builders_server import recorder, serving
from tests.chromium import ONE_LOOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from playwright.async_api import Browser, Page, Route

pytestmark = [pytest.mark.scenario, pytest.mark.browser, ONE_LOOP]

expect.set_options(timeout=20_000)
SECOND_US = 1_000_000
DAY = "2026-11-18"
WATCH_NOTICES = """() => {
  window.said = [];
  const notice = document.getElementById("notice");
  const wall = document.getElementById("wall");
  const note = () => window.said.push([wall.textContent, notice.textContent]);
  new MutationObserver(note).observe(notice, {childList: true});
}"""
HOSTILE = "<img src=x onerror=alert(1)>"


class Visit:
    """The page as somebody in UTC sees it, at a moment; and everything that went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        page.on("request", lambda request: self.asked.append(request.url))

    async def wall(self) -> str:
        """The time under the picture."""
        return await self.page.locator("#wall").inner_text()

    async def reaches(self, moment: str) -> None:
        """Wait until the time under the picture is this one, or later."""
        await self.page.wait_for_function("m => document.getElementById('wall').textContent >= m", arg=moment)

    def bar(self, camera: str) -> Any:
        """A camera's bar."""
        return self.page.get_by_role("slider", name=f"Footage of {camera}")


@asynccontextmanager
async def visit(
    browser: Browser, http: httpx.AsyncClient, path: str = "/", *, still: bool = False
) -> AsyncIterator[Visit]:
    """Open the page a minute after noon; nothing may go wrong on it, and nothing be loaded from elsewhere.

    Bars follow the present: who points at one needs it to stand `still`, or a busy machine points at a later moment.
    """
    origin = str(http.base_url)
    context = await browser.new_context(timezone_id="UTC", locale="en-GB", viewport={"width": 1300, "height": 900})
    page = await context.new_page()
    await (page.clock.set_fixed_time if still else page.clock.set_system_time)(at_noon())
    opened = Visit(page)
    await page.goto(origin + path)
    yield opened
    await context.close()
    assert opened.faults == []
    assert [asked for asked in opened.asked if not asked.startswith(f"{origin}/")] == []


@pytest_asyncio.fixture(name="archive", loop_scope="module")
async def _archive(tmp_path: Path) -> AsyncIterator[Archive]:
    """Noon: four seconds of footage, a gap of ten, four more seconds in another span."""
    archive = await Archive.create(tmp_path, now_us=NOON_US + 60 * SECOND_US)
    stream, gaps = archive.camera.stream, archive.catalog.gaps
    again_us = NOON_US + 14 * SECOND_US
    for segment in archive.record(film(100, jitter_ticks=0)):
        await archive.ship(segment)
    await gaps.stitch(stream, until_us=again_us, reason=GapReason.REFUSED, detail="port 554 refuses")
    for segment in archive.record(film(100, jitter_ticks=0), start_us=again_us, span=1, first_sequence=5):
        await archive.ship(segment)
    await gaps.stitch(stream, until_us=None, reason=GapReason.AUTH)
    Layout(tmp_path).socket("record").parent.mkdir()
    yield archive
    await archive.close()


def at_noon(seconds: float = 60) -> datetime:
    """A moment after noon."""
    return datetime.fromisoformat(f"{DAY}T12:00:00+00:00") + timedelta(seconds=seconds)


async def test_cameras_are_listed_with_state_reason_and_day(browser: Browser, archive: Archive) -> None:
    """What an operator looks for first."""
    said = recorder(archive.camera, state="failed", reason="auth", since_us=NOON_US + 30 * SECOND_US)
    async with (
        answering(Layout(archive.root).socket("record"), lambda: said),
        serving(archive) as http,
        visit(browser, http) as seen,
    ):
        row = seen.page.locator(".cameras > li")
        await expect(row).to_have_count(1)
        await expect(row).to_contain_text("gate")
        await expect(row).to_contain_text("failed, auth since 12:00:18 · town")
        await expect(seen.page.locator("#summary")).to_have_text("1 failed")
        await expect(seen.page.locator("#date")).to_have_value(DAY)


async def test_what_is_odd_about_cameras_is_said_and_found(browser: Browser, archive: Archive) -> None:
    """Of 220 cameras the one that fails is first, with its reason in words; then those with remarks, since when.

    Words that somebody looks for leave the others out, and so does a button. What they say is text, whoever says it.
    """
    url, inventory = CameraUrl.parse("rtsp://10.0.0.9/"), archive.catalog.inventory
    named = [DesiredCamera(name=f"camera-{number:03}", url=url) for number in range(219)]
    cameras = [archive.camera, *[await inventory.add(camera, site="town") for camera in named]]
    said = recorder(cameras[0])
    streams = [recorder(camera, since_us=NOON_US)["streams"] for camera in cameras]
    said["streams"] = {stream: state for known in streams for stream, state in known.items()}
    failing, frozen, wrong = (said["streams"][str(cameras[number].stream)] for number in (200, 100, 50))
    failing |= {"state": "failed", "reason": "auth", "detail": f"DESCRIBE was answered with 401 {HOSTILE}"}
    frozen |= {"conditions": {"frozen_picture": NOON_US + 30 * SECOND_US}}
    wrong |= {"conditions": {"camera_clock": NOON_US}, "camera_clock_offset_us": -41_000_000}
    async with (
        answering(Layout(archive.root).socket("record"), lambda: said),
        serving(archive) as http,
        visit(browser, http) as seen,
    ):
        rows = seen.page.locator(".cameras > li")
        shown = rows.filter(visible=True)
        await expect(rows).to_have_count(220)
        await expect(seen.page.locator("#summary")).to_have_text("219 recording, 1 failed, 2 have remarks")
        await expect(rows.nth(0)).to_contain_text(f"DESCRIBE was answered with 401 {HOSTILE}")
        await expect(rows.nth(1)).to_contain_text("its clock is 41.0 s slow, since 12:00:00")
        await expect(rows.nth(2)).to_contain_text("shows the same picture again and again, since 12:00:30")
        await expect(rows.nth(3)).to_contain_text("camera-000")
        await seen.page.get_by_role("button", name="Troubled only").click()
        await expect(shown).to_have_count(3)
        await seen.page.get_by_role("searchbox").fill("SAME picture")
        await expect(shown).to_have_count(1)
        await expect(shown).to_contain_text("camera-099")
        await seen.page.get_by_role("searchbox").fill("zebra")
        await expect(seen.page.locator("#none")).to_be_visible()
        await seen.page.get_by_role("searchbox").fill("")
        await seen.page.get_by_role("button", name="Troubled only").click()
        await rows.nth(2).get_by_role("button").focus()
        frozen["conditions"] = {}
        await expect(seen.page.locator("#summary")).to_have_text("219 recording, 1 failed, 1 has a remark")
        await expect(rows.nth(100).get_by_role("button")).to_be_focused()


async def test_a_click_plays_from_there_over_the_gap_and_says_when(browser: Browser, archive: Archive) -> None:
    """Playing goes on in the next span; the time under the picture is the picture's own."""
    async with serving(archive) as http, visit(browser, http, f"/#gate@{DAY}T12:00:01Z") as seen:
        await seen.reaches(f"{DAY} 12:00:01")
        await expect(seen.page.locator("#notice")).to_be_hidden()
        await seen.reaches(f"{DAY} 12:00:03")
        await seen.reaches(f"{DAY} 12:00:14")
        await expect(seen.page.locator("#notice")).to_have_text("Skipped 10 s without footage")
        await seen.reaches(f"{DAY} 12:00:17")
        await expect(seen.page.locator("#notice")).to_contain_text("Nothing was recorded after")
        assert DAY in seen.page.url


@pytest.mark.parametrize("speed", ["1", "8"])
async def test_nothing_is_said_to_be_missing_while_the_picture_runs(
    browser: Browser, archive: Archive, speed: str
) -> None:
    """What follows is looked for ahead. That it is not there yet is said when the last picture is shown, and stays.

    The address is not changed more often than browsers allow, however fast it plays.
    """
    async with serving(archive) as http, visit(browser, http, still=True) as seen:
        await seen.page.evaluate(WATCH_NOTICES)
        bar = seen.bar("gate")
        await seen.page.get_by_role("button", name="10 min").click()
        box = await bar.bounding_box()
        await bar.click(position={"x": box["width"] * (600 * 0.97 - 60 + 1) / 600, "y": 12})
        await seen.page.clock.set_system_time(at_noon())  # and goes on
        await seen.page.locator("#speed").select_option(speed)
        await expect(seen.page.locator("#notice")).to_contain_text("Nothing was recorded after", timeout=30_000)
        said = await seen.page.evaluate("window.said")
    words = [notice for _, notice in said if notice]
    assert [word for word in words if word != "Loading"] == [
        "Skipped 10 s without footage",
        f"Nothing was recorded after {DAY} 12:00:18; waiting for more",
    ]
    assert next(wall for wall, notice in said if "Nothing" in notice) >= f"{DAY} 12:00:17"


async def test_a_moment_that_is_not_recorded_yet_is_the_newest_that_is(browser: Browser, archive: Archive) -> None:
    """A click beside the present, and ten seconds on from the newest: nobody waits for a time that has not come."""
    through_us = NOON_US + 18 * SECOND_US
    durable = {"epoch": 1, "sequence": 9, "fragment": 0, "through_us": through_us}
    said = recorder(archive.camera, since_us=NOON_US, durable=durable)
    async with (
        answering(Layout(archive.root).socket("record"), lambda: said),
        serving(archive) as http,
        visit(browser, http, still=True) as seen,
    ):
        await expect(seen.page.locator("#summary")).to_have_text("1 recording")
        await seen.page.get_by_role("button", name="10 min").click()
        bar = seen.bar("gate")
        box = await bar.bounding_box()
        await bar.click(position={"x": box["width"] - 2, "y": 12})  # seconds after the present
        await seen.reaches(f"{DAY} 12:00:14")  # ten seconds before the newest lies in the gap before it
        assert await seen.wall() < f"{DAY} 12:00:18"
        await seen.page.get_by_role("button", name="+10 s").click()
        await seen.reaches(f"{DAY} 12:00:17")
        assert await seen.wall() <= f"{DAY} 12:00:18"


async def test_a_bar_is_clicked_and_explains_itself(browser: Browser, archive: Archive) -> None:
    """Hovering tells what is there; a click just beside footage means the footage."""
    async with serving(archive) as http, visit(browser, http, still=True) as seen:
        async with seen.page.expect_response(re.compile("/timeline")):  # what is hovered over must have come
            await seen.page.get_by_role("button", name="10 min").click()
        window_s = 600 * 0.97 - 60  # the window ends 3 % after the present, noon is a minute before it
        bar = seen.bar("gate")
        box = await bar.bounding_box()

        async def hover(seconds: float) -> str:
            await bar.hover(position={"x": box["width"] * (window_s + seconds) / 600, "y": 12})
            return await seen.page.locator("#hint").inner_text()

        await expect(seen.page.locator("#hours")).to_contain_text("12:00")
        await expect(bar).to_have_attribute("aria-valuetext", re.compile("gap: shutdown"))  # what came is drawn
        assert "recorded\n12:00:00 to 12:00:04, 4 s" in await hover(2)
        assert "gap: refused\n12:00:04 to 12:00:14, 10 s\nport 554 refuses" in await hover(9)
        assert "gap: auth" in await hover(40)
        await bar.click(position={"x": box["width"] * (window_s + 16) / 600, "y": 12})
        await seen.reaches(f"{DAY} 12:00:15")
        assert await seen.wall() <= f"{DAY} 12:00:18"


async def test_the_page_can_be_used_with_the_keyboard(browser: Browser, archive: Archive) -> None:
    """Find the bar, choose a moment, play, pause, go back, close."""
    async with serving(archive) as http, visit(browser, http) as seen:
        bar = seen.bar("gate")
        await seen.page.get_by_role("button", name="10 min").click()
        await expect(bar).to_have_attribute("aria-valuetext", re.compile("gap: shutdown"))  # before the footage
        await bar.focus()
        await seen.page.keyboard.press("End")
        await expect(bar).to_have_attribute("aria-valuetext", re.compile(rf"{DAY} 12:00:14, recorded"))
        await seen.page.keyboard.press("ArrowLeft")
        await expect(bar).to_have_attribute("aria-valuetext", re.compile(rf"{DAY} 12:00:04, gap: refused"))
        await seen.page.keyboard.press("ArrowRight")
        await seen.page.keyboard.press("Enter")
        await seen.reaches(f"{DAY} 12:00:14")
        await seen.page.locator("#screen").focus()
        await seen.page.keyboard.press("Space")
        await expect(seen.page.locator("#toggle")).to_have_text("Play")
        stopped = await seen.wall()
        await seen.page.keyboard.press("ArrowLeft")
        await seen.page.wait_for_function("m => document.getElementById('wall').textContent < m", arg=stopped)
        await seen.page.keyboard.press("Escape")
        await expect(seen.page.locator("#player")).to_be_hidden()


async def test_back_over_a_gap_before_the_closeup_has_come(browser: Browser, archive: Archive) -> None:
    """On a slow network the bar of the day says where the footage before the gap is."""
    async with serving(archive) as http, visit(browser, http) as seen:
        bar, released = seen.bar("gate"), asyncio.Event()
        await seen.page.get_by_role("button", name="10 min").click()
        await expect(bar).to_have_attribute("aria-valuetext", re.compile("gap: shutdown"))

        async def hold(route: Route) -> None:
            await released.wait()
            await route.continue_()

        await seen.page.route(re.compile(r"/timeline\?from=[^&]*T11"), hold)  # the player's own begin in the footage
        await bar.focus()
        await seen.page.keyboard.press("End")
        await seen.page.keyboard.press("Enter")
        await seen.reaches(f"{DAY} 12:00:14")
        await seen.page.locator("#screen").focus()
        await seen.page.keyboard.press("Space")
        await seen.page.keyboard.press("ArrowLeft")
        await seen.page.wait_for_function("m => document.getElementById('wall').textContent < m", arg=f"{DAY} 12:00:05")
        released.set()


async def test_another_day_is_shown(browser: Browser, archive: Archive) -> None:
    """With the arrows and with the date; and back to the present."""
    async with serving(archive) as http, visit(browser, http) as seen:
        await seen.page.get_by_role("button", name="Day").click()
        date = seen.page.locator("#date")
        await seen.page.get_by_role("button", name="Before").click()
        await expect(date).to_have_value("2026-11-17")
        await date.fill("2026-11-01")
        await expect(date).to_have_value("2026-11-01")
        midnight_ms = round(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
        await expect(seen.bar("gate")).to_have_attribute("aria-valuemin", str(midnight_ms))
        await seen.page.get_by_role("button", name="Now").click()
        await expect(date).to_have_value(DAY)


async def test_the_day_with_25_hours_has_25_hours(browser: Browser, archive: Archive) -> None:
    """A day is a day of the operator's clock."""
    async with serving(archive) as http:
        context = await browser.new_context(timezone_id="Europe/Stockholm")
        page = await context.new_page()
        await page.clock.set_system_time(datetime(2026, 10, 25, 12, tzinfo=UTC))
        await page.goto(str(http.base_url))
        bar = page.get_by_role("slider", name="Footage of gate")
        await page.get_by_role("button", name="Day").click()
        start = int(await bar.get_attribute("aria-valuemin") or 0)
        end = int(await bar.get_attribute("aria-valuemax") or 0)
        assert end - start == 25 * 3_600_000
        await context.close()


async def test_a_hostile_name_is_shown_and_not_run(browser: Browser, archive: Archive) -> None:
    """Names of cameras are text, whoever chose them."""
    hostile = DesiredCamera(name=HOSTILE, url=CameraUrl.parse("rtsp://10.0.0.9/"))
    await archive.catalog.inventory.add(hostile, site="town")
    async with serving(archive) as http, visit(browser, http) as seen:
        await expect(seen.page.locator(".cameras > li")).to_have_count(2)
        await expect(seen.page.locator(".cameras")).to_contain_text(HOSTILE)


async def test_a_server_that_goes_away_is_said_and_comes_back_by_itself(browser: Browser, archive: Archive) -> None:
    """Nobody has to reload the page."""
    async with serving(archive) as http:
        context = await browser.new_context(timezone_id="UTC")
        page = await context.new_page()
        await page.clock.set_system_time(at_noon())
        await page.goto(str(http.base_url))
        await expect(page.locator("#summary")).to_contain_text("1 ")
        await page.route("**/api/**", lambda route: route.abort())
        await expect(page.locator("#summary")).to_have_text("The server does not answer.")
        await page.unroute("**/api/**")
        await expect(page.locator("#summary")).to_have_text("1 failed")
        await context.close()


async def test_the_api_documentation_is_complete(browser: Browser, archive: Archive) -> None:
    """Drawn from the description, without anything from elsewhere."""
    async with serving(archive) as http, visit(browser, http, "/api/docs") as seen:
        await expect(seen.page.locator("#docs")).to_contain_text("GET/api/v1/cameras/{camera_id}/video.mp4")
        await expect(seen.page.locator("#docs")).to_contain_text("Hulta-First-Frame")
