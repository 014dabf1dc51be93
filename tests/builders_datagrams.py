"""A camera's two UDP sockets on loopback, and a session whose packets come from them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence

from ingest.network import Peers
from ingest.port_pair import bind_pair
from ingest.session import RtspSession
from ingest.tracks import CameraTrack, TrackTaker
from ingest.udp_carrier import UdpCarrier
from media.errors import SourceError
from media.rtp import Buffer, write_header
from media.rtsp_fields import parse_transport
from media.sdp import MediaDescription
from storage.clock import FakeClock
from tests.builders_recorder import Line

HOME, ELSEWHERE = "127.0.0.1", "127.0.0.2"
MEDIA = MediaDescription(kind="video", transport="RTP/AVP", payload_type=96, encoding="H264", clock_rate=90000)
_UDP_SEGMENT = 103


class Payloads:
    """Takes payloads and keeps what stands in them."""

    def __init__(self) -> None:
        self.timestamp = self.latest = -1
        self.parts = 0
        self.seen: list[bytes] = []
        self.lost = 0

    @property
    def numbers(self) -> list[int]:
        """Of the packets of `packet_of`."""
        return [int.from_bytes(payload[:4], "big") for payload in self.seen]

    def push(  # noqa: PLR0917 - as `PayloadTaker` has it
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """One."""
        del marker
        self.timestamp = self.latest = timestamp
        self.seen.append(bytes(buffer[start:end]))
        self.lost += lost


class Datagrams:
    """Both sides. What the camera sends is read by `hear`, without an event loop's turn."""

    def __init__(self, *, answer: str = "", networks: Sequence[str] = ()) -> None:
        self.clock = FakeClock()
        self.session = RtspSession(self.clock)
        self.session.connection_made(Line())
        peers = Peers(local=HOME, camera=HOME, networks=networks)
        self.carrier = UdpCarrier(self.session, peers, self.clock, first=True)
        self.rtp, self.rtcp = bind_pair(HOME)
        self.payloads = Payloads()
        self.reports: list[bytes] = []
        taker = TrackTaker(units=lambda _unit: None, reports=self._report)
        self.track = CameraTrack(MEDIA, self.payloads, taker)
        port = self.rtp.getsockname()[1]
        answer = answer or f"RTP/AVP;unicast;server_port={port}-{port + 1}"
        try:
            self.carrier.agree(parse_transport(answer), self.track)
        except SourceError:
            self.close()
            raise
        self.carrier.promise(1)

    @property
    def ports(self) -> tuple[int, int]:
        """Ours, as SETUP asks for them."""
        pair = parse_transport(self.carrier.offer).client_port
        assert pair is not None
        return pair

    def send(self, packets: Sequence[bytes], *, through: socket.socket | None = None) -> None:
        """A datagram each."""
        for packet in packets:
            (through or self.rtp).sendto(packet, (HOME, self.ports[0]))

    def burst(self, packets: Sequence[bytes]) -> None:
        """The kernel gets them in one piece, as a network card would put them together."""
        segment = struct.pack("=H", len(packets[0]))
        self.rtp.sendmsg(packets, [(socket.IPPROTO_UDP, _UDP_SEGMENT, segment)], 0, (HOME, self.ports[0]))

    def hear(self, read: Callable[[], object] | None = None) -> None:
        """What the event loop does when there is something to read."""
        (read or self.carrier._hear)()

    def close(self) -> None:
        """Both sides."""
        self.carrier.close()
        self.rtp.close()
        self.rtcp.close()

    def _report(self, buffer: Buffer, start: int, end: int) -> None:
        self.reports.append(bytes(buffer[start:end]))


def packet_of(number: int, size: int = 20, ssrc: int = 7) -> bytes:
    """A packet with its number as payload."""
    header = write_header(number & 0xFFFF, number * 3600 & 0xFFFFFFFF, ssrc, 96, marker=True)
    return header + number.to_bytes(4, "big") + bytes(size - 4)


def received(through: socket.socket) -> list[bytes]:
    """Everything that waits in a socket."""
    found = []
    while True:
        try:
            found.append(through.recv(2048))
        except BlockingIOError:
            return found
