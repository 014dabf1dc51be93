"""The packets of one track as datagrams: RTP to an even port of ours, RTCP to the next one (RFC 3550 11).

Nobody but the camera is heard: datagrams of other addresses are dropped and counted (`ingest.strangers`). What is lost
on the way is found by `media.reorder` and the receiver, and declared as damage, as over TCP. A camera that needs to
hear that somebody is there gets receiver reports.

Batches: the kernel puts datagrams of one length that came together into one read (UDP_GRO, udp(7)) and says how long
each is; Python has no recvmmsg, and with this none is missed. Figures: docs/decisions/0083. Where the kernel has room
for it, packets are read in rounds with all other cameras: docs/decisions/0117.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from typing import TYPE_CHECKING

from ingest.port_pair import STAMP, TIMESTAMPNS, UDP_GRO, age_us, bind_pair, keeps_a_round
from ingest.source import Tally
from ingest.strangers import Strangers
from media.errors import GapReason, RtpError, SourceError
from media.reorder import ReorderBuffer
from media.rtcp import build_receiver_report
from media.rtp import write_header
from media.rtsp_fields import parse_integer

if TYPE_CHECKING:
    from ingest.network import Peers
    from ingest.read_rounds import ReadRounds
    from ingest.session import RtspSession
    from ingest.tracks import CameraTrack
    from media.rtsp_fields import Transport
    from storage.clock import Clock

READS_PER_TURN = 32
"""Then other cameras have their turn."""

REPORT_EVERY_US = 5_000_000

_INTEGER = struct.Struct("=i")
_RECEIVER_REPORT = 201
_EMPTY_REPORT = struct.Struct(">BBHI")
_ANCILLARY_BYTES = 2 * socket.CMSG_SPACE(_INTEGER.size) + socket.CMSG_SPACE(STAMP.size)
_BUFFER = bytearray(1 << 16)
"""Of all carriers: there is one event loop, and what is read is taken before the next read."""
_INTO = [memoryview(_BUFFER)]


class UdpCarrier:
    """One track's two sockets. SourceError `protocol` where this host has no ports left."""

    def __init__(self, session: RtspSession, peers: Peers, clock: Clock, *, first: bool) -> None:
        self._session = session
        self._peers = peers
        self._clock = clock
        self._first = first
        self._track: CameraTrack
        self._reorder: ReorderBuffer
        self._camera = peers.camera
        self._server_ports: tuple[int, int] | None = None
        self._ssrc = secrets.randbits(32)
        self._reported_us = self._emptied_us = 0
        self.malformed_datagrams = 0
        """That are no RTP: over TCP they would be the end of the connection, here each stands for itself."""
        self.overflowed = 0
        """Datagrams that came and found no room in this host's buffer, as long as nobody had to be shut out."""
        self._dropped = 0
        self.unsent = 0
        """Reports that could not be sent, which no camera need notice."""
        try:
            self._rtp, self._rtcp = bind_pair(peers.local)
        except OSError as error:
            raise SourceError(GapReason.PROTOCOL, f"no two UDP ports for the camera's packets: {error}") from error
        self._strangers, self._report_strangers = Strangers(self._rtp, 8), Strangers(self._rtcp, 4)
        self._readers = False
        self._rounds: ReadRounds | None = None  # that read the packets, in the place of the event loop
        session.at_end(self.close)

    @property
    def offer(self) -> str:
        """Unicast to our two ports."""
        port = self._rtp.getsockname()[1]
        return f"RTP/AVP;unicast;client_port={port}-{port + 1}"

    def agree(self, answer: Transport | None, track: CameraTrack) -> None:
        """Listen, and open the way for what a firewall or the camera itself lets through only as an answer."""
        if answer is not None and (answer.tcp or "multicast" in answer):
            kind = "over TCP" if answer.tcp else "by multicast"
            hint = "use `transport: tcp`" if answer.tcp else ""
            raise SourceError(GapReason.UNSUPPORTED, f"asked for UDP, the camera wants to send {kind}", hint=hint)
        if answer is not None:
            self._camera = self._peers.source(answer.get("source"))
            self._server_ports = _ports(answer.get("server_port"))
        self._track, self._reorder = track, ReorderBuffer(track.receiver)
        self._emptied_us = self._clock.boot_us()
        if self._first:
            self._session.watch_datagrams(track.receiver)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._rtp, self._hear)
        loop.add_reader(self._rtcp, self._hear_reports)
        self._readers = True
        self._punch()

    @property
    def foreign_datagrams(self) -> int:
        """From addresses that are not the camera's."""
        return self._strangers.turned_away + self._report_strangers.turned_away

    def tally(self) -> Tally:
        """See `Carrier`."""
        return Tally(
            overtaken_packets=self._reorder.overtaken_packets,
            late_packets=self._reorder.duplicate_packets,
            foreign_packets=self.foreign_datagrams,
            overflowed_packets=self.overflowed,
        )

    def promise(self, sequence: int) -> None:
        """What is missing from there on is lost, and what comes with that number need not wait."""
        self._reorder.promise(sequence)

    def read_in_rounds(self, rounds: ReadRounds) -> None:
        """Packets only, reports are few; and not where the kernel could not keep what comes between two rounds."""
        if self._rounds is None and self._readers and self._rtp.fileno() >= 0 and keeps_a_round(self._rtp):
            asyncio.get_running_loop().remove_reader(self._rtp)
            self._rounds = rounds
            rounds.join(self._rtp.fileno(), self._hear)

    def read_at_once(self) -> None:
        """See `Carrier`."""
        if self._rounds is not None:
            self._leave_rounds()
            asyncio.get_running_loop().add_reader(self._rtp, self._hear)

    def _leave_rounds(self) -> None:
        if self._rounds is not None:
            self._rounds.leave(self._rtp.fileno())
            self._rounds = None

    def check(self, boot_us: int) -> None:
        """What is missing since 100 ms, reports."""
        if self._rtp.fileno() < 0:
            return
        self._hear()  # what is missing may wait in the socket: this process may have stood still
        if self._rtp.fileno() < 0:
            return
        self._session.waited_us = 0  # what is passed on now waited for another packet, not in the socket
        self._reorder.expire(self._emptied_us)
        silent_us = boot_us - self._session.last_media_us
        self._strangers.look(boot_us, self._track.receiver.foreign_packets, silent_us)
        self._report_strangers.look(boot_us, 0, silent_us)
        if boot_us - self._reported_us >= REPORT_EVERY_US:
            self._reported_us = boot_us
            self._report()

    def close(self) -> None:
        """Give the ports back."""
        if self._rtp.fileno() < 0:
            return
        self._leave_rounds()
        if self._readers:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._rtp)
            loop.remove_reader(self._rtcp)
        self._rtp.close()
        self._rtcp.close()

    # --- the hot path

    def _hear(self) -> bool:
        """A turn of reads; whether there may be more already."""
        session, now_us = self._session, self._clock.boot_us()
        session.arrival_us = now_us
        for _ in range(READS_PER_TURN):
            try:
                size, ancillary, _flags, address = self._rtp.recvmsg_into(_INTO, _ANCILLARY_BYTES)
            except OSError:  # nothing more, or an ICMP error, which says nothing about the camera
                self._emptied_us = now_us
                return False
            if address[0] != self._camera:
                self._strangers.turn_away(self._camera)
                continue
            session.received_bytes += size
            session.heard_beside = True
            step = size
            session.stray_packets += not size
            for _level, kind, value in ancillary:
                if kind == UDP_GRO:
                    step = _INTEGER.unpack(value)[0]
                elif kind == TIMESTAMPNS:
                    # The socket was empty since: no clock that was stepped makes a wait longer than that.
                    session.waited_us = max(0, min(age_us(value), now_us - self._emptied_us))
                else:
                    self._count_dropped(_INTEGER.unpack(value)[0] & 0xFFFFFFFF)
            start, came_us = 0, now_us - session.waited_us
            while start < size:
                self._take(start, min(start + step, size), came_us)
                if self._rtp.fileno() < 0:
                    return False  # what came ended the session
                start += step
            receiver = self._track.receiver
            if receiver.foreign_packets and receiver.packets and receiver.ssrc is not None:
                self._strangers.meet_others(self._camera, receiver.ssrc, receiver.foreign_packets)
        return True

    def _count_dropped(self, dropped: int) -> None:
        """So many in all, those among them that a filter of the socket turned away."""
        if self._strangers.shut_to is None:
            self.overflowed += dropped - self._dropped
        self._dropped = dropped

    def _take(self, start: int, end: int, came_us: int) -> None:
        try:
            self._reorder.receive(_BUFFER, start, end, came_us)
        except RtpError:
            self.malformed_datagrams += 1
            self._session.stray_packets += 1
        else:
            if self._first:
                self._session.last_media_us = self._session.arrival_us
            else:
                self._session.side_packets += 1

    # --- beside it

    def _hear_reports(self) -> None:
        for _ in range(READS_PER_TURN):
            try:
                size, address = self._rtcp.recvfrom_into(_BUFFER)
            except OSError:  # as above
                return
            if address[0] != self._camera:
                self._report_strangers.turn_away(self._camera)
                continue
            self._session.received_bytes += size
            self._session.side_packets += 1
            self._track.take_report(_BUFFER, 0, size)

    def _report(self) -> None:
        receiver = self._track.receiver
        if receiver.ssrc is None or not receiver.packets:
            self._punch()
            return
        report = build_receiver_report(self._ssrc, receiver.ssrc, receiver.last_sequence, receiver.lost_packets)
        self._send(self._rtcp, report, 1)

    def _punch(self) -> None:
        """An empty packet and an empty report: routers and hosts between now know where answers belong (quirk I8)."""
        self._send(self._rtp, write_header(0, 0, self._ssrc, self._track.receiver.payload_type, marker=False), 0)
        self._send(self._rtcp, _EMPTY_REPORT.pack(0x80, _RECEIVER_REPORT, 1, self._ssrc), 1)

    def _send(self, through: socket.socket, packet: bytes, index: int) -> None:
        if self._server_ports is None:
            return  # the camera did not say where it sends from
        try:
            through.sendto(packet, (self._camera, self._server_ports[index]))
        except OSError:
            self.unsent += 1


def _ports(value: str | None) -> tuple[int, int] | None:
    """`server_port`, None where it is absent or nonsense: it is of use to us, not needed."""
    first, dash, second = (value or "").partition("-")
    rtp = parse_integer(first)
    rtcp = parse_integer(second) if dash else (None if rtp is None else rtp + 1)
    if rtp is None or rtcp is None or not 0 < rtp < 1 << 16 or not 0 < rtcp < 1 << 16:
        return None
    return rtp, rtcp
