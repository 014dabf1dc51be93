"""One RTSP session's connection: the hot path from the socket to the depacketizer, and requests beside it.

What makes it cheap: up to 128 KiB are read straight into the reader's buffer (one recv for a whole picture), once it
plays in rounds with all other cameras; everything is parsed in place, and the arrival time is taken once per read.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, cast

from ingest.network import Peers
from media.errors import GapReason, MediaError, RtspError, SourceError
from media.interleaved import InterleavedReader
from media.rtsp import Headers, Request, Response
from storage.waiting import first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.read_rounds import ReadRounds
    from ingest.stale import StaleFilter
    from media.rtp import RtpReceiver
    from storage.clock import Clock

    Taker = Callable[[bytearray, int, int], None]

REQUEST_TIMEOUT_S = 5.0

MOST_MESSAGES, MESSAGES_US = 200, 2_000_000
"""RTSP messages within so long. A camera sends an answer now and then; each costs as much as ten packets, and one with
a long head as fifty."""

MOST_UNREAD_BYTES = 64 << 10
"""That a camera may leave unread before it counts as one that does not listen."""

MOST_STALE = 8
_SSRC, _SSRC_END = 8, 12  # of an RTP packet (RFC 3550 5.1)

ANSWERED = frozenset({"OPTIONS", "ANNOUNCE", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT"})


class RtspSession(asyncio.BufferedProtocol):
    """A connection to a camera. Fails once, with a reason, in `failure`; after that it is of no more use."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reader = InterleavedReader(self._on_packet, self._on_message)
        self._transport: asyncio.Transport | None = None
        self._answers: dict[int, asyncio.Future[Response]] = {}
        self._sequence = 0
        self._media_channel = -1
        self._receiver: RtpReceiver | StaleFilter | None = None
        self._takers: dict[int, Taker] = {}
        self._at_end: list[Callable[[], None]] = []
        self.beside = False
        """Packets come beside the connection, as datagrams."""
        self.heard_beside = False
        """At least one of them did."""
        self.ended = ""
        """How the connection ended. Beside datagrams that need not be the end of the session."""
        self.redirect = ""
        """Where the camera asked us to go."""
        self.failure: asyncio.Future[SourceError] = asyncio.get_running_loop().create_future()
        self._rounds: ReadRounds | None = None  # that read the connection, in the place of its transport
        self._fd = -1
        self._read_error: OSError | None = None
        self.arrival_us = 0
        """When the last bytes came, on the boot clock, which never steps."""
        self.waited_us = 0
        """How long the datagram that was read last had waited for this process; of a connection nobody tells."""
        self.last_media_us = 0
        """When the last packet of the first track came, likewise."""
        self.stray_packets = 0
        """On channels that nobody asked for (quirks I1, I2)."""
        self.stale_ssrcs: set[bytes] = set()
        """Sources that sent here before anything was set up: a session of before (quirk I3)."""
        self.side_packets = 0
        """RTCP, and packets of further tracks."""
        self.received_bytes = 0
        self.reads = 0
        """Of the connection: bytes that come one by one cost a read each."""
        self.messages = 0
        self._messages_us = self._messages_before = 0

    # --- the hot path

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the event loop reads to."""
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what was read."""
        self.arrival_us = self._clock.boot_us()
        self.received_bytes += nbytes
        self.reads += 1
        try:
            self._reader.received(nbytes)
        except MediaError as error:
            self._break_off(GapReason.PROTOCOL, f"{error}{self._after}")
        except SourceError as error:
            self._break_off(error.reason, str(error))

    def _on_packet(self, channel: int, buffer: bytearray, start: int, end: int) -> None:
        if channel == self._media_channel:
            self._receiver.receive(buffer, start, end)  # type: ignore[union-attr] # set together with the channel
            self.last_media_us = self.arrival_us
        elif channel in self._takers:
            self.side_packets += 1
            self._takers[channel](buffer, start, end)
        else:
            self.stray_packets += 1
            if not self._takers and end - start >= _SSRC_END and len(self.stale_ssrcs) < MOST_STALE:
                self.stale_ssrcs.add(bytes(buffer[start + _SSRC : start + _SSRC_END]))

    def read_in_rounds(self, rounds: ReadRounds) -> None:
        """From now on, until the session ends or `read_at_once`.

        What is encrypted only its transport can read, and beside datagrams there is little to read.
        """
        if self._rounds is not None or not self.connected or self.encrypted or self.beside:
            return
        assert self._transport is not None
        self._fd = self._transport.get_extra_info("socket").fileno()
        self._transport.pause_reading()
        self._rounds = rounds
        rounds.join(self._fd, self._read)

    def read_at_once(self) -> None:
        """Whenever something comes, by the transport."""
        self._leave_rounds()

    def _read(self) -> bool:
        """One read, of a socket that has something. How the connection ends is the transport's to tell."""
        space = self._reader.get_buffer()
        try:
            count = os.readv(self._fd, (space,))
        except BlockingIOError:
            return False
        except OSError as error:
            self._read_error = error  # told once: the transport would find the mere end
            count = 0
        if not count:
            self._leave_rounds()
            return False
        self.buffer_updated(count)
        return count == len(space)

    def _leave_rounds(self) -> None:
        if self._rounds is not None:
            self._rounds.leave(self._fd)
            self._rounds = None
            if self.connected:
                assert self._transport is not None
                self._transport.resume_reading()

    # --- requests

    def play_into(self, receiver: RtpReceiver | StaleFilter, channel: int) -> None:
        """From now on packets of `channel` go to `receiver`, that of the first track; before that they are discarded.

        (Quirk I2.) What is silent is this track: sound alone is no sign of a camera that works.
        """
        self._receiver, self._media_channel = receiver, channel
        self.last_media_us = self._clock.boot_us()

    def watch_datagrams(self, receiver: RtpReceiver) -> None:
        """The first track's packets come beside the connection, to `receiver`: they, too, are a sign of life."""
        self._receiver, self.beside = receiver, True
        self.last_media_us = self._clock.boot_us()

    def at_end(self, close: Callable[[], None]) -> None:
        """To be called once when the session ends, for whatever reason."""
        self._at_end.append(close)

    def attach(self, channel: int, taker: Taker) -> None:
        """From now on packets of `channel` go to `taker`: RTCP, or a further track."""
        if channel == self._media_channel or channel in self._takers:
            raise SourceError(GapReason.PROTOCOL, f"the camera wants to send two things on channel {channel}")
        self._takers[channel] = taker

    async def request(self, method: str, url: str, headers: dict[str, str]) -> Response:
        """Send a request and wait for its answer. SourceError when none comes."""
        answer = self.send(method, url, headers)
        await first_of(asyncio.wait([answer]), self.wait_failed(), self._clock.sleep(REQUEST_TIMEOUT_S))
        if answer.done():
            return answer.result()
        if self.failure.done():
            raise self.failure.result()
        raise SourceError(GapReason.PROTOCOL, f"no answer to {method} within {REQUEST_TIMEOUT_S:.0f} s")

    async def wait_failed(self) -> None:
        """Wait for the end of the session."""
        await asyncio.wait([self.failure])

    def send(self, method: str, url: str, headers: dict[str, str]) -> asyncio.Future[Response]:
        """Send a request; the answer completes the future, if it comes. SourceError where there is no connection."""
        self._sequence += 1
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answers = {key: waiting for key, waiting in self._answers.items() if not waiting.done()}
        self._answers[self._sequence] = answer
        fields = {"CSeq": str(self._sequence), "User-Agent": "hulta", **headers}
        try:
            self._write(Request(method=method, url=url, headers=Headers(fields)).to_bytes())
        except RtspError as error:
            raise SourceError(GapReason.PROTOCOL, f"{method} cannot be asked: {error}") from error
        return answer

    def _write(self, message: bytes) -> None:
        if not self.connected:
            raise self.failure.result() if self.failure.done() else SourceError(GapReason.PROTOCOL, "not connected")
        assert self._transport is not None
        if self._transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            raise SourceError(GapReason.PROTOCOL, "the camera does not read what it is sent")
        self._transport.write(message)

    @property
    def connected(self) -> bool:
        """Whether anything can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def _on_message(self, message: Request | Response) -> None:
        self.messages += 1
        if self.arrival_us - self._messages_us > MESSAGES_US:
            self._messages_us, self._messages_before = self.arrival_us, self.messages
        if self.messages - self._messages_before > MOST_MESSAGES:
            raise SourceError(GapReason.FLOOD, f"the camera sends over {MOST_MESSAGES} RTSP messages in 2 s")
        if isinstance(message, Request):
            self._answer(message)
            return
        answer = self._answers.pop(message.cseq, None) if message.cseq is not None else None
        if answer is None and self._answers:
            # Tapo answers keepalives with the CSeq of the request before (quirk S20).
            answer = self._answers.pop(next(iter(self._answers)))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _answer(self, request: Request) -> None:
        """A camera may ask and announce things while it plays (quirk S25). All of them are heard, one is obeyed."""
        known = request.method in ANSWERED
        fields = {} if request.cseq is None else {"CSeq": str(request.cseq)}
        status, reason = (200, "OK") if known else (501, "Not Implemented")
        self._write(Response(status=status, reason=reason, headers=Headers(fields)).to_bytes())
        if request.method == "REDIRECT":
            self.redirect = request.headers.get("Location", "")
            raise SourceError(GapReason.UNREACHABLE, "the camera sends us to another address")

    # --- the connection

    def peers(self, networks: Sequence[str]) -> Peers:
        """The addresses of both ends."""
        assert self._transport is not None
        local, camera = (self._transport.get_extra_info(name)[0] for name in ("sockname", "peername"))
        return Peers(local=local, camera=camera, networks=networks)

    @property
    def certificate(self) -> bytes | None:
        """What the camera showed in a TLS handshake (DER)."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        return None if tls is None else tls.getpeercert(binary_form=True)

    @property
    def encrypted(self) -> bool:
        """Whether nobody between can read what is said."""
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is connected."""
        self._transport = cast("asyncio.Transport", transport)

    def eof_received(self) -> bool:
        """The camera closed its side."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP is gone: cut in the midst of a packet, or not."""
        self._leave_rounds()
        exc = self._read_error or exc
        cause = "closed by the camera" if exc is None else error_name(exc)
        self.ended = f"the connection was lost ({cause})"
        if exc is None and self._reader.unfinished:
            self.fail(GapReason.PROTOCOL, f"{cause} in the midst of {self._reader.unfinished}{self._after}")
        elif not self.heard_beside:
            self.fail(GapReason.UNREACHABLE, f"{self.ended}{self._after}")

    def fail(self, reason: GapReason, message: str) -> None:
        """End the session for this reason. Only the first one counts.

        A connection that carries packets ends with it. Beside datagrams it stays until `close`: they only stop coming
        once the camera has been told.
        """
        if not self.failure.done():
            self.failure.set_result(SourceError(reason, message))
        self.end_media()
        if self._transport is not None and not self.beside:
            self._transport.abort()

    def _break_off(self, reason: GapReason, message: str) -> None:
        """What comes on the connection makes no sense: it is of no use for a farewell either."""
        self.fail(reason, message)
        if self._transport is not None:
            self._transport.abort()

    def end_media(self) -> None:
        """Nothing comes from now on."""
        self._leave_rounds()
        self._media_channel = -1
        self._takers.clear()
        while self._at_end:
            self._at_end.pop()()

    @property
    def _after(self) -> str:
        """The last packet before the end, as evidence for the gap."""
        receiver = self._receiver
        if receiver is None or not receiver.packets:
            return ""
        return f", after packet {receiver.last_sequence}, {receiver.packets} in all"

    def close(self) -> None:
        """End the session from our side, once what was sent is out."""
        self.end_media()
        if self._transport is not None:
            self._transport.close()


def error_name(error: BaseException) -> str:
    """An error of the network as its errno's name and what it says."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{errno.errorcode.get(error.errno, error.errno)}: {error.strerror}"
    return str(error) or type(error).__name__
