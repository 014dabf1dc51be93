"""A directory over HTTP on loopback, with single byte ranges, for players under test. Remembers what was asked."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TYPES = {".mp4": "video/mp4", ".m3u8": "application/vnd.apple.mpegurl", ".html": "text/html", ".js": "text/javascript"}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class _Handler(BaseHTTPRequestHandler):
    """Answers GET with 200 or 206."""

    protocol_version = "HTTP/1.1"
    root: Path
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        """A file or a range of it."""
        path = self.root / self.path.lstrip("/").partition("?")[0]
        asked = self.headers.get("Range", "")
        self.asked.append((self.path, asked))
        if not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content = path.read_bytes()
        size = len(content)
        match = _RANGE.fullmatch(asked)
        start, stop = 0, size
        if match is not None:
            start = int(match[1])
            stop = min(size, int(match[2]) + 1) if match[2] else size
        self.send_response(HTTPStatus.OK if match is None else HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", _TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Accept-Ranges", "bytes")
        if match is not None:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.end_headers()
        try:
            self.wfile.write(content[start:stop])
        except ConnectionError:
            self.close_connection = True  # players hang up as soon as they have enough

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


@contextmanager
def served(root: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The address of the directory, and the list of (path, Range header) that was asked so far."""
    asked: list[tuple[str, str]] = []
    handler = type("Handler", (_Handler,), {"root": root, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
