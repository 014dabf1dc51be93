"""From an approach to a playing session: connect, DESCRIBE, SETUP of each track, PLAY, and keep alive (RFC 2326).

Every failure ends in a SourceError whose reason becomes the reason of the gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest import policies
from ingest.approach import Approach, CameraMemory
from ingest.carrier import InterleavedCarrier
from ingest.connect import connect
from ingest.keepalive import KeepAlive
from ingest.login import ATTEMPTS, Login
from ingest.redirect import MOST_REDIRECTS, STATUSES, RedirectedError, follow
from ingest.source import Tally
from ingest.teardown import Farewell
from ingest.tracks import choose_tracks
from ingest.udp_carrier import UdpCarrier
from media import rtsp, sdp
from media.errors import GapReason, MediaError, SourceError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from ingest.backoff import Herd
    from ingest.carrier import Carrier
    from ingest.read_rounds import ReadRounds
    from ingest.session import RtspSession
    from ingest.teardown import Farewells
    from ingest.tracks import CameraTrack, TrackTaker
    from media.rtp import RtpReceiver
    from media.url import CameraUrl
    from storage.clock import Clock

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

    def __init__(
        self,
        url: CameraUrl,
        session: RtspSession,
        clock: Clock,
        *,
        approach: Approach | None = None,
        memory: CameraMemory | None = None,
        farewells: Farewells | None = None,
        rounds: ReadRounds | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._approach = approach or Approach(url=url)
        self._memory = memory or CameraMemory()
        self._farewells = farewells
        self._rounds = rounds
        self._login = Login(url, self._memory, encrypted=session.encrypted)
        self._aggregate_url = url.request_url
        self._keepalive = KeepAlive(session, self._login)
        self._session_id = ""
        self._timeout_s = 0
        self._leaks = False
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

    # --- the way to a playing session

    async def play(self, takers: Mapping[str, TrackTaker]) -> None:
        """DESCRIBE, SETUP of each kind of track that somebody takes, PLAY. RedirectedError if it is elsewhere."""
        answer = await self._request("DESCRIBE", self._url.request_url, {"Accept": "application/sdp"})
        base = rtsp.content_base(answer, self._url.request_url)
        try:
            description = sdp.parse(answer.body)
        except MediaError as error:
            raise SourceError(GapReason.PROTOCOL, f"the camera's description is unusable: {error}") from error
        self.offered = description.media
        # What the camera calls its tracks is repeated to it word for word, whatever host it names. It is never
        # connected to: all requests go to the connection that is there.
        self._aggregate_url = sdp.join_control(base, description.control)
        self._leaks = policies.leaks_sessions(answer)
        every = self._memory.every_track or policies.wants_every_track(answer, self._approach.transport)
        video, *others = choose_tracks(description.media, takers, every=every)
        await self._setup(sdp.join_control(base, video.media.control), video)
        for track in others:
            await self._set_up_if_possible(sdp.join_control(base, track.media.control), track)
        answer = await self._request("PLAY", self._aggregate_url, {"Range": "npt=0.000-"})
        self._hear_promises(answer.headers.get("RTP-Info", ""))
        self._keepalive.begin(self._aggregate_url, self._session_id, self._timeout_s, self._clock.boot_us())

    async def _setup(self, control: str, track: CameraTrack) -> None:
        carrier = self._carrier(first=not self.tracks)
        self._carriers.append(carrier)
        answer = await self._request("SETUP", control, {"Transport": carrier.offer})
        try:
            session_id, self._timeout_s = rtsp.parse_session(answer.headers.get("Session", ""))
            agreed = rtsp.parse_transport(answer.headers["Transport"]) if "Transport" in answer.headers else None
        except MediaError as error:
            raise SourceError(GapReason.PROTOCOL, f"SETUP was answered with {error}") from error
        self._session_id = policies.session_id(self._session_id, session_id)
        if not self.tracks:
            self.receiver = track.receiver
        self.tracks.append(track)
        carrier.agree(agreed, track)

    async def _set_up_if_possible(self, control: str, track: CameraTrack) -> None:
        """A further track that the camera refuses costs no picture. A session that has ended is another matter."""
        try:
            await self._setup(control, track)
        except SourceError as error:
            if self.session.failure.done():
                raise
            track.unusable(self._url.veiled(str(error)))

    def _hear_promises(self, rtp_info: str) -> None:
        """Which number each track begins with, as far as it is clear which track is meant (quirks S13, S14)."""
        promises = rtsp.parse_rtp_info(rtp_info)
        for track, carrier in zip(self.tracks, self._carriers, strict=False):
            name = (track.media.control or "").rpartition("/")[2]
            for promise in promises:
                meant = len(promises) == 1 and track is self.tracks[0]
                if promise.sequence is not None and (meant or (name and promise.url.rpartition("/")[2] == name)):
                    carrier.promise(promise.sequence)

    def _carrier(self, *, first: bool) -> Carrier:
        if self._approach.transport == "tcp":
            return InterleavedCarrier(self.session, len(self.tracks))
        return UdpCarrier(self.session, self.session.peers(self._approach.networks), self._clock, first=first)

    async def _request(self, method: str, url: str, headers: dict[str, str]) -> rtsp.Response:
        for _attempt in range(ATTEMPTS + 1):
            answer = await self.session.request(method, url, {**self._headers(method, url), **headers})
            if answer.status != 401 or not self._login.may_repeat(answer):
                break
        self.server = self._words(answer.headers["Server"]) if "Server" in answer.headers else self.server
        if answer.status in STATUSES and "Location" in answer.headers:
            raise RedirectedError(answer.headers["Location"])
        if answer.status != 200:
            raise self._refused(method, answer)
        return answer

    def _refused(self, method: str, answer: rtsp.Response) -> SourceError:
        reason = REASON_OF_STATUS.get(answer.status, GapReason.PROTOCOL)
        said, hint = f"{method} was answered with {answer.status} {self._words(answer.reason)}", ""
        if answer.status == 401 and self._login.withheld:
            said += f": {self._login.withheld}"
        if answer.status == 461 and method == "SETUP":
            other = "udp" if self._approach.transport == "tcp" else "tcp"
            said += f": the camera does not send over {self._approach.transport.upper()}; set `transport: {other}`"
            hint = f"set `transport: {other}` for this camera"
        return SourceError(reason, said, hint=hint)

    def _words(self, said: str) -> str:
        """A camera's own words, which go into the journal and to whoever asks: a line of text, not 16 KB of anything.

        And not the login, if it repeats that.
        """
        return "".join(letter if letter.isprintable() else "?" for letter in self._url.veiled(said)[:MOST_WORDS])

    def _headers(self, method: str, url: str) -> dict[str, str]:
        session = {"Session": self._session_id} if self._session_id else {}
        return {**session, **self._login.field(method, url)}

    # --- while it plays

    def check(self, boot_us: int) -> None:
        """Called every so often while playing: notices silence, keeps the session alive."""
        if self.session.failure.done():
            return  # whoever waits for its end has not come to it yet
        for carrier in self._carriers:
            carrier.check(boot_us)
        silent_us = boot_us - self.session.last_media_us
        if self.session.ended and silent_us > policies.ENDED_CONNECTION_US:
            self.session.fail(GapReason.UNREACHABLE, f"{self.session.ended}, and the packets ended; {self._last}")
        elif silent_us > NO_MEDIA_US:
            seconds = NO_MEDIA_US // 1_000_000
            if self.receiver.packets:
                self.session.fail(GapReason.STALLED, f"no packet for {seconds} s; {self._last}")
            else:
                self._memory.every_track = self._approach.transport == "udp"
                self.session.fail(GapReason.NO_MEDIA, f"no packet within {seconds} s of PLAY")
        else:
            self._keepalive.due(boot_us)

    @property
    def _last(self) -> str:
        return f"the last was {self.receiver.last_sequence}, {self.receiver.packets} in all"

    def hurry(self, *, wanted: bool) -> None:
        """See `ingest.source.Source`. Called again and again; only a change costs anything."""
        if wanted:
            self.session.read_at_once()
            for carrier in self._carriers:
                carrier.read_at_once()
        elif self._rounds is not None:
            self.session.read_in_rounds(self._rounds)
            for carrier in self._carriers:
                carrier.read_in_rounds(self._rounds)

    @property
    def waited_us(self) -> int:
        """See `ingest.source.Source`."""
        return self.session.waited_us

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
        """See `ingest.source.Source`."""
        receiver, session = self.receiver, self.session
        work = session.reads + session.side_packets + session.stray_packets + session.messages
        work += receiver.work + sum(track.receiver.parts for track in self.tracks[1:])
        carried = [carrier.tally() for carrier in self._carriers]
        repeated = sum(each.late_packets for each in carried)
        return Tally(
            wire_bytes=session.received_bytes,
            octets=receiver.octets,
            work=work + repeated,
            overtaken_packets=sum(each.overtaken_packets for each in carried),
            late_packets=receiver.late_packets + repeated,
            foreign_packets=receiver.foreign_packets + sum(each.foreign_packets for each in carried),
            overflowed_packets=sum(each.overflowed_packets for each in carried),
        )

    def what_came(self) -> str:
        """Packets by what became of them, and the last thing that was wrong with one."""
        receiver = self.receiver
        words = [f"{receiver.packets} packets"]
        for count, kind in (
            (receiver.foreign_packets, "of other types or sources"),
            (receiver.malformed_packets, "malformed"),
            (receiver.lost_packets, "lost"),
            (self.session.stray_packets, "that nobody asked for"),
        ):
            if count:
                words.append(f"{count} {kind}")
        if receiver.last_error is not None:
            words.append(str(receiver.last_error))
        return ", ".join(words)

    # --- its end

    def close(self) -> None:
        """TEARDOWN, repeated as far as needed, beside whatever comes next (`ingest.teardown`)."""
        self._memory.redirect = self.session.redirect
        self.session.end_media()
        if not self._session_id:
            self.session.close()
            return
        farewell = Farewell(
            approach=self._approach,
            login=self._login,
            url=self._aggregate_url,
            session_id=self._session_id,
            timeout_s=self._timeout_s,
            clock=self._clock,
        )
        insist = self.session.beside or self._leaks
        if self._farewells is None or not (insist or self.session.connected):
            farewell.begin(self.session)
            self.session.close()
        else:
            self._farewells.start(farewell, self.session, insist=insist)


async def open_session(
    approach: Approach,
    *,
    herd: Herd,
    clock: Clock,
    takers: Mapping[str, TrackTaker],
    memory: CameraMemory | None = None,
) -> CameraSession:
    """Connect to a camera and have it play: a track of each kind in `takers`, of which "video" must be one.

    `memory` is what earlier sessions with it learned. SourceError with the reason of the gap when it does not succeed.
    """
    memory = memory or CameraMemory()
    present = approach
    if memory.redirect:
        present, memory.redirect = follow(approach, approach.url, memory.redirect), ""
    for _hop in range(MOST_REDIRECTS + 1):
        if present.transport == "udp" and present.url.scheme == "rtsps":
            message = "packets over UDP would not be encrypted, and the URL asks for that"
            raise SourceError(GapReason.UNSUPPORTED, message, hint="use `transport: tcp` with rtsps://")
        await herd.turn()
        session = await connect(present, clock)
        camera = CameraSession(
            present.url,
            session,
            clock,
            approach=present,
            memory=memory,
            farewells=herd.farewells,
            rounds=herd.rounds,
        )
        try:
            async with herd.handshakes:
                await camera.play(takers)
            camera.hurry(wanted=False)
        except RedirectedError as error:
            camera.close()
            present = follow(approach, present.url, error.location)
        except BaseException:
            camera.close()
            raise
        else:
            return camera
    raise SourceError(GapReason.PROTOCOL, f"the camera redirects more than {MOST_REDIRECTS} times")
