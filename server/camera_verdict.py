"""What was learned of a camera, judged: findings in words, each with its severity, and one sentence of all. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from media.errors import GapReason
from server.quantities import format_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from media.errors import SourceError

COARSE_GOP_US = 4_000_000
"""Sync samples that lie further apart make seeking and the first picture slow, and cost footage after a loss."""

CLOCK_OFF_US = 1_000_000
BY_LIBAV = "libav"
"""The transport of what libav opened."""

ADVICE = {
    GapReason.REFUSED: "the host is there, but nothing listens on this port: most cameras have RTSP on 554",
    GapReason.NOT_FOUND: "the camera is there, but has nothing at this path: see its manual or web page",
    GapReason.PROTOCOL: "what answers may not speak RTSP at all: the port may be that of the camera's web page",
}
"""By the reason of the failure."""


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    """It cannot be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that an operator should know."""

    severity: Severity
    subject: str
    """What it is about, for programs: offer, gop, clock, login, loss, audio, picture, session, advice."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one look at a camera told. None is what it did not tell."""

    transport: str
    login: str | None = None
    """The authentication used: "Digest SHA-256", "Basic"; None where none was asked for."""
    encrypted: bool = False
    server: str | None = None
    codec: str | None = None
    """RFC 6381."""
    codec_name: str | None = None
    """The same in words: "H.264 High"."""
    width: int = 0
    height: int = 0
    frames_per_s: float = 0.0
    bitrate_bps: int = 0
    gop_us: int | None = None
    """None: fewer than two sync samples came."""
    b_frames: bool = False
    frames: int = 0
    watched_us: int = 0
    lost_packets: int = 0
    audio: tuple[str, ...] = ()
    reports: int = 0
    clock_offset_us: int | None = None
    clock_unset: bool = False
    picture: bytes | None = None
    """JPEG."""
    picture_problem: str = ""


def judge(facts: Facts | None, failure: SourceError | None, *, credentials: bool) -> tuple[Finding, ...]:
    """Everything worth saying, worst first. `credentials`: whether a name was given to log in with."""
    found = [] if failure is None else [_failed(failure, credentials=credentials), *_advice(failure)]
    if facts is not None:
        found += _of(facts)
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def sentence(findings: Sequence[Finding]) -> str:
    """One line: what is wrong, or what is offered and what to think of it."""
    errors = [finding.words for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        return "; ".join(errors)
    offer = [finding.words for finding in findings if finding.subject == "offer"]
    return "; ".join(offer + [finding.words for finding in findings if finding.severity is Severity.WARNING])


def _failed(failure: SourceError, *, credentials: bool) -> Finding:
    words = str(failure)
    if failure.reason is GapReason.AUTH:
        words = f"{words}: {'wrong name or password' if credentials else 'it asks for a name and a password'}"
    if failure.hint:
        words = f"{words} ({failure.hint})"
    return Finding(severity=Severity.ERROR, subject="session", words=words)


def _advice(failure: SourceError) -> Iterator[Finding]:
    """What to look at next, where the failure itself does not say."""
    words = ADVICE.get(failure.reason)
    if words is not None and not failure.hint:
        yield Finding(severity=Severity.INFO, subject="advice", words=words)


def _of(facts: Facts) -> Iterator[Finding]:
    yield from _offer(facts)
    yield from _sync_samples(facts)
    if facts.transport != BY_LIBAV:  # which does not tell
        yield from _clock(facts)
        yield from _login(facts)
    if facts.lost_packets:
        yield _warning("loss", f"{facts.lost_packets} packets were lost in {format_span(facts.watched_us)}")
    if facts.audio:
        words = f"offers audio ({', '.join(facts.audio)}), which is recorded only where the configuration says so"
        yield Finding(severity=Severity.INFO, subject="audio", words=words)
    if facts.picture_problem:
        yield _warning("picture", facts.picture_problem)


def _offer(facts: Facts) -> Iterator[Finding]:
    if facts.codec is not None:
        mega = facts.bitrate_bps >= 950_000
        rate = f"{facts.bitrate_bps / 1e6:.1f} Mbit/s" if mega else f"{facts.bitrate_bps / 1e3:.0f} kbit/s"
        pictures = f"{facts.width}x{facts.height} at {facts.frames_per_s:.3g} frames/s"
        words = f"offers {facts.codec_name} {pictures}, {rate}"
        yield Finding(severity=Severity.INFO, subject="offer", words=words)


def _sync_samples(facts: Facts) -> Iterator[Finding]:
    if facts.codec is None:
        return
    if facts.gop_us is None:
        words = f"one sync sample in {format_span(facts.watched_us)}: seeking will be coarse"
        yield _warning("gop", words)
    elif facts.gop_us > COARSE_GOP_US:
        yield _warning("gop", f"GOP {format_span(facts.gop_us)}: seeking will be coarse")


def _clock(facts: Facts) -> Iterator[Finding]:
    offset_us = facts.clock_offset_us
    if offset_us is not None and abs(offset_us) > CLOCK_OFF_US:
        yield _warning("clock", f"clock {format_span(abs(offset_us))} {'slow' if offset_us < 0 else 'fast'}")
    elif offset_us is None and facts.clock_unset:
        yield _warning("clock", "its clock is not set")
    elif facts.codec is not None and not facts.reports:
        yield _warning("clock", "sends no RTCP, so its clock is not known")


def _login(facts: Facts) -> Iterator[Finding]:
    if facts.login is None:
        yield _warning("login", "asks for no password")
    elif facts.login == "Basic" and not facts.encrypted:
        yield _warning("login", "takes the password in the clear (Basic)")


def _warning(subject: str, words: str) -> Finding:
    return Finding(severity=Severity.WARNING, subject=subject, words=words)


def offered_audio(descriptions: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Encodings and clock rates as words: "MPEG4-GENERIC 16 kHz"."""
    return tuple(f"{name or 'unknown'} {rate / 1000:g} kHz" for name, rate in descriptions)
