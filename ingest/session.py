"""One RTSP session's connection: the hot path from the socket to the depacketizer, and requests beside it.

What makes it cheap: the event loop reads up to 128 KiB straight into the reader's buffer (`BufferedProtocol`, one
recv for a whole picture), everything is parsed in place, and the arrival time is taken once per read.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, cast

from media.errors import GapReason, MediaError, SourceError
from media.interleaved import InterleavedReader
from media.rtsp import Headers, Request, Response
from storage.waiting import first_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.rtp import RtpReceiver
    from storage.clock import Clock

    Taker = Callable[[bytearray, int, int], None]

REQUEST_TIMEOUT_S = 5.0

MOST_MESSAGES = 200
"""RTSP messages between two looks of `ingest.watch`, 2 s. A camera sends an answer now and then; each costs as much as
ten packets, and a flood of them would keep a core busy at a tenth of the rate that counts as one."""


class RtspSession(asyncio.BufferedProtocol):
    """A connection to a camera. Fails once, with a reason, in `failure`; after that it is of no more use."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reader = InterleavedReader(self._on_packet, self._on_message)
        self._transport: asyncio.Transport | None = None
        self._answers: dict[int, asyncio.Future[Response]] = {}
        self._sequence = 0
        self._media_channel = -1
        self._receiver: RtpReceiver | None = None
        self._takers: dict[int, Taker] = {}
        self.failure: asyncio.Future[SourceError] = asyncio.get_running_loop().create_future()
        self.arrival_us = 0
        """When the last bytes came, on the boot clock, which never steps."""
        self.last_media_us = 0
        """When the last packet of the first track came, likewise."""
        self.stray_packets = 0
        """On channels that nobody asked for (quirks I1, I2)."""
        self.side_packets = 0
        """RTCP, and packets of further tracks."""
        self.received_bytes = 0
        self.messages = 0
        """Since somebody set it to 0."""

    # --- the hot path

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the event loop reads to."""
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what was read."""
        self.arrival_us = self._clock.boot_us()
        self.received_bytes += nbytes
        try:
            self._reader.received(nbytes)
        except MediaError as error:
            self.fail(GapReason.PROTOCOL, f"{error}{self._after}")
        except SourceError as error:
            self.fail(error.reason, str(error))

    def _on_packet(self, channel: int, buffer: bytearray, start: int, end: int) -> None:
        if channel == self._media_channel:
            self._receiver.receive(buffer, start, end)  # type: ignore[union-attr] # set together with the channel
            self.last_media_us = self.arrival_us
        elif channel in self._takers:
            self.side_packets += 1
            self._takers[channel](buffer, start, end)
        else:
            self.stray_packets += 1

    # --- requests

    def play_into(self, receiver: RtpReceiver, channel: int) -> None:
        """From now on packets of `channel` go to `receiver`, that of the first track; before that they are discarded.

        (Quirk I2.) What is silent is this track: sound alone is no sign of a camera that works.
        """
        self._receiver, self._media_channel = receiver, channel
        self.last_media_us = self._clock.boot_us()

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
        """Send a request; the answer completes the future, if it comes."""
        if self._transport is None or self.failure.done():
            raise self.failure.result() if self.failure.done() else SourceError(GapReason.PROTOCOL, "not connected")
        self._sequence += 1
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answers = {key: waiting for key, waiting in self._answers.items() if not waiting.done()}
        self._answers[self._sequence] = answer
        fields = {"CSeq": str(self._sequence), "User-Agent": "hulta", **headers}
        self._transport.write(Request(method=method, url=url, headers=Headers(fields)).to_bytes())
        return answer

    def _on_message(self, message: Request | Response) -> None:
        self.messages += 1
        if self.messages > MOST_MESSAGES:
            raise SourceError(GapReason.FLOOD, f"the camera sent {self.messages} RTSP messages in 2 s")
        if isinstance(message, Request):
            return  # a camera may announce things while playing (quirk S25); none of them concerns us
        answer = self._answers.pop(message.cseq, None) if message.cseq is not None else None
        if answer is None and self._answers:
            # Tapo answers keepalives with the CSeq of the request before (quirk S20).
            answer = self._answers.pop(next(iter(self._answers)))
        if answer is not None and not answer.done():
            answer.set_result(message)

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is connected."""
        self._transport = cast("asyncio.Transport", transport)

    def eof_received(self) -> bool:
        """The camera closed its side."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP is gone: cut in the midst of a packet, or not."""
        cause = "closed by the camera" if exc is None else error_name(exc)
        if exc is None and self._reader.unfinished:
            self.fail(GapReason.PROTOCOL, f"{cause} in the midst of {self._reader.unfinished}{self._after}")
        else:
            self.fail(GapReason.UNREACHABLE, f"the connection was lost ({cause}){self._after}")

    def fail(self, reason: GapReason, message: str) -> None:
        """End the session for this reason. Only the first one counts."""
        if not self.failure.done():
            self.failure.set_result(SourceError(reason, message))
        self._end_of_media()
        if self._transport is not None:
            self._transport.abort()

    def _end_of_media(self) -> None:
        self._media_channel = -1
        self._takers.clear()

    @property
    def _after(self) -> str:
        """The last packet before the end, as evidence for the gap."""
        receiver = self._receiver
        if receiver is None or not receiver.packets:
            return ""
        return f", after packet {receiver.last_sequence}, {receiver.packets} in all"

    def close(self) -> None:
        """End the session from our side, once what was sent is out."""
        self._end_of_media()
        if self._transport is not None:
            self._transport.close()


def error_name(error: BaseException) -> str:
    """An error of the network as its errno's name and what it says."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{errno.errorcode.get(error.errno, error.errno)}: {error.strerror}"
    return str(error) or type(error).__name__
