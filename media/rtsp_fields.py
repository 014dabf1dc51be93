"""The values of RTSP header fields (RFC 2326 12), read as tolerantly as cameras require."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.errors import RtspError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_SESSION_TIMEOUT_S = 60  # RFC 2326 12.37


def parse_session(header: str) -> tuple[str, int]:
    """The id and the timeout in seconds of a Session field (RFC 2326 12.37). `RtspError` for an empty id or no time."""
    identifier, *parameters = (part.strip() for part in header.split(";"))
    if not identifier:
        raise RtspError("a Session header without an id")
    timeout_s = parse_integer(_parameters(parameters).get("timeout"))
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
        rtp = parse_integer(first)
        rtcp = parse_integer(second) if dash else (None if rtp is None else rtp + 1)
        if rtp is None or rtcp != rtp + 1 or rtp % 2 or rtp > 254:
            raise RtspError(f"interleaved channels {value[:20]!r} are not an even number and the next one")
        return rtp, rtcp

    @property
    def client_port(self) -> tuple[int, int] | None:
        """Where a client wants RTP and RTCP over UDP. `RtspError` unless they are two ports, or one for RTP alone."""
        value = self.get("client_port")
        if value is None:
            return None
        first, dash, second = value.partition("-")
        rtp = parse_integer(first)
        rtcp = parse_integer(second) if dash else (None if rtp is None else rtp + 1)
        if rtp is None or rtcp is None or not 0 < rtp < 1 << 16 or not 0 < rtcp < 1 << 16 or rtp == rtcp:
            raise RtspError(f"client ports {value[:20]!r} are not two ports")
        return rtp, rtcp

    @property
    def ssrc(self) -> int | None:
        """The promised SSRC, in hexadecimal with 1 to 8 digits and perhaps blanks (quirks S9 S10)."""
        return _parse_hexadecimal(self.get("ssrc"))


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
            sequence = parse_integer(parameters.get("seq"))
            timestamp = parse_integer(parameters.get("rtptime"))
            tracks.append(
                RtpInfo(
                    url=parameters["url"],
                    sequence=sequence if sequence is not None and 1 < sequence < 1 << 16 else None,
                    rtp_timestamp=timestamp if timestamp is not None and timestamp < 1 << 32 else None,
                    ssrc=_parse_hexadecimal(parameters.get("ssrc")),
                )
            )
    return tuple(tracks)


def parse_public(header: str) -> frozenset[str]:
    """The methods of a Public field."""
    return frozenset(method.strip().upper() for method in header.split(",") if method.strip())


def _parameters(parts: Iterable[str]) -> dict[str, str]:
    """Parts like "name=value" by lower-case name; the first counts, without quotes and blanks (quirks S3 S10 S15)."""
    parameters: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name.strip():
            parameters.setdefault(name.strip().lower(), value.strip().strip('"'))
    return parameters


def parse_integer(text: str | None) -> int | None:
    """A decimal number of at most 10 digits, without sign; None for anything else (rtptime=-1, quirk S16)."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _parse_hexadecimal(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,8}", text) else None
