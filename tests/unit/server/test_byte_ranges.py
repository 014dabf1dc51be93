"""Bytes over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import ASGIApp, Message

from media.errors import ObjectStoreError
from server import byte_ranges, problems
from server.byte_ranges import ByteRange, parse_byte_range
from server.head import HeadAsGet

CONTENT = bytes(range(256)) * 40


class Stored:
    """Content of known bytes, which counts how it is read."""

    etag = '"abc"'
    size_bytes = len(CONTENT)

    def __init__(self, *, fails_after: int | None = None) -> None:
        self.reads: list[tuple[int, int]] = []
        self.closed = False
        self._fails_after = fails_after

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Pieces of 1000 bytes."""
        self.reads.append((start, stop))
        try:
            for number, offset in enumerate(range(start, stop, 1000)):
                if number == self._fails_after:
                    raise ObjectStoreError("the disk is gone")
                yield CONTENT[offset : min(offset + 1000, stop)]
        finally:
            self.closed = True


SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/file",
    "raw_path": b"/file",
    "query_string": b"",
    "root_path": "",
    "headers": [],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 2),
}


async def _wait_forever() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def application(stored: Stored) -> ASGIApp:
    """An application that serves this content."""
    api = FastAPI()
    problems.install(api)

    @api.get("/file")
    async def get(request: Request) -> Response:
        return await byte_ranges.answer(request, stored, media_type="video/mp4", headers={"X-Own": "1"})

    return problems.LoggedOnce(HeadAsGet(api))


def client(stored: Stored) -> httpx.AsyncClient:
    """A client of that application."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(stored)), base_url="http://h")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=3-5", (3, 6)),
        ("bytes=3-999", (3, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes= 2-4", (2, 5)),
    ],
)
def test_one_range_is_understood(header: str, expected: tuple[int, int]) -> None:
    """From, from to, and the last bytes; clipped to the file."""
    assert parse_byte_range(header, 10) == ByteRange(*expected)


@pytest.mark.parametrize(
    "header", ["", "bytes=", "bytes=-", "bytes=5-3", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=--1"]
)
def test_what_is_not_one_range_is_ignored(header: str) -> None:
    """RFC 9110, 14.2: the whole file is the answer, also to many ranges at once."""
    assert parse_byte_range(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_outside_of_the_file_is_an_error(header: str) -> None:
    """There is nothing to send."""
    with pytest.raises(ValueError, match="outside"):
        parse_byte_range(header, 10)


@given(
    header=st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,30}-[0-9]{0,30}", fullmatch=True),
    size=st.integers(0, 10**12),
)
def test_no_header_breaks_the_parser(header: str, size: int) -> None:
    """Whatever a client sends, the range lies inside of the file."""
    try:
        found = parse_byte_range(header, size)
    except ValueError:
        return
    assert found is None or 0 <= found.start < found.stop <= size


async def test_the_whole_file_comes_with_what_a_client_needs_to_ask_for_parts() -> None:
    """Length, entity tag, and that ranges are served; never kept by a cache."""
    async with client(Stored()) as http:
        response = await http.get("/file")
    assert (response.status_code, response.content) == (200, CONTENT)
    names = ("content-length", "etag", "accept-ranges", "cache-control", "content-type", "x-own")
    assert [response.headers[name] for name in names] == [
        str(len(CONTENT)),
        '"abc"',
        "bytes",
        "no-store",
        "video/mp4",
        "1",
    ]


async def test_a_range_is_206_and_reads_only_that() -> None:
    """A seek into a day of video touches nothing before it."""
    stored = Stored()
    async with client(stored) as http:
        response = await http.get("/file", headers={"Range": "bytes=5000-5099"})
    assert (response.status_code, response.content) == (206, CONTENT[5000:5100])
    assert response.headers["content-range"] == f"bytes 5000-5099/{len(CONTENT)}"
    assert (stored.reads, stored.closed) == ([(5000, 5100)], True)


async def test_a_range_beyond_the_end_is_416_and_says_how_long_the_file_is() -> None:
    """With problem details, as every error."""
    async with client(Stored()) as http:
        response = await http.get("/file", headers={"Range": f"bytes={len(CONTENT)}-"})
    assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 416


@pytest.mark.parametrize("tag", ['"abc"', 'W/"abc"', '"x", "abc"', "*"])
async def test_a_client_that_has_it_gets_304(tag: str) -> None:
    """If-None-Match, compared weakly."""
    stored = Stored()
    async with client(stored) as http:
        response = await http.get("/file", headers={"If-None-Match": tag, "Range": "bytes=0-1"})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"abc"')
    assert stored.reads == []


@pytest.mark.parametrize(
    ("tag", "status"), [('"abc"', 206), ('"old"', 200), ('W/"abc"', 200), ("Mon, 23 Nov 2026 08:00:00 GMT", 200)]
)
async def test_if_range_decides_between_the_rest_and_a_new_file(tag: str, status: int) -> None:
    """Only the very same file is continued."""
    async with client(Stored()) as http:
        response = await http.get("/file", headers={"Range": "bytes=100-199", "If-Range": tag})
    assert (response.status_code, len(response.content)) == (status, 100 if status == 206 else len(CONTENT))


async def test_head_tells_the_same_and_makes_no_byte() -> None:
    """A player may ask how long a day of video is."""
    stored = Stored()
    async with client(stored) as http:
        response = await http.head("/file")
        part = await http.head("/file", headers={"Range": "bytes=0-9"})
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    assert (part.status_code, part.headers["content-length"]) == (206, "10")
    assert stored.reads == []


async def test_a_store_that_is_down_is_503_and_not_a_torn_file() -> None:
    """The first piece is read before a header goes out."""
    async with client(Stored(fails_after=0)) as http:
        response = await http.get("/file")
    assert (response.status_code, response.json()["type"]) == (503, problems.UNAVAILABLE)
    assert "the disk is gone" in response.json()["detail"]


async def test_a_store_that_fails_half_way_leaves_the_answer_incomplete() -> None:
    """The server below then breaks the connection, so that no client takes the part for the whole."""
    stored = Stored(fails_after=2)
    sent = []

    async def send(message: Message) -> None:
        sent.append(message)

    await application(stored)(SCOPE, _wait_forever, send)
    bodies = [message for message in sent if message["type"] == "http.response.body"]
    assert (b"".join(body["body"] for body in bodies), bodies[-1]["more_body"]) == (CONTENT[:2000], True)
    assert stored.closed


async def test_a_client_that_leaves_stops_the_reading() -> None:
    """Nobody reads a day of video for somebody who closed the page."""
    stored = Stored()
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            gone.set()
            await asyncio.Event().wait()  # the client takes nothing any more

    async with asyncio.timeout(10):
        await application(stored)(SCOPE, receive, send)
    assert stored.closed
