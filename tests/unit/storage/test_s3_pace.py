"""How many uploads a server gets at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from storage.clock import HostClock
from storage.s3_address import S3Address
from storage.s3_capabilities import Capabilities
from storage.s3_pace import FIRST, Pace
from storage.s3_store import WRITERS, S3Store
from storage.s3_words import StoreBusy

_BUSY = b"<Error><Code>SlowDown</Code></Error>"


class Overloaded:
    """A server that takes so many uploads at a time, and says so of each more."""

    def __init__(self, takes: int) -> None:
        self.takes, self.refused, self.most = takes, 0, 0
        self.uploads: set[str] = set()
        self._now = 0
        self._lock = threading.Lock()
        self._full = threading.Event()

    def begin(self) -> bool:
        """Whether one more is taken."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            if self._now > self.takes:
                self.refused += 1
                self._full.set()
                return False
        self._full.wait(0.02)  # long enough for others to come
        return True

    def end(self) -> None:
        """It is done."""
        with self._lock:
            self._now -= 1
            self._full.clear()


@contextmanager
def serving(state: Overloaded) -> Iterator[int]:
    """The port of a server that answers every GET with 404 and takes every object."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            taken = "v1/" not in self.path or state.begin()
            if "v1/" in self.path:
                if taken:
                    state.uploads.add(self.path)
                state.end()
            self._answer(200 if taken else 503, b"" if taken else _BUSY)

        def do_GET(self) -> None:
            self._answer(404, b"<Error><Code>NoSuchConfiguration</Code></Error>")

        def do_HEAD(self) -> None:
            self._answer(404, b"")

        def do_DELETE(self) -> None:
            self._answer(204, b"")

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_limit_grows_by_one_a_round_and_halves() -> None:
    """Never over the most, never under one."""
    pace, limits = Pace(8), []
    for _ in range(40):
        with pace.upload():
            limits.append(pace.limit)
    assert limits[0] == FIRST
    assert limits == sorted(limits)
    assert pace.limit == 8
    for halved in (4, 2, 1, 1):
        pace.slower()
        assert pace.limit == halved


def test_one_burst_of_complaints_counts_once() -> None:
    """They all were on their way before the first of them was heard."""
    pace = Pace(8)
    with pace.upload(), pace.upload(), pace.upload():
        for _ in range(3):
            pace.slower()
        assert pace.limit == FIRST // 2
    pace.slower()
    assert pace.limit == FIRST // 4


def test_what_failed_is_no_reason_for_more() -> None:
    """And gives its turn back."""
    pace = Pace(8)
    for _ in range(40):
        with pytest.raises(OSError, match="away"), pace.upload():
            raise OSError("away")
    assert pace.limit == FIRST


async def shipped(store: S3Store, key: str, limits: list[int]) -> None:
    """As often as it takes; and the limit at the end of it."""
    while True:
        with suppress(StoreBusy):
            await store.put_bytes(key, b"footage")
            return limits.append(store.state()["uploads_at_once"])


async def test_a_server_gets_as_many_as_it_takes() -> None:
    """One that takes two at a time gets everything, in the end and without being pressed all the while."""
    server = Overloaded(2)
    with serving(server) as port:
        address = S3Address(
            bucket="b", prefix="", endpoint=f"http://127.0.0.1:{port}", region="r", access_key="a", secret_key="s"
        )
        store = S3Store(address, HostClock())
        keys = [f"v1/{number}" for number in range(120)]
        store._found = Capabilities(creates=True, verifies=True)
        limits: list[int] = []
        await asyncio.gather(*(shipped(store, key, limits) for key in keys))
        assert len(server.uploads) == len(keys)
        assert sum(limits) / len(limits) < WRITERS * 0.75, limits
        server.takes = 100
        await asyncio.gather(*(store.put_bytes(key, b"footage") for key in keys))
        assert store.state()["uploads_at_once"] == WRITERS
        assert server.most <= WRITERS
        store.close()
