"""One RTSP connection: requests in, responses and interleaved packets out (RFC 2326)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from media.errors import RtspError
from media.interleaved import InterleavedReader
from media.rtsp import Headers, Request, Response, Transport, parse_session, parse_transports
from simulator.carrier import InterleavedCarrier
from simulator.description import SOUND_TRACK, TRACK, describe
from simulator.guard import Guard
from simulator.session import Session
from simulator.udp_carrier import LEAST_PORT, UdpCarrier

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.camera import Camera
    from simulator.carrier import Carrier
    from simulator.door import Door
    from simulator.rtsp_server import RtspServer

log = logging.getLogger(__name__)

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class RtspConnection(asyncio.BufferedProtocol):
    """Serves one client. At most one session at a time, and it ends with this connection."""

    def __init__(self, server: RtspServer, door: Door) -> None:
        self._server = server
        self._door = door
        self.camera_name = next(iter(door.names)) if len(door.names) == 1 else ""
        """The camera it is about; empty until a request names one, where cameras share an address."""
        self._guard = Guard(server.options.credentials)
        self._reader = InterleavedReader(self._hear_packet, self._hear_message)
        self._transport: asyncio.Transport
        self._session: Session | None = None
        self._heard_s = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._deaf = False
        self._methods: dict[str, Callable[[Request], Response]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "GET_PARAMETER": self._keep_alive,
            "SET_PARAMETER": self._keep_alive,
            "TEARDOWN": self._teardown,
        }

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        self._server.connections.add(self)
        self._hear()
        self._watch_idle()

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone, or was sent away."""
        del error
        self._server.left(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._end_session()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        del sizehint
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come: requests, and the reader's own RTCP."""
        self._hear()
        try:
            self._reader.received(nbytes)
        except RtspError as error:
            log.warning("client %s dropped: %s", self._peer, error)
            self.abort()

    # What the server and the session call

    def write(self, buffer: bytes) -> None:
        """Send one frame. A reader that does not keep up is dropped: what waits for it must not grow for ever."""
        self._transport.write(buffer)
        waiting = self._transport.get_write_buffer_size()
        if waiting > self._server.options.queue_bytes:
            log.warning("client %s dropped: it reads too slowly, %d bytes are waiting", self._peer, waiting)
            self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()
        self._end_session()

    # What faults do

    @property
    def session(self) -> Session | None:
        """The session of this connection, from SETUP on."""
        return self._session

    def hang_up(self) -> None:
        """End the session and the connection; what was written still leaves. Not while it is deaf: it is off."""
        if not self._deaf:
            self._end_session()
            self._transport.close()

    def reset(self) -> None:
        """End as a device does that knows nothing of this connection any more: with a RST."""
        if not self._transport.is_closing():
            sock: socket.socket = self._transport.get_extra_info("socket")
            with socket.socket(fileno=os.dup(sock.fileno())) as same:  # uvloop's socket takes no options
                same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def deafen(self) -> None:
        """Hear and say nothing any more, also not that the client has gone; only `abort` and `reset` end that."""
        self._deaf = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if not self._transport.is_closing():
            self._transport.pause_reading()

    # Requests

    def _hear(self) -> None:
        """The client lives."""
        self._heard_s = asyncio.get_running_loop().time()

    def _hear_packet(self, channel: int, buffer: bytearray, start: int, end: int) -> None:
        """Receiver reports: all they tell a camera is that its client lives."""

    def _hear_message(self, message: Request | Response) -> None:
        if isinstance(message, Response):
            return  # a simulated camera asks nothing
        self.camera_name = self._asked_for(message.url) or self.camera_name
        if self._session is None and self._door.turns_away(self.camera_name):
            self.reset()
            return
        response = self._answer(message)
        cseq = message.headers.get("CSeq")
        fields = [] if cseq is None else [("CSeq", cseq)]
        headers = Headers([*fields, ("Server", "hulta simulator"), *response.headers.fields()])
        self._transport.write(
            Response(status=response.status, reason=response.reason, headers=headers, body=response.body).to_bytes()
        )

    def _answer(self, request: Request) -> Response:
        method = self._methods.get(request.method)
        if request.cseq is None:
            return _response(400)
        if method is None:
            return _response(501, ("Public", self._public))
        refusal = self._refusal(request.method)
        if refusal is not None:
            return _response(refusal, *(self._guard.challenges() if refusal == 401 else ()))
        # As most cameras, we tell anyone what we can do.
        if method != self._options and not self._guard.admits(request):
            return _response(401, *self._guard.challenges())
        try:
            return method(request)
        except (RtspError, ValueError) as error:
            log.warning("client %s: %s refused: %s", self._peer, request.method, error)
            return _response(400)

    def _refusal(self, method: str) -> int | None:
        """The status that a fault of the camera gives to a request."""
        camera = self._server.cameras.get(self.camera_name)
        return None if camera is None or camera.conditions is None else camera.conditions.refusal(method)

    def _options(self, request: Request) -> Response:
        del request
        return _response(200, ("Public", self._public))

    def _describe(self, request: Request) -> Response:
        camera = self._camera(request.url)
        if camera is None:
            return _response(404)
        base = request.url.rstrip("/") + "/"
        fields = (("Content-Base", base), ("Content-Type", "application/sdp"))
        return _response(200, *fields, body=describe(camera))

    def _setup(self, request: Request) -> Response:
        camera = self._camera(request.url)
        if camera is None:
            return _response(404)
        session = self._session
        of_sound = _ends_with(request.url, SOUND_TRACK)
        if of_sound != (session is not None) or (session is not None and (session.sound or session.playing)):
            return _response(455)  # pictures first, then their sound, each once
        if of_sound and (camera.microphone is None or not self._is_ours(request)):
            return _response(404 if camera.microphone is None else 454)
        transports = parse_transports(request.headers.get("Transport", ""))
        try:
            carrier = self._choose_carrier(transports)
        except OSError as error:
            log.warning("client %s: no port for its packets: %s", self._peer, error)
            return _response(503)
        if carrier is None:
            return _response(461)
        if session is not None and camera.microphone is not None:
            stream = self._server.sound_stream(camera.name, camera.microphone.reel.payload_type)
            session.add_sound(stream, carrier)
        else:
            stream = self._server.next_stream(camera.name)
            self._session = session = Session(camera, self._server.next_session(), stream, carrier)
        transport = f"{carrier.transport};ssrc={stream.ssrc:08X}"
        timeout = f"{session.identifier};timeout={self._server.options.session_timeout_s}"
        return _response(200, ("Transport", transport), ("Session", timeout))

    def _play(self, request: Request) -> Response:
        session = self._session
        if session is None or not self._is_ours(request):
            return _response(454)
        fields = [("Session", session.identifier), ("Range", "npt=now-")]
        if not session.playing:
            fields.append(("RTP-Info", _begin(session, request.url.rstrip("/").removesuffix("/" + TRACK))))
        return _response(200, *fields)

    def _keep_alive(self, request: Request) -> Response:
        if "Session" in request.headers and not self._is_ours(request):
            return _response(454)
        return _response(200, *(("Session", value) for value in request.headers.get_all("Session")))

    def _teardown(self, request: Request) -> Response:
        if not self._is_ours(request):
            return _response(454)
        self._end_session()
        return _response(200)

    # What they share

    @property
    def _public(self) -> str:
        return ", ".join(self._methods)

    @property
    def _peer(self) -> str:
        host, port = self._transport.get_extra_info("peername", ("unknown", 0))[:2]
        return f"{host}:{port}"

    def _asked_for(self, url: str) -> str | None:
        """The name of the camera that a URL is about; None if it does not answer at this address."""
        try:
            path = urlsplit(url).path
        except ValueError:  # half an IPv6 address and the like
            return None
        name = unquote(path).strip("/").removesuffix("/" + TRACK).removesuffix("/" + SOUND_TRACK)
        return name if name in self._door.names else None

    def _camera(self, url: str) -> Camera | None:
        name = self._asked_for(url)
        return None if name is None else self._server.cameras[name]

    def _choose_carrier(self, transports: tuple[Transport, ...]) -> Carrier | None:
        """The way of the first specification that we can serve. None: 461. OSError if there is no port left."""
        for transport in transports:
            if transport.tcp:
                return InterleavedCarrier((transport.interleaved or (0, 1))[0], self.write)
            ports = transport.client_port
            if ports and self._may_send_to(transport, ports):
                connection: socket.socket = self._transport.get_extra_info("socket")
                local, peer = connection.getsockname()[0], connection.getpeername()[0]
                return UdpCarrier(connection.family, local, peer, ports, self._hear)
        return None

    def _may_send_to(self, transport: Transport, ports: tuple[int, int]) -> bool:
        """Unicast to where the request came from, and not to its services: we are nobody's weapon."""
        at_home = transport.get("destination") in {None, "", self._transport.get_extra_info("peername")[0]}
        unicast = transport.protocol.upper() in {"RTP/AVP", "RTP/AVP/UDP"} and "multicast" not in transport
        return at_home and unicast and min(ports) >= LEAST_PORT

    def _is_ours(self, request: Request) -> bool:
        header = request.headers.get("Session", "")
        return self._session is not None and bool(header) and parse_session(header)[0] == self._session.identifier

    def _end_session(self) -> None:
        if self._session is not None:
            self._session.stop()
            self._session = None

    def _watch_idle(self) -> None:
        """Drop a client that was not heard for the session timeout (RFC 2326 12.37), as cameras do."""
        loop = asyncio.get_running_loop()
        left_s = self._heard_s + self._server.options.session_timeout_s - loop.time()
        if left_s <= 0:
            log.warning("client %s dropped: no request and no report within the session timeout", self._peer)
            self.abort()
        else:
            self._idle_timer = loop.call_later(left_s, self._watch_idle)


def _ends_with(url: str, track: str) -> bool:
    return url.rstrip("/").endswith("/" + track)


def _begin(session: Session, url: str) -> str:
    """Let a session play; returns what its first packets are (RFC 2326 12.33)."""
    tracks = [f"url={url}/{TRACK};seq={session.stream.sequence};rtptime={session.play()}"]
    timestamp = session.play_sound()
    if session.sound is not None and timestamp is not None:
        tracks.append(f"url={url}/{SOUND_TRACK};seq={session.sound.stream.sequence};rtptime={timestamp}")
    return ",".join(tracks)


def _response(status: int, *fields: tuple[str, str], body: bytes = b"") -> Response:
    return Response(status=status, reason=_REASONS[status], headers=Headers(fields), body=body)
