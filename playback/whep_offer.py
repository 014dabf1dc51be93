"""What a browser offers to receive, and the part of it that a camera's stream fits: session descriptions, no I/O.

A camera's pictures are passed on as they are, so the browser must be able to decode what the camera sends. The answer
names exactly one way to send it: a payload type whose H.264 profile holds the camera's. The offer is cut down to that
before the WebRTC library sees it, which would choose VP8 by itself and then send H.264 under its number: a connected
call without a picture.

Candidates in an offer are left out, too: this host answers whoever reaches it, and sends nothing to an address that
only a description names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from media.errors import Unfit, UsageError

MOST_OFFER_BYTES = 64 << 10
"""Chromium's have 5 to 8 KB."""

MOST_SECTIONS = 4
KNOWN_TO_LIBRARY = "42e01f"
"""The library knows H.264 by two baseline profiles. It makes no difference to what it does, so the offer says this one
to it, and the answer what the browser said."""

_SECTION = re.compile(r"(?=^m=)", re.MULTILINE)
_LEFT_OUT = re.compile(r"^a=(?:candidate:|end-of-candidates|ice-lite).*\r\n", re.MULTILINE)
_MEDIA = re.compile(r"m=(\w+) (\d+) ([A-Z/]+) ((?:\d+ ?)+)\r\n")
_FITS = {0x42: (0x42, 0x4D, 0x64), 0x4D: (0x4D, 0x64), 0x64: (0x64, 0x4D)}
"""By the profile of a stream: those under which it may be sent, the best first.

A decoder takes the simpler profiles, too. High under Main is what a browser does not promise: Chromium's own decoder,
which shows it, offers Main and no High. (It offers 4:4:4, too, which holds High, and shows nothing under it.)
Baseline is taken for its constrained form: what that leaves out (flexible order of macroblocks, redundant slices) no
camera sends and no browser decodes. Levels are not compared: browsers say 3.1 and decode what the machine can.
"""

_NAMES = {
    0x42: "Baseline",
    0x4D: "Main",
    0x64: "High",
    0x58: "Extended",
    0x6E: "High 10",
    0x7A: "High 4:2:2",
    0xF4: "High 4:4:4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """An offer that is left with one way to send the stream, and how to put the answer into the offer's words."""

    offer: str
    profile: str

    def answer(self, made: str) -> str:
        """The library's answer, with the profile that the browser asked for (RFC 6184, 8.2.2: both sides say one)."""
        return made.replace(f"profile-level-id={KNOWN_TO_LIBRARY}", f"profile-level-id={self.profile}")


def fit(offer: str, codec: str) -> Fitted:
    """Leave in an offer what a stream of this codec (RFC 6381) fits.

    UsageError: it is no offer to receive video. Unfit: it cannot receive this stream.
    """
    wanted = _profile_of(codec)
    text = _LEFT_OUT.sub("", offer.replace("\r\n", "\n").replace("\n", "\r\n"))
    head, *sections = _SECTION.split(text)
    if not head.startswith("v=0\r\n") or not 1 <= len(sections) <= MOST_SECTIONS:
        raise UsageError("the body is no offer: a session description with one video section is expected")
    videos = [section for section in sections if section.startswith("m=video ")]
    if len(videos) != 1 or any(not section.startswith(("m=video ", "m=audio ")) for section in sections):
        raise UsageError("the offer must have one section of video, and may have one of audio")
    if re.search(r"^a=(?:sendonly|inactive)\r\n", videos[0], re.MULTILINE):
        raise UsageError("the offer's video section is not one to receive")
    payload_type, profile = _choose(videos[0], wanted)
    cut = _cut_down(videos[0], payload_type, profile)
    return Fitted(
        offer=head + "".join(cut if section is videos[0] else section for section in sections), profile=profile
    )


def check_codec(codec: str) -> None:
    """Unfit, with the reason, for a stream that no browser takes over WebRTC."""
    _profile_of(codec)


def _profile_of(codec: str) -> int:
    kind, _, parameters = codec.partition(".")
    names = {"hvc1": "H.265", "hev1": "H.265", "av01": "AV1"}
    if kind not in {"avc1", "avc3"}:
        raise Unfit(f"the camera sends {names.get(kind, kind)}; only H.264 is passed on over WebRTC", hint="use /live")
    profile = int(parameters[:2], 16)
    if profile not in _FITS:
        name = _NAMES.get(profile, f"profile {profile}")
        raise Unfit(f"the camera sends H.264 {name}, which browsers do not take over WebRTC", hint="use /live")
    return profile


def _choose(video: str, wanted: int) -> tuple[str, str]:
    """The payload type under which the stream is sent, and its profile and level."""
    coded = re.findall(r"^a=rtpmap:(\d+) H264/90000\r\n", video, re.MULTILINE | re.IGNORECASE)
    offered: dict[int, tuple[str, str]] = {}
    for payload_type in coded:
        fmtp = re.search(rf"^a=fmtp:{payload_type} (.*)\r\n", video, re.MULTILINE)
        parameters = dict(part.strip().partition("=")[::2] for part in fmtp[1].lower().split(";")) if fmtp else {}
        level = parameters.get("profile-level-id", "42e01f")  # RFC 6184 says 42000a; browsers that say none mean this
        if parameters.get("packetization-mode") == "1" and re.fullmatch("[0-9a-f]{6}", level):
            offered.setdefault(int(level[:2], 16), (payload_type, level))
    for profile in _FITS[wanted]:
        if profile in offered:
            return offered[profile]
    name = _NAMES[wanted]
    raise Unfit(
        f"the camera sends H.264 {name}, and the offer has no H.264 profile with packetization-mode=1 that fits"
    )


def _cut_down(video: str, payload_type: str, profile: str) -> str:
    """A video section with this payload type, and what retransmits it (RFC 4588), alone."""
    media = _MEDIA.match(video)
    if media is None:
        raise UsageError("the offer's video section cannot be read")
    again = re.search(rf"^a=fmtp:(\d+) apt={payload_type}\r\n", video, re.MULTILINE)
    kept = [payload_type, *([again[1]] if again else [])]
    lines = [f"m=video {media[2]} {media[3]} {' '.join(kept)}\r\n"]
    for line in video[media.end() :].splitlines(keepends=True):
        of = re.match(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+) ", line)
        if of is None or of[1] in kept:
            lines.append(line.replace(profile, KNOWN_TO_LIBRARY) if of and line.startswith("a=fmtp") else line)
    # Written again: the case of its letters was not kept while it was looked for.
    return re.sub(r"(?i)profile-level-id=[0-9a-f]{6}", f"profile-level-id={KNOWN_TO_LIBRARY}", "".join(lines))
