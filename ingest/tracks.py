"""The tracks of one session: which of those on offer are taken, and where goes what they bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.audio_codecs import choose_audio
from media.codecs import choose_video
from media.errors import CodecError, GapReason, RtpError, SourceError
from media.rtcp import parse_sender_report
from media.rtp import RtpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from media.access_unit import AccessUnit
    from media.rtcp import SenderReport
    from media.rtp import Buffer, PayloadTaker
    from media.sdp import MediaDescription

    Emit = Callable[[AccessUnit], None]


MOST_DISCARDED = 3


def _no_report(_report: SenderReport) -> None:
    """Nobody wants to know."""


def _no_word(_why: str) -> None:
    """Likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackTaker:
    """Who takes what one track brings, on the event loop."""

    units: Emit
    reports: Callable[[SenderReport], None] = _no_report
    """The sender reports of its source."""
    unusable: Callable[[str], None] = _no_word
    """Told why there is no such track, where the session goes on without it."""


class CameraTrack:
    """One track that is set up or about to be."""

    def __init__(self, media: MediaDescription, payloads: PayloadTaker, taker: TrackTaker) -> None:
        self.media = media
        self.receiver = RtpReceiver(media.payload_type, payloads)
        self._take = taker.reports
        self.unusable = taker.unusable
        self.reports = 0
        """RTCP packets that came."""
        self.malformed_reports = 0
        self.foreign_reports = 0
        """Of another source than the one that is received."""

    def take_report(self, buffer: Buffer, start: int, end: int) -> None:
        """An RTCP packet. One that is malformed or of another source costs nothing but itself (quirk R4).

        A report may come before the first packet of its source (R3), and is taken at its word then.
        """
        self.reports += 1
        try:
            report = parse_sender_report(buffer, start, end)
        except RtpError:
            self.malformed_reports += 1
            return
        if report is None:
            return
        if self.receiver.ssrc not in {None, report.ssrc}:
            self.foreign_reports += 1
            return
        self._take(report)


def choose_tracks(
    offered: Sequence[MediaDescription], takers: Mapping[str, TrackTaker], *, every: bool = False
) -> list[CameraTrack]:
    """The tracks to set up: the first usable one of each kind that somebody takes, video first.

    With `every`, all others as well, and what they bring is discarded; else what nobody takes is not set up, and so not
    even sent. There is no recording without video: SourceError `unsupported` says what is offered instead. Sound
    that cannot be recorded costs nothing else (quirk D6).
    """
    try:
        media, payloads = choose_video(offered, takers["video"].units)
    except CodecError as error:
        raise SourceError(GapReason.UNSUPPORTED, str(error)) from error
    tracks = [CameraTrack(media, payloads, takers["video"])]
    if "audio" in takers:
        tracks += _sound(offered, takers["audio"])
    if every:
        chosen = [track.media for track in tracks]
        others = [other for other in offered if all(other is not media for media in chosen)][:MOST_DISCARDED]
        tracks += [CameraTrack(other, _Discarded(), TrackTaker(units=_no_unit)) for other in others]
    return tracks


def _sound(offered: Sequence[MediaDescription], taker: TrackTaker) -> list[CameraTrack]:
    try:
        chosen = choose_audio(offered, taker.units)
    except CodecError as error:
        taker.unusable(str(error))
        return []
    if chosen is None:
        taker.unusable("the camera offers none")
        return []
    return [CameraTrack(*chosen, taker)]


class _Discarded:
    """Takes the payloads of a track that is only set up because the camera sends nothing without it."""

    timestamp = latest = -1
    parts = 0

    def push(  # noqa: PLR0917 - as `PayloadTaker` has it
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Nothing."""


def _no_unit(_unit: AccessUnit) -> None:
    """Never called: what is discarded makes no units."""
