"""Session descriptions (RFC 4566, 8866) as cameras write them: in any order, with blanks and junk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media.errors import SdpError
from media.rtsp import LINE_BREAK
from media.rtsp_fields import parse_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# RFC 3551 tables 4 and 5: payload types that need no rtpmap.
_STATIC_TYPES = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    5: ("DVI4", 8000),
    6: ("DVI4", 16000),
    7: ("LPC", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    10: ("L16", 44100),
    11: ("L16", 44100),
    12: ("QCELP", 8000),
    13: ("CN", 8000),
    14: ("MPA", 90000),
    15: ("G728", 8000),
    16: ("DVI4", 11025),
    17: ("DVI4", 22050),
    18: ("G729", 8000),
    25: ("CELB", 90000),
    26: ("JPEG", 90000),
    28: ("NV", 90000),
    31: ("H261", 90000),
    32: ("MPV", 90000),
    33: ("MP2T", 90000),
    34: ("H263", 90000),
}
_MAX_MEDIA = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDescription:
    """One "m=" section: a track on offer."""

    kind: str
    """"video", "audio", "application"."""
    transport: str
    """"RTP/AVP", "RTP/AVP/TCP", "MP2T/..."."""
    payload_type: int
    encoding: str
    """In capitals: "H264". Empty when neither an rtpmap nor RFC 3551 names it."""
    clock_rate: int
    """Ticks per second of the RTP timestamps; 0 when unknown."""
    channels: int = 0
    """Of sound, where an rtpmap states them; else 0."""
    fmtp: Mapping[str, str] = field(default_factory=dict)
    """Format parameters by lower-case name; values as written."""
    control: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """What a stream offers."""

    control: str | None
    media: tuple[MediaDescription, ...]


def parse(text: str | bytes) -> SessionDescription:
    """Read a description. Sections and attributes that make no sense are left out; `SdpError` if no media is left."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    sections: list[list[str]] = [[]]
    for line in LINE_BREAK.split(text):
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line.strip())
    session, *others = sections
    if len(others) > _MAX_MEDIA:
        raise SdpError(f"a session description with {len(others)} media, more than {_MAX_MEDIA}")
    media = tuple(found for section in others if (found := _parse_media(section)) is not None)
    if not media:
        raise SdpError(f"a session description of {len(text)} characters that offers no usable media")
    return SessionDescription(control=_attribute(session, "control"), media=media)


def join_control(base: str, control: str | None) -> str:
    """The URL of a control attribute. Textual, as cameras expect: the query of the base stays in the middle (S7)."""
    if control is None or control in ("", "*"):
        return base
    if "://" in control:
        return control
    if base.endswith("/") or control.startswith("/"):
        return base + control
    return f"{base}/{control}"


def _parse_media(section: list[str]) -> MediaDescription | None:
    """None for a section without a payload type: TP-Link offers "smart/1/90000" (quirk D4)."""
    kind, _port, transport, *formats = (*section[0].removeprefix("m=").split(), "", "", "")
    payload_types = [number for word in formats if (number := parse_integer(word)) is not None and number < 128]
    if not payload_types:
        return None
    encodings = _encodings(section)
    payload_type = next((number for number in payload_types if number in encodings), payload_types[0])
    encoding, clock_rate, channels = encodings.get(payload_type, ("", 0, 0))
    return MediaDescription(
        kind=kind.lower(),
        transport=transport,
        payload_type=payload_type,
        encoding=encoding,
        clock_rate=clock_rate,
        channels=channels,
        fmtp=_format_parameters(section, payload_type),
        control=_attribute(section, "control"),
    )


def _encodings(section: Iterable[str]) -> dict[int, tuple[str, int, int]]:
    """Encoding, clock rate and channels by payload type; an rtpmap wins over RFC 3551 (quirk D6)."""
    encodings = {number: (name, clock_rate, 0) for number, (name, clock_rate) in _STATIC_TYPES.items()}
    for value in _attributes(section, "rtpmap"):
        number, _, mapping = value.partition(" ")
        name, _, rest = mapping.strip().partition("/")
        rate, _, channels = rest.partition("/")
        payload_type, clock_rate = parse_integer(number), parse_integer(rate)
        if payload_type is not None and clock_rate and clock_rate < 1 << 32:  # what files can hold
            encodings[payload_type] = (name.strip().upper(), clock_rate, parse_integer(channels) or 0)
    return encodings


def _format_parameters(section: Iterable[str], payload_type: int) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for value in _attributes(section, "fmtp"):
        number, _, rest = value.partition(" ")
        if parse_integer(number) == payload_type:
            for part in rest.split(";"):
                name, _, setting = part.partition("=")
                if name.strip():
                    parameters.setdefault(name.strip().lower(), setting.strip())
    return parameters


def _attributes(section: Iterable[str], name: str) -> list[str]:
    prefix = f"a={name}:"
    return [line[len(prefix) :].strip() for line in section if line.startswith(prefix)]


def _attribute(section: Iterable[str], name: str) -> str | None:
    values = _attributes(section, name)
    return values[0] if values else None
