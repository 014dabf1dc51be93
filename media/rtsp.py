"""RTSP 1.0 messages (RFC 2326). Framing on a connection: `media.interleaved`; values of fields: `media.rtsp_fields`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from media.errors import RtspError
from media.rtsp_fields import (
    RtpInfo,
    Transport,
    parse_integer,
    parse_public,
    parse_rtp_info,
    parse_session,
    parse_transport,
    parse_transports,
)
from media.url import redact

__all__ = [
    "VERSION",
    "Headers",
    "Request",
    "Response",
    "RtpInfo",
    "Transport",
    "content_base",
    "content_length",
    "parse_head",
    "parse_public",
    "parse_rtp_info",
    "parse_session",
    "parse_transport",
    "parse_transports",
]

VERSION = "RTSP/1.0"

MOST_LINES = 200
"""Of a head. Cameras send ten to twenty; 16 KiB have room for thousands, each of which takes as long as a packet."""

LINE_BREAK = re.compile(r"\r\n|\n|\r")
"""Python's `splitlines` knows eight more, which may be in a camera's name."""

_REQUEST_LINE = re.compile(r"([A-Z_]+) (\S+) RTSP/1\.[0-9]")
_STATUS_LINE = re.compile(r"RTSP/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization"})


class Headers(Mapping[str, str]):
    """Header fields in order, found by name whatever its case (VStarcam writes "Cseq", quirk S2).

    A field may come several times (WWW-Authenticate does): `[name]` is the first, `get_all` has every one.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        self._fields = tuple((name, str(value)) for name, value in pairs)

    def __getitem__(self, name: str) -> str:
        for value in self.get_all(name):
            return value
        raise KeyError(name)

    def get_all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        wanted = name.lower()
        return [value for key, value in self._fields if key.lower() == wanted]

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Names and values as written."""
        return self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self._fields))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        shown = ((name, "***" if name.lower() in _SECRET_HEADERS else redact(value)) for name, value in self._fields)
        return f"Headers({list(shown)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks; a few cameras send requests too."""

    method: str
    url: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def cseq(self) -> int | None:
        """The number that the response repeats."""
        return parse_integer(self.headers.get("CSeq"))

    def to_bytes(self) -> bytes:
        """The message as it is sent. `RtspError` if a line break hides in one of its parts."""
        return _message(f"{self.method} {self.url} {VERSION}", self.headers, self.body)

    def __repr__(self) -> str:
        return f"Request({self.method} {redact(self.url)}, {self.headers!r}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a server answers."""

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def cseq(self) -> int | None:
        """The number of the request this answers; absent or nonsense with some cameras."""
        return parse_integer(self.headers.get("CSeq"))

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    def to_bytes(self) -> bytes:
        """The message as it is sent. `RtspError` if a line break hides in one of its parts."""
        return _message(f"{VERSION} {self.status} {self.reason}", self.headers, self.body)

    def __repr__(self) -> str:
        return f"Response({self.status} {self.reason!r}, {self.headers!r}, {len(self.body)} bytes)"


def _message(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line, *(f"{name}: {value}" for name, value in headers.fields())]
    if body and "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise RtspError("a line break inside a header field of an RTSP message to be sent")
    return "\r\n".join((*lines, "", "")).encode() + body


def parse_head(head: bytes) -> Request | Response:
    """Read a message up to its empty line, with an empty body. `RtspError` if it is none."""
    first, *lines = LINE_BREAK.split(head.decode("utf-8", "replace"), MOST_LINES + 1)
    if len(lines) > MOST_LINES:
        raise RtspError(f"the head of an RTSP message has more than {MOST_LINES} lines")
    first = first.strip()
    headers = _parse_headers(lines)
    if match := _STATUS_LINE.fullmatch(first):
        return Response(status=int(match[1]), reason=match[2] or "", headers=headers)
    if match := _REQUEST_LINE.fullmatch(first):
        return Request(method=match[1], url=match[2], headers=headers)
    if first.startswith("HTTP/"):
        raise RtspError(f"a web server answers there, not a camera's RTSP: {redact(first)[:40]!r}")
    raise RtspError(f"no RTSP message starts with {redact(first)[:40]!r}")


def _parse_headers(lines: Iterable[str]) -> Headers:
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in " \t" and line.strip() and fields:  # a folded line goes on with the field before it
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}".strip())
        elif line.strip():
            name, colon, value = line.partition(":")
            if not colon or not _TOKEN.fullmatch(name.strip()):
                raise RtspError(f"an RTSP header line without a field name, {len(line)} characters long")
            fields.append((name.strip(), value.strip()))
    return Headers(fields)


def content_length(headers: Headers) -> int:
    """The size of the body in bytes; 0 without the field."""
    values = set(headers.get_all("Content-Length"))
    if not values:
        return 0
    size = parse_integer(values.pop())
    if size is None or values:
        raise RtspError("a Content-Length that is no number, or two that differ")
    return size


def content_base(response: Response, request_url: str) -> str:
    """What the control URLs of a DESCRIBE response are relative to (RFC 2326 C.1.1).

    Anjvision cameras leave out the scheme: "192.168.1.10:554/stream0/" (quirk S6).
    """
    base = response.headers.get("Content-Base") or response.headers.get("Content-Location") or request_url
    if "://" in base:
        return base
    scheme, _, rest = request_url.partition("://")
    if base.startswith("/"):
        return f"{scheme}://{rest.partition('/')[0]}{base}"
    return f"{scheme}://{base}"
