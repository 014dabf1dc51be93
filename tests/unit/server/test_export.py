"""`hulta export` over connections that break."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from media.errors import HultaError
from server.api_client import ApiClient
from server.cli_export import ATTEMPTS, Download

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4000
FROM, TO, DURABLE = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", "2026-01-01T00:59:58.000000Z"


class Fragile(ThreadingHTTPServer):
    """Serves CONTENT, and breaks each connection after `patience` bytes while `breaks` last."""

    def __init__(self, *, breaks: int, patience: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.breaks = breaks
        self.patience = patience
        self.content, self.etag = CONTENT, '"one"'
        self.asked: list[tuple[str, str]] = []
        self.audio: list[list[str]] = []


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Fragile

    def do_GET(self) -> None:
        """The file or the rest of it."""
        fragile = self.server
        fragile.asked.append((self.path.partition("to=")[2], self.headers.get("Range", "")))
        fragile.audio.append(parse_qs(urlsplit(self.path).query)["audio"])
        start = int(re.findall(r"\d+", self.headers.get("Range", "0"))[0])
        start = start if self.headers.get("If-Range") == fragile.etag else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(fragile.content) - start))
        self.send_header("ETag", fragile.etag)
        self.send_header("Hulta-First-Frame", FROM)
        self.send_header("Hulta-To", DURABLE)
        self.send_header("Hulta-Complete", "false")
        self.send_header("Hulta-Sound", "ulaw/8000")
        self.send_header("Hulta-Sound-Left-Out", "ulaw/16000")
        self.end_headers()
        stop = len(fragile.content)
        if fragile.breaks > 0:
            fragile.breaks -= 1
            stop = start + fragile.patience
        self.wfile.write(fragile.content[start:stop])

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@contextmanager
def fragile(*, breaks: int, patience: int = 300_000, audio: bool = True) -> Iterator[tuple[Fragile, Download]]:
    """A server and a download from it."""
    with Fragile(breaks=breaks, patience=patience) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = ApiClient(f"http://127.0.0.1:{server.server_port}", None)
        try:
            yield server, Download(client, "gate", FROM, TO, audio=audio)
        finally:
            server.shutdown()
            thread.join()


def test_a_broken_transfer_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    """And asks for the range that was answered first, though more has become durable meanwhile."""
    reported: list[tuple[int, int]] = []
    with fragile(breaks=3) as (server, download), (tmp_path / "v.mp4").open("w+b") as file:
        download.run(file, lambda done, total: reported.append((done, total)))
        file.seek(0)
        assert file.read() == CONTENT
    assert [rest for _, rest in server.asked] == ["", "bytes=300000-", "bytes=600000-", "bytes=900000-"]
    assert {to for to, _ in server.asked[1:]} == {"2026-01-01T00%3A59%3A58.000000Z"}
    assert (download.clipped, download.to, reported[-1]) == (True, DURABLE, (len(CONTENT), len(CONTENT)))


@pytest.mark.parametrize(("audio", "asked"), [(True, "original"), (False, "none")])
def test_sound_is_asked_for_as_it_was_sent_or_not_at_all(tmp_path: Path, audio: bool, asked: str) -> None:
    """In every request of the transfer, or what is taken up would be of another file."""
    with fragile(breaks=2, audio=audio) as (server, download), (tmp_path / "v.mp4").open("w+b") as file:
        download.run(file, lambda _done, _total: None)
    assert server.audio == [[asked]] * 3
    assert (download.sound, download.left_out) == ("ulaw/8000", "ulaw/16000")


def test_another_file_is_taken_from_its_beginning(tmp_path: Path) -> None:
    """The server has a file with another entity tag now: nothing of the old one is kept."""
    with fragile(breaks=1) as (server, download), (tmp_path / "v.mp4").open("w+b") as file:

        def report(_done: int, _total: int) -> None:
            server.content, server.etag = b"new" * 1000, '"two"'

        download.run(file, report)
        file.seek(0)
        assert file.read() == b"new" * 1000


def test_a_server_that_sends_nothing_is_given_up(tmp_path: Path) -> None:
    """After a few attempts in a row that brought nothing."""
    with fragile(breaks=1000, patience=0) as (server, download), (tmp_path / "v.mp4").open("w+b") as file:
        with pytest.raises(HultaError, match="the transfer broke after 0 B"):
            download.run(file, lambda _done, _total: None)
        assert len(server.asked) == ATTEMPTS
