"""RTSP 1.0 messages and their header fields (RFC 2326), read as tolerantly as cameras require.

The framing on a connection is in `media.interleaved`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from media.errors import RtspError
from media.url import redact

VERSION = "RTSP/1.0"
DEFAULT_SESSION_TIMEOUT_S = 60  # RFC 2326 12.37

_REQUEST_LINE = re.compile(r"([A-Z_]+) (\S+) RTSP/1\.\d")
_STATUS_LINE = re.compile(r"RTSP/1\.\d (\d{3})(?: (.*))?")
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
        return _integer(self.headers.get("CSeq"))

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
        return _integer(self.headers.get("CSeq"))

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
    first, *lines = head.decode("utf-8", "replace").splitlines() or [""]
    first = first.strip()
    headers = _parse_headers(lines)
    if match := _STATUS_LINE.fullmatch(first):
        return Response(status=int(match[1]), reason=match[2] or "", headers=headers)
    if match := _REQUEST_LINE.fullmatch(first):
        return Request(method=match[1], url=match[2], headers=headers)
    raise RtspError(f"no RTSP message starts with {redact(first[:40])!r}")


def _parse_headers(lines: Iterable[str]) -> Headers:
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in " \t" and line.strip() and fields:  # a folded line goes on with the field before it
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}")
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
    size = _integer(values.pop())
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


def parse_session(header: str) -> tuple[str, int]:
    """The id and the timeout in seconds of a Session field (RFC 2326 12.37). `RtspError` for an empty id or no time."""
    identifier, *parameters = (part.strip() for part in header.split(";"))
    if not identifier:
        raise RtspError("a Session header without an id")
    timeout_s = _integer(_parameters(parameters).get("timeout"))
    if timeout_s is None:
        timeout_s = DEFAULT_SESSION_TIMEOUT_S
    if timeout_s == 0:
        raise RtspError("a Session header with a timeout of 0 seconds")
    return identifier, timeout_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """One transport specification (RFC 2326 12.39); parameters by lower-case name, in whatever order they came."""

    protocol: str
    parameters: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.parameters[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.parameters

    def get(self, name: str, default: str | None = None) -> str | None:
        """A parameter, "" for one without a value such as "unicast"."""
        return self.parameters.get(name.lower(), default)

    @property
    def tcp(self) -> bool:
        """Whether the packets come on the RTSP connection itself."""
        return self.protocol.upper().endswith("/TCP")

    @property
    def interleaved(self) -> tuple[int, int] | None:
        """The channels of RTP and RTCP. `RtspError` unless they are an even number and the next (quirk I6)."""
        value = self.get("interleaved")
        if value is None:
            return None
        first, dash, second = value.partition("-")
        rtp = _integer(first)
        rtcp = _integer(second) if dash else (None if rtp is None else rtp + 1)
        if rtp is None or rtcp != rtp + 1 or rtp % 2 or rtp > 254:
            raise RtspError(f"interleaved channels {value[:20]!r} are not an even number and the next one")
        return rtp, rtcp

    @property
    def ssrc(self) -> int | None:
        """The promised SSRC, in hexadecimal with 1 to 8 digits and perhaps blanks (quirks S9 S10)."""
        return _hexadecimal(self.get("ssrc"))


def parse_transports(header: str) -> tuple[Transport, ...]:
    """Every specification of a Transport field, in order of preference."""
    transports = []
    for specification in header.split(","):
        protocol, *parameters = (part.strip() for part in specification.split(";"))
        if protocol:
            transports.append(Transport(protocol=protocol, parameters=_parameters(parameters)))
    if not transports:
        raise RtspError("a Transport header that names no transport")
    return tuple(transports)


def parse_transport(header: str) -> Transport:
    """The only, or the preferred, specification of a Transport field."""
    return parse_transports(header)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpInfo:
    """Where a track starts, from the response to PLAY (RFC 2326 12.33). None for what is absent or nonsense."""

    url: str
    sequence: int | None
    rtp_timestamp: int | None
    ssrc: int | None


def parse_rtp_info(header: str) -> tuple[RtpInfo, ...]:
    """Every track of an RTP-Info field. Sequences 0 and 1 are what cameras write who do not know (quirk S17)."""
    tracks = []
    for part in re.split(r",(?=\s*url\s*=)", header, flags=re.IGNORECASE):
        parameters = _parameters(part.split(";"))
        if "url" in parameters:
            sequence = _integer(parameters.get("seq"))
            timestamp = _integer(parameters.get("rtptime"))
            tracks.append(
                RtpInfo(
                    url=parameters["url"],
                    sequence=sequence if sequence is not None and 1 < sequence < 1 << 16 else None,
                    rtp_timestamp=timestamp if timestamp is not None and timestamp < 1 << 32 else None,
                    ssrc=_hexadecimal(parameters.get("ssrc")),
                )
            )
    return tuple(tracks)


def parse_public(header: str) -> frozenset[str]:
    """The methods of a Public field."""
    return frozenset(method.strip().upper() for method in header.split(",") if method.strip())


def keepalive_method(public: Iterable[str]) -> str:
    """What keeps a session alive once OPTIONS was answered: GW cameras ignore GET_PARAMETER (quirk S19)."""
    return "SET_PARAMETER" if "SET_PARAMETER" in public else "GET_PARAMETER"


def _parameters(parts: Iterable[str]) -> dict[str, str]:
    """Parts like "name=value" by lower-case name; the first counts, without quotes and blanks (quirks S3 S10 S15)."""
    parameters: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name.strip():
            parameters.setdefault(name.strip().lower(), value.strip().strip('"'))
    return parameters


def _integer(text: str | None) -> int | None:
    """A decimal number of at most 10 digits, without sign; None for anything else (rtptime=-1, quirk S16)."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _hexadecimal(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,8}", text) else None
