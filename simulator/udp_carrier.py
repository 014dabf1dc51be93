"""One session's packets as datagrams, the way most cameras are read: RTP from one port, RTCP from the next.

Sockets are connected to the client: the kernel then drops what anybody else sends to them, and a send needs no address.
They never block. What the send buffer does not take is dropped and counted, as on a network that is full.

A frame is a handful of system calls, not one per packet: packets of the same length, of which most of a frame consists,
go to the kernel as one buffer that it cuts up (UDP_SEGMENT, udp(7)). Measured on loopback for 15 packets of 1400 bytes:
11 µs; one `send` each 45, one `sendmsg` each 51, `sendto` on a socket that is not connected 54.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulator.rtp_stream import RtpStream

log = logging.getLogger(__name__)

LEAST_PORT = 1024
"""Nobody receives video on a system port; services that answer to datagrams live there."""

_UDP_SEGMENT = 103  # linux/udp.h; Python has no name for it
_SEGMENTS_MAX = 64
_BURST_BYTES_MAX = 65_000  # of the 65 507 of the largest datagram
_UNSERVED = {errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
"""What kernels, and network cards without checksum offload, answer where they cannot cut up a buffer."""

_PORT_TRIES = 64
_DATAGRAM_BYTES = 2048
_REPORTS_PER_TURN = 8
_RTCP_KINDS = range(200, 205)  # RFC 3550 12.1


class UdpCarrier:
    """Sends to `ports` (RTP, RTCP) of `peer`, from two free ports of `local`. `heard` is called for each report back.

    OSError if there are no sockets to be had.
    """

    def __init__(
        self, family: socket.AddressFamily, local: str, peer: str, ports: tuple[int, int], heard: Callable[[], None]
    ) -> None:
        self._rtp, self._rtcp = _bind_pair(family, local)
        try:
            self._rtp.connect((peer, ports[0]))
            self._rtcp.connect((peer, ports[1]))
            for each in (self._rtp, self._rtcp):
                each.setblocking(False)
        except OSError:
            self._rtp.close()
            self._rtcp.close()
            raise
        self._client = ports
        self._heard = heard
        self._segmenting = True
        self.dropped = 0
        """Packets that did not fit into the send buffer."""
        self.unwanted = 0
        """Packets that went out while the client's port was closed, as far as the kernel told."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._rtcp, self._hear)

    @property
    def transport(self) -> str:
        """Both sides' ports."""
        server = self._rtp.getsockname()[1]
        client = f"client_port={self._client[0]}-{self._client[1]}"
        return f"RTP/AVP;unicast;{client};server_port={server}-{server + 1}"

    def deliver(self, stream: RtpStream, payloads: Sequence[bytes], rtp_ticks: int) -> None:
        """A frame, in as few calls as it can be."""
        self.send(stream.packets(payloads, rtp_ticks))

    def send(self, packets: Sequence[bytes]) -> None:
        """A datagram each."""
        for burst in bursts(packets):
            if len(burst) == 1 or not self._segmenting:
                for packet in burst:
                    self._send(self._rtp, packet)
            else:
                self._send_burst(burst)

    def control(self, packet: bytes) -> None:
        """From the port of the reports."""
        self._send(self._rtcp, packet)

    def send_cut(self, whole: Sequence[bytes], broken: bytes, kept: int) -> None:  # noqa: ARG002 - of no use here
        """A datagram comes whole or not at all: the broken one stays away."""
        self.send(whole)

    def garble(self, noise: bytes) -> bool:
        """A datagram of its own: it does nothing to the others."""
        self._send(self._rtp, noise)
        return False

    def close(self) -> None:
        """Give both ports back."""
        if self._rtcp.fileno() < 0:
            return
        self._loop.remove_reader(self._rtcp)
        self._rtp.close()
        self._rtcp.close()
        if self.dropped:
            log.warning("session to port %d: %d packets did not fit and were dropped", self._client[0], self.dropped)

    def _send(self, through: socket.socket, packet: bytes) -> None:
        try:
            through.send(packet)
        except OSError as error:
            self._missed(error, 1)

    def _send_burst(self, burst: Sequence[bytes]) -> None:
        segment = struct.pack("=H", len(burst[0]))
        try:
            self._rtp.sendmsg(burst, [(socket.IPPROTO_UDP, _UDP_SEGMENT, segment)])
        except OSError as error:
            if error.errno in _UNSERVED:
                self._segmenting = False
                self.send(burst)
            else:
                self._missed(error, len(burst))

    def _missed(self, error: OSError, packets: int) -> None:
        """Over UDP a camera does not mind."""
        if isinstance(error, ConnectionRefusedError):
            self.unwanted += packets
        else:
            self.dropped += packets

    def _hear(self) -> None:
        """Receiver reports: all they tell a camera is that its client lives."""
        for _ in range(_REPORTS_PER_TURN):
            try:
                packet = self._rtcp.recv(_DATAGRAM_BYTES)
            except OSError:  # nothing more, or the news that the client's port is closed
                return
            if len(packet) >= 8 and packet[0] >> 6 == 2 and packet[1] in _RTCP_KINDS:
                self._heard()


def bursts(packets: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut a frame where the kernel needs it: a burst is packets of one length, and maybe a shorter one at its end."""
    start, end = 0, len(packets)
    while start < end:
        size = len(packets[start])
        stop = start + 1
        most = min(end, start + min(_SEGMENTS_MAX, _BURST_BYTES_MAX // size))
        while stop < most and len(packets[stop]) == size:
            stop += 1
        if stop < most and len(packets[stop]) < size:
            stop += 1
        yield packets[start:stop]
        start = stop


def _bind_pair(family: socket.AddressFamily, host: str) -> tuple[socket.socket, socket.socket]:
    """An even port and the next one (RFC 3550 11). OSError if none are found free."""
    for _ in range(_PORT_TRIES):
        rtp = socket.socket(family, socket.SOCK_DGRAM)
        rtcp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            rtp.bind((host, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                return rtp, rtcp
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                rtp.close()
                rtcp.close()
                raise
        rtp.close()
        rtcp.close()
    raise OSError(errno.EADDRINUSE, "no two free ports that follow each other")
