"""Bytes over HTTP: one range at a time, validators, and an end when the client leaves (RFC 9110, 13 and 14).

Several ranges in one request are answered with the whole file, as the RFC allows: what asks for them in earnest is
rare, what asks for a thousand of them is an attack.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog
from starlette.responses import Response, StreamingResponse

from media.errors import HultaError
from server.head import is_head
from server.problems import problem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from starlette.requests import Request
    from starlette.types import Send

log = structlog.get_logger(__name__)

_SINGLE_RANGE = re.compile(r"bytes=\s*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))\s*")


class Content(Protocol):
    """Bytes of known size and identity."""

    @property
    def size_bytes(self) -> int:
        """How many."""
        ...

    @property
    def etag(self) -> str:
        """A strong entity tag, quoted: equal tags mean equal bytes."""
        ...

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to `stop`, in pieces."""
        ...


@dataclass(frozen=True, slots=True)
class ByteRange:
    """From `start` to before `stop`."""

    start: int
    stop: int


def parse_byte_range(header: str, size_bytes: int) -> ByteRange | None:
    """The range asked for, clipped to the file; None if the header is not one range, which RFC 9110 has us ignore.

    ValueError if it lies outside of the file.
    """
    match = _SINGLE_RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(0, size_bytes - int(suffix)), size_bytes
    else:
        start, stop = int(first), min(int(last) + 1 if last else size_bytes, size_bytes)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise ValueError("outside of the file")
    return ByteRange(start, stop)


async def answer(request: Request, content: Content, *, media_type: str, headers: Mapping[str, str]) -> Response:
    """The content, a range of it, 304 or 416, as the request's headers ask."""
    fixed = {"ETag": content.etag, "Accept-Ranges": "bytes", "Cache-Control": "no-store", **headers}
    if _matches(request.headers.get("if-none-match", ""), content.etag):
        return Response(status_code=304, headers=fixed)
    asked = request.headers.get("range", "")
    if request.headers.get("if-range", content.etag) != content.etag:
        asked = ""  # the client's part is of another file: it gets this one as a whole
    try:
        wanted = parse_byte_range(asked, content.size_bytes)
    except ValueError:
        size = {"Content-Range": f"bytes */{content.size_bytes}"}
        return problem(416, "The byte range lies outside", f"the file has {content.size_bytes} bytes", headers=size)
    status = 200 if wanted is None else 206
    wanted = wanted or ByteRange(0, content.size_bytes)
    fixed["Content-Length"] = str(wanted.stop - wanted.start)
    if status == 206:
        fixed["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{content.size_bytes}"
    if is_head(request):
        return Response(status_code=status, media_type=media_type, headers=fixed)
    return await _MediaResponse.open(content, wanted, status=status, media_type=media_type, headers=fixed)


def _matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison, as RFC 9110, 13.1.2 asks."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]


class _MediaResponse(StreamingResponse):
    """A streaming response that lets go of what it reads as soon as the client does."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], **arguments: object) -> None:
        super().__init__(pieces, **arguments)  # type: ignore[arg-type]
        self._pieces = pieces

    @classmethod
    async def open(
        cls, content: Content, wanted: ByteRange, *, status: int, media_type: str, headers: Mapping[str, str]
    ) -> _MediaResponse:
        """Read the first piece before a header goes out: a store that is down is then a 503, not a torn file."""
        pieces = content.read(wanted.start, wanted.stop)
        first = await anext(pieces, b"")
        return cls(_after(first, pieces), status_code=status, media_type=media_type, headers=headers)

    async def stream_response(self, send: Send) -> None:
        """Send all, or be cancelled when the client goes away.

        A store that fails half-way leaves the response incomplete: the server below then breaks the connection, which
        tells the client, and a player or an export asks for the rest again.
        """
        async with aclosing(self._pieces):
            try:
                await super().stream_response(send)
            except HultaError as error:
                log.warning("transfer_broken", error=error)


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        close = getattr(rest, "aclose", None)
        if close is not None:
            await close()
