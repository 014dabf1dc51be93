"""From an approach to a playing session: connect, DESCRIBE, SETUP of each track, PLAY, and keep alive (RFC 2326).

Every failure ends in a SourceError whose reason becomes the reason of the gap.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ingest.carrier import InterleavedCarrier
from ingest.login import ATTEMPTS, Login
from ingest.network import resolve
from ingest.session import RtspSession, error_name
from ingest.source import Tally
from ingest.tracks import choose_tracks
from media import rtsp, sdp
from media.errors import GapReason, MediaError, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.approach import Approach
    from ingest.backoff import Herd
    from ingest.carrier import Carrier
    from ingest.tracks import CameraTrack, TrackTaker
    from media.rtp import RtpReceiver
    from media.url import CameraUrl
    from storage.clock import Clock

CONNECT_TIMEOUT_S = 3.0
NO_MEDIA_US = 8_000_000
"""A playing camera from which nothing comes for so long has stalled."""

MOST_WORDS = 100

REASON_OF_STATUS = {
    401: GapReason.AUTH,
    403: GapReason.AUTH,
    404: GapReason.NOT_FOUND,
    410: GapReason.NOT_FOUND,
    453: GapReason.BUSY,
    503: GapReason.BUSY,
    461: GapReason.UNSUPPORTED,
    551: GapReason.UNSUPPORTED,
}


class CameraSession:
    """A playing session. `receiver` counts what came; `session.failure` tells when and why it ended."""

    def __init__(self, url: CameraUrl, session: RtspSession, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._login = Login(url.username, url.password)
        self._aggregate_url = url.request_url
        self._keepalive_method = "OPTIONS"
        self._keepalive_us = 0
        self._login_repeated = False
        self._session_header: dict[str, str] = {}
        self._keepalive_every_us = 30_000_000
        self._carriers: list[Carrier] = []
        self.session = session
        self.receiver: RtpReceiver
        """Of the video track, by which a session is judged."""
        self.offered: tuple[sdp.MediaDescription, ...] = ()
        """What the camera describes, set up or not."""
        self.server: str | None = None
        """What it calls itself, a line of text."""
        self.tracks: list[CameraTrack] = []
        """All that are set up, the video first."""

    async def play(self, takers: Mapping[str, TrackTaker]) -> None:
        """DESCRIBE, SETUP of each kind of track that somebody takes, PLAY."""
        answer = await self._request("DESCRIBE", self._url.request_url, {"Accept": "application/sdp"})
        base = rtsp.content_base(answer, self._url.request_url)
        try:
            description = sdp.parse(answer.body)
        except MediaError as error:
            raise SourceError(GapReason.PROTOCOL, f"the camera's description is unusable: {error}") from error
        self.offered = description.media
        self._aggregate_url = sdp.join_control(base, description.control)
        for track in choose_tracks(description.media, takers):
            await self._setup(sdp.join_control(base, track.media.control), track)
        await self._request("PLAY", self._aggregate_url, {"Range": "npt=0.000-"})
        self._keepalive_us = self._clock.boot_us()

    def check(self, boot_us: int) -> None:
        """Called every so often while playing: notices silence, keeps the session alive."""
        if self.session.failure.done():
            return  # whoever waits for its end has not come to it yet
        if boot_us - self.session.last_media_us > NO_MEDIA_US:
            seconds, receiver = NO_MEDIA_US // 1_000_000, self.receiver
            if receiver.packets:
                last = f"the last was {receiver.last_sequence}, {receiver.packets} in all"
                self.session.fail(GapReason.STALLED, f"no packet for {seconds} s; {last}")
            else:
                self.session.fail(GapReason.NO_MEDIA, f"no packet within {seconds} s of PLAY")
        elif boot_us - self._keepalive_us > self._keepalive_every_us:
            self._keepalive_us = boot_us
            self._login_repeated = False
            self._keep_alive()

    def held(self, held_us: int) -> None:
        """The process stood still for so long: that is no silence of the camera."""
        self.session.last_media_us += held_us

    @property
    def login(self) -> str | None:
        """How it was logged in, such as "Digest SHA-256"; None where nothing was asked."""
        return self._login.scheme

    @property
    def failure(self) -> asyncio.Future[SourceError]:
        """See `ingest.source.Source`."""
        return self.session.failure

    def fail(self, reason: GapReason, message: str) -> None:
        """End the session for this reason."""
        self.session.fail(reason, message)

    def tally(self) -> Tally:
        """See `ingest.source.Source`. RTSP messages are counted anew from here on."""
        receiver, session = self.receiver, self.session
        session.messages = 0
        packets = receiver.packets + receiver.foreign_packets + receiver.late_packets
        packets += session.side_packets + session.stray_packets
        return Tally(wire_bytes=session.received_bytes, octets=receiver.octets, packets=packets)

    def what_came(self) -> str:
        """Packets by what became of them, and the last thing that was wrong with one."""
        receiver = self.receiver
        words = [f"{receiver.packets} packets"]
        for count, kind in (
            (receiver.foreign_packets, "of other types or sources"),
            (receiver.malformed_packets, "malformed"),
            (receiver.lost_packets, "lost"),
        ):
            if count:
                words.append(f"{count} {kind}")
        if receiver.last_error is not None:
            words.append(str(receiver.last_error))
        return ", ".join(words)

    def close(self) -> None:
        """TEARDOWN, as far as it still gets through. The answer is not waited for."""
        for carrier in self._carriers:
            carrier.close()
        if not self.session.failure.done():
            self.session.send("TEARDOWN", self._aggregate_url, self._headers("TEARDOWN", self._aggregate_url))
            self.session.close()

    def _keep_alive(self) -> None:
        method = self._keepalive_method
        answer = self.session.send(method, self._aggregate_url, self._headers(method, self._aggregate_url))
        answer.add_done_callback(self._kept_alive)

    def _kept_alive(self, answer: asyncio.Future[rtsp.Response]) -> None:
        """What the camera says to it. Only a nonce that became too old is answered, and only once."""
        if answer.cancelled() or self.session.failure.done():
            return
        response = answer.result()
        if response.status == 401 and not self._login_repeated and self._login.possible:
            self._login_repeated = True
            self._login.learn(response)
            self._keep_alive()
        elif self._keepalive_method == "OPTIONS":
            # Cameras differ in what keeps a session: OPTIONS first, then what its answer advertises (quirk S19).
            self._keepalive_method = rtsp.keepalive_method(rtsp.parse_public(response.headers.get("Public", "")))

    async def _setup(self, control: str, track: CameraTrack) -> None:
        carrier: Carrier = InterleavedCarrier(self.session, len(self.tracks))
        self._carriers.append(carrier)
        answer = await self._request("SETUP", control, {"Transport": carrier.offer})
        try:
            session_id, timeout_s = rtsp.parse_session(answer.headers.get("Session", ""))
            agreed = rtsp.parse_transport(answer.headers["Transport"]) if "Transport" in answer.headers else None
        except MediaError as error:
            raise SourceError(GapReason.PROTOCOL, f"SETUP was answered with {error}") from error
        self._session_header = {"Session": session_id}
        self._keepalive_every_us = min(timeout_s, 60) * 500_000
        if not self.tracks:
            self.receiver = track.receiver
        self.tracks.append(track)
        carrier.agree(agreed, track)

    async def _request(self, method: str, url: str, headers: dict[str, str]) -> rtsp.Response:
        for _attempt in range(ATTEMPTS + 1):
            answer = await self.session.request(method, url, {**self._headers(method, url), **headers})
            if answer.status != 401 or not self._login.may_repeat(answer):
                break
        self.server = _words(answer.headers["Server"]) if "Server" in answer.headers else self.server
        if answer.status != 200:
            reason = REASON_OF_STATUS.get(answer.status, GapReason.PROTOCOL)
            raise SourceError(reason, f"{method} was answered with {answer.status} {_words(answer.reason)}")
        return answer

    def _headers(self, method: str, url: str) -> dict[str, str]:
        return {**self._session_header, **self._login.field(method, url)}


async def open_session(
    approach: Approach, *, herd: Herd, clock: Clock, takers: Mapping[str, TrackTaker]
) -> CameraSession:
    """Connect to a camera and have it play: a track of each kind in `takers`, of which "video" must be one.

    SourceError when that does not succeed, with the reason of the gap.
    """
    url = approach.url
    if url.scheme != "rtsp":
        raise SourceError(GapReason.UNSUPPORTED, f"{url.scheme} is not supported yet", hint="use rtsp://")
    await herd.turn()
    address = await resolve(url.host, url.port, approach.networks)
    session = await _connect(address, url.port, clock)
    camera = CameraSession(url, session, clock)
    try:
        async with herd.handshakes:
            await camera.play(takers)
    except BaseException:
        session.close()
        raise
    return camera


def _words(reason: str) -> str:
    """A camera's own words, which go into the journal and to whoever asks: a line of text, not 16 KB of anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in reason[:MOST_WORDS])


async def _connect(address: str, port: int, clock: Clock) -> RtspSession:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _transport, session = await loop.create_connection(lambda: RtspSession(clock), address, port)
    except ConnectionRefusedError as error:
        raise SourceError(GapReason.REFUSED, f"{address}:{port} refuses connections (ECONNREFUSED)") from error
    except TimeoutError as error:
        message = f"{address}:{port} does not answer within {CONNECT_TIMEOUT_S:.0f} s"
        raise SourceError(GapReason.UNREACHABLE, message) from error
    except OSError as error:
        raise SourceError(GapReason.UNREACHABLE, f"{address}:{port}: {error_name(error)}") from error
    return session
