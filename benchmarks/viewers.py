"""People who look for something: each goes to a random place and watches ten seconds, again and again; and exports.

A viewer plays by HLS as players do: the playlist of ten minutes, the init section, then one group of fragments after
the other, each asked for when the one before is half played. An export reads an exact mp4 as fast as it comes.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode

from benchmarks.city_rows import MINUTE_US
from benchmarks.http_reader import Connection, connected
from playback.timerange import format_instant, parse_instant

SEEK_RANGE_US = 10 * MINUTE_US
WATCH_S = 10.0
EXPORT_BYTES = 50_000_000  # of each export, then the next one begins
_ENTRY = re.compile(r"#EXTINF:([0-9.]+),\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n(\S+)")
_MAP = re.compile(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@(\d+)"')


class Span(NamedTuple):
    """Footage of a camera without a break."""

    camera: str
    from_us: int
    to_us: int


@dataclass(slots=True)
class Seen:
    """What viewers and exports waited for, in milliseconds, and what they got."""

    playlists: list[float] = field(default_factory=list)
    first_fragments: list[float] = field(default_factory=list)  # from the wish to the first fragment, all of it
    fragments: list[float] = field(default_factory=list)
    stalls: int = 0  # fragments that came after the picture before them had ended
    exports: list[float] = field(default_factory=list)  # first bytes
    export_bytes: int = 0
    hls_bytes: int = 0


class Places:
    """Random moments from which ten minutes and more were recorded without a break."""

    def __init__(self, spans: Sequence[Span], seed: int) -> None:
        self._spans = [span for span in spans if span.to_us - span.from_us > SEEK_RANGE_US]
        self._choose = random.Random(seed)

    def moment(self, length_us: int = SEEK_RANGE_US) -> tuple[str, int]:
        """A camera and an instant, in whole seconds, with so much footage after it."""
        span = self._choose.choice([span for span in self._spans if span.to_us - span.from_us > length_us])
        return span.camera, span.from_us + self._choose.randrange(span.to_us - span.from_us - length_us)

    def target(self, what: str) -> str:
        """The URL of ten minutes of a camera."""
        camera, start_us = self.moment()
        return target(camera, what, start_us, start_us + SEEK_RANGE_US)


async def spans_of(port: int, cameras: Sequence[str], from_us: int, to_us: int) -> list[Span]:
    """What was recorded by these cameras without a break, as the timeline tells it."""
    spans: list[Span] = []
    async with connected(port) as connection:
        for camera in cameras:
            answer = await connection.get(target(camera, "timeline", from_us, to_us))
            spans += [
                Span(camera, parse_instant("from", span["from"]), parse_instant("to", span["to"]))
                for span in json.loads(answer.body)["spans"]
            ]
    return spans


def target(camera: str, what: str, from_us: int, to_us: int) -> str:
    """The URL of something about a camera in a range."""
    query = urlencode({"from": format_instant(from_us), "to": format_instant(to_us)})
    return f"/api/v1/cameras/{camera}/{what}?{query}"


async def crowd(port: int, spans: Sequence[Span], *, viewers: int, exports: int, seconds: float) -> Seen:
    """So many of them for so long."""
    seen = Seen()
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(viewers):
            late_s = WATCH_S * number / viewers
            group.create_task(_viewer(port, Places(spans, number), seen, late_s, until))
        for number in range(exports):
            group.create_task(_export(port, Places(spans, 1000 + number), seen, until))
    return seen


async def seek(connection: Connection, wish: str) -> tuple[float, float, list[tuple[float, str, tuple[int, int]]], int]:
    """From the wish to the first fragment: ms to the playlist, ms to all of the fragment, the entries, its bytes."""
    began = time.perf_counter()
    answer = await connection.get(wish)
    playlist_ms = 1000 * (time.perf_counter() - began)
    text = answer.body.decode()
    entries = [
        (float(length), uri, (int(offset), int(offset) + int(size)))
        for length, size, offset, uri in _ENTRY.findall(text)
    ]
    found = _MAP.search(text)
    assert found is not None
    await connection.get(found[1], span=(int(found[3]), int(found[3]) + int(found[2])))
    first = await connection.get(entries[0][1], span=entries[0][2])
    return playlist_ms, 1000 * (time.perf_counter() - began), entries, first.body_bytes


async def _viewer(port: int, places: Places, seen: Seen, late_s: float, until: float) -> None:
    await asyncio.sleep(late_s)
    async with connected(port) as connection:
        while time.monotonic() < until:
            playlist_ms, fragment_ms, entries, size_bytes = await seek(connection, places.target("playlist.m3u8"))
            seen.playlists.append(playlist_ms)
            seen.first_fragments.append(fragment_ms)
            seen.hls_bytes += size_bytes
            await _watch(connection, entries, seen, min(until, time.monotonic() + WATCH_S))


async def _watch(
    connection: Connection, entries: list[tuple[float, str, tuple[int, int]]], seen: Seen, until: float
) -> None:
    """Play on in real time: the first entry has just come."""
    ends = time.monotonic() + entries[0][0]
    for length_s, uri, span in entries[1:]:
        asks = ends - entries[0][0] / 2
        if asks >= until:
            break
        await asyncio.sleep(max(0.0, asks - time.monotonic()))
        answer = await connection.get(uri, span=span)
        seen.fragments.append(1000 * answer.seconds)
        seen.hls_bytes += answer.body_bytes
        seen.stalls += time.monotonic() > ends
        ends = max(ends, time.monotonic()) + length_s
    await asyncio.sleep(max(0.0, until - time.monotonic()))


async def _export(port: int, places: Places, seen: Seen, until: float) -> None:
    while time.monotonic() < until:
        async with connected(port) as connection:
            answer = await connection.get(places.target("video.mp4"), most=EXPORT_BYTES)
            seen.exports.append(1000 * answer.first_byte_s)
            seen.export_bytes += answer.body_bytes
