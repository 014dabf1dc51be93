"""Debian's Chromium, and what is on its screen: a picture together with its time, read from one object.

Who asks a video for its time and then draws it may draw a later picture: between the two the browser goes on.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
"""For tests with a browser, which is one for all of a file."""

PICTURES = """
  // What a video shows: its media time, when that was seen, and its pixels (RGBA, of so many rows).
  const shownBy = video => {
    const frame = new VideoFrame(video);
    const {displayWidth: width, displayHeight: height, timestamp: us} = frame;
    const context = new OffscreenCanvas(width, height).getContext('2d', {willReadFrequently: true});
    context.drawImage(frame, 0, 0);
    frame.close();
    return {us, at: Date.now(), width, pixels: (top, rows) => context.getImageData(0, top, width, rows).data};
  };
  // The picture that is shown from `begins` on, once it is there: 'seeked' may come before.
  const soughtBy = async (video, time, begins) => {
    for (video.currentTime = time;; await new Promise(requestAnimationFrame)) {
      const shown = video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA ? null : shownBy(video);
      if (shown && Math.abs(shown.us / 1e6 - begins) < 0.005) return shown;
    }
  };
  const loaded = url => new Promise((resolve, reject) => {
    const video = document.createElement('video');
    video.onloadeddata = () => resolve(video);
    video.onerror = () => reject(new Error(video.error.message));
    video.muted = true;
    video.src = url;
  });
  const red = pixels => Array.from({length: pixels.length / 4}, (_, at) => pixels[4 * at]);
"""
"""Functions for scripts that look at pictures."""


PATIENCE_MS = 60_000
"""Only what never comes makes a test fail, on however busy a machine."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser whose videos play without a click."""
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield browser
        await browser.close()


async def page_of(browser: Browser, url: str) -> Page:
    """That page, in a window of its own."""
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(url)
    return page
