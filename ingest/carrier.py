"""How the packets of one track get here: on the RTSP connection itself (RFC 2326 10.12).

A session sets up each track through a `Carrier`: it says what SETUP asks for, takes the camera's answer, and from then
on brings the packets to the track's receiver and the reports to their taker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ingest.source import Tally
from ingest.stale import StaleFilter
from media.errors import GapReason, MediaError, SourceError

if TYPE_CHECKING:
    from ingest.read_rounds import ReadRounds
    from ingest.session import RtspSession
    from ingest.tracks import CameraTrack
    from media.rtp import RtpReceiver
    from media.rtsp_fields import Transport


_NOTHING = Tally()


class Carrier(Protocol):
    """The way of one track's packets."""

    @property
    def offer(self) -> str:
        """What SETUP asks for: the value of its Transport field (RFC 2326 12.39)."""
        ...

    def agree(self, answer: Transport | None, track: CameraTrack) -> None:
        """The camera's answer, None where it gave none: from now on packets go to the track.

        SourceError `unsupported` or `protocol` for an answer that cannot be lived with.
        """
        ...

    def tally(self) -> Tally:
        """What became of packets before they reached the track. `late_packets` are those that came twice."""
        ...

    def promise(self, sequence: int) -> None:
        """The camera says which number the track begins with (RTP-Info, RFC 2326 12.33)."""
        ...

    def read_in_rounds(self, rounds: ReadRounds) -> None:
        """With all other cameras, until it is closed or `read_at_once`."""
        ...

    def read_at_once(self) -> None:
        """Whenever something comes, as in the beginning."""
        ...

    def check(self, boot_us: int) -> None:
        """Called a few times a second: what is due without a packet arriving."""
        ...

    def close(self) -> None:
        """Give back what it holds. Nothing comes afterwards. May be called again."""
        ...


class InterleavedCarrier:
    """Packets on the RTSP connection: RTP on one channel, RTCP on the next."""

    def __init__(self, session: RtspSession, index: int) -> None:
        self._session = session
        self._index = index

    @property
    def offer(self) -> str:
        """Channels 0 and 1 for the first track, and so on."""
        return f"RTP/AVP/TCP;unicast;interleaved={2 * self._index}-{2 * self._index + 1}"

    def agree(self, answer: Transport | None, track: CameraTrack) -> None:
        """Another pair of channels than the one asked for is the camera's right (quirk I6)."""
        if answer is not None and not answer.tcp:
            raise SourceError(GapReason.UNSUPPORTED, "the camera does not send over TCP")
        try:
            channels = None if answer is None else answer.interleaved
        except MediaError as error:
            raise SourceError(GapReason.PROTOCOL, f"SETUP was answered with {error}") from error
        channel = 2 * self._index if channels is None else channels[0]
        if self._index == 0:
            self._session.play_into(self._filtered(track, answer), channel)
        else:
            self._session.attach(channel, track.receiver.receive)
        self._session.attach(channel + 1, track.take_report)

    def _filtered(self, track: CameraTrack, answer: Transport | None) -> RtpReceiver | StaleFilter:
        """The receiver; behind a filter where a session of before sends as well (quirk I3)."""
        if not self._session.stale_ssrcs:
            return track.receiver
        promised = None if answer is None else answer.ssrc
        return StaleFilter(track.receiver, self._session.stale_ssrcs, promised)

    def tally(self) -> Tally:
        """Nothing: here they come in order, once, from nobody else."""
        return _NOTHING

    def promise(self, sequence: int) -> None:
        """Of no use: here the first to come is the first that was sent."""

    def read_in_rounds(self, rounds: ReadRounds) -> None:
        """The connection is the session's to read."""

    def read_at_once(self) -> None:
        """Likewise."""

    def check(self, boot_us: int) -> None:
        """Nothing: here packets stay in order, and whoever is connected is heard."""

    def close(self) -> None:
        """The channels end with the connection."""
