"""RTP over a reliable connection (RFC 3550): what arrives, in order, and what is missing."""

from __future__ import annotations

import struct
from typing import Protocol

from media.errors import CodecError, RtpError
from media.held_packets import ForeignRun, LateRun
from media.rtcp import SenderReport, build_receiver_report, build_sender_report, parse_sender_report

__all__ = [
    "PayloadTaker",
    "RtpReceiver",
    "SenderReport",
    "build_receiver_report",
    "build_sender_report",
    "parse_sender_report",
    "write_header",
]

Buffer = bytes | bytearray | memoryview

_HEADER = struct.Struct(">HHII")
_unpack_header = _HEADER.unpack_from
HEADER_BYTES = 12
_VERSION_2 = 0x8000
_MARKER = 0x0080

MOST_STRANGE = 3
"""Packets in a row that are no RTP. Where a server drops a part of what it sends (live555 before 2013, quirk I4), the
framing goes on by chance for a packet or two; no camera is known to send three of anything else."""


class PayloadTaker(Protocol):
    """What takes RTP payloads; `media.h264.H264Depacketizer` is one."""

    @property
    def timestamp(self) -> int:
        """Of the unit whose payloads came last; negative before the first."""
        ...

    @property
    def latest(self) -> int:
        """Of the latest instant so far: not that of a unit that is shown before others that were sent earlier."""
        ...

    @property
    def parts(self) -> int:
        """What payloads held beside one thing each, counted in packets by the time it took: NAL units, frames."""
        ...

    def push(  # noqa: PLR0917 - hot path: positional arguments are the cheap ones
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Take `buffer[start:end]`. `CodecError` for a payload that is malformed and was left out."""


class RtpReceiver:
    """One source (SSRC) of one track over TCP.

    Nothing a camera sends inside an intact interleaved frame ends the connection, as long as most of it is RTP:

    - packets of another payload type are dropped before their sequence number counts: a Geovision camera sends
      its own type with the previous number (quirk R1);
    - packets of another SSRC are dropped and counted (I5), until it is clear that the source changed its own: then
      they go on from the first one (`media.held_packets`);
    - a gap in the numbers is loss: counted, and told to the depacketizer (R2);
    - a number from the past is dropped, unless several in a row say that the source restarted (RFC 3550 A.1): those
      were kept as well;
    - a packet whose fields do not fit it (R5), or whose payload raised `CodecError`, is counted in
      `malformed_packets`, and the error kept as `last_error`. Its unit is marked damaged, the stream goes on;
    - what is no RTP at all is counted likewise, and empty packets as foreign ones. `MOST_STRANGE` in a row mean that
      the framing is lost (I4).

    Hot path, second part: the header that is expected next is known but for marker and timestamp, so one comparison
    each of number, SSRC and the first two bytes replaces the parsing of its fields: 430 ns less of 1640 a packet.
    """

    __slots__ = (
        "_expected",
        "_foreign",
        "_late",
        "_marked",
        "_push",
        "_strange",
        "_taker",
        "foreign_packets",
        "last_error",
        "late_packets",
        "lost_packets",
        "malformed_packets",
        "octets",
        "packets",
        "payload_type",
        "ssrc",
    )

    def __init__(self, payload_type: int, depacketizer: PayloadTaker, ssrc: int | None = None) -> None:
        self._push = depacketizer.push
        self._taker = depacketizer
        self.payload_type = payload_type
        self._marked = _VERSION_2 | _MARKER | payload_type
        self.ssrc = ssrc
        """The source; the first one seen unless the camera promised one."""
        self._expected = -1  # the next sequence number; -1 before the first packet
        self._late: LateRun | None = None
        self._foreign: ForeignRun | None = None
        self._strange = (0, 0)  # packets in a row that are no RTP, and how many counted before them
        self.packets = 0
        """Packets of this source that counted."""
        self.octets = 0
        """Bytes of their payloads."""
        self.lost_packets = 0
        self.foreign_packets = 0
        self.late_packets = 0
        self.malformed_packets = 0
        self.last_error: RtpError | CodecError | None = None

    @property
    def work(self) -> int:
        """What came, in packets, each kind of it and whatever became of it: what a camera costs goes by this."""
        dropped = self.foreign_packets + self.late_packets + self.malformed_packets
        return self.packets + dropped + self.parts

    @property
    def parts(self) -> int:
        """What its payloads held, as their taker counts it."""
        return self._taker.parts

    @property
    def last_sequence(self) -> int:
        """The number of the last packet that counted, once there was one."""
        return (self._expected - 1) & 0xFFFF

    def expect(self, sequence: int) -> None:
        """The first packet to come has this number; what comes instead tells how many were lost before it."""
        self._expected = sequence & 0xFFFF

    def receive(self, buffer: Buffer, start: int, end: int) -> None:
        """Take one packet, `buffer[start:end]`, in place.

        `RtpError` only for several in a row that are no RTP: then the framing of the connection cannot be trusted.
        """
        body = start + HEADER_BYTES
        if body <= end:
            kind, sequence, timestamp, ssrc = _unpack_header(buffer, start)
            if sequence == self._expected and ssrc == self.ssrc and kind | _MARKER == self._marked:
                self._expected = (sequence + 1) & 0xFFFF
                self.packets += 1
                self.octets += end - body
                try:
                    self._push(buffer, body, end, timestamp, kind == self._marked, 0)
                except CodecError as error:
                    self._note(error)
                return
        self._receive_uncommon(buffer, start, end)

    def _receive_uncommon(self, buffer: Buffer, start: int, end: int) -> None:
        if end - start < HEADER_BYTES or buffer[start] >> 6 != 2:
            self._wonder(buffer, start, end)
            return
        kind, sequence, timestamp, ssrc = _HEADER.unpack_from(buffer, start)
        if kind & 0x7F != self.payload_type:
            self.foreign_packets += 1
            return
        if self.ssrc is None:
            self.ssrc = ssrc
        if ssrc != self.ssrc:
            self._meet(ssrc, sequence, timestamp, bytes(buffer[start:end]))
            return
        lost = 0 if self._expected < 0 else (sequence - self._expected) & 0xFFFF
        if lost >= 0x8000:
            self._come_late(sequence, timestamp, bytes(buffer[start:end]))
            return
        self._expected = (sequence + 1) & 0xFFFF
        self.packets += 1
        self.lost_packets += lost
        try:
            body, end = _payload_bounds(buffer, start, end)
        except RtpError as error:
            self._note(error)
            body, lost = end, lost + 1  # goes on as an empty payload, with itself among the lost
        self.octets += end - body
        try:
            self._push(buffer, body, end, timestamp, kind & _MARKER != 0, lost)
        except CodecError as error:
            self._note(error)

    def _wonder(self, buffer: Buffer, start: int, end: int) -> None:
        """Something that is no RTP: nothing, a slip, or the end of all framing."""
        if start == end:
            self.foreign_packets += 1
            return
        count, since = self._strange
        self._strange = (count + 1 if since == self.packets else 1, self.packets)
        if end - start < HEADER_BYTES:
            self._note(RtpError(f"an RTP packet of {end - start} bytes, less than its header of {HEADER_BYTES}"))
        else:
            self._note(RtpError(f"an RTP packet of version {buffer[start] >> 6}, not 2"))
        if self._strange[0] >= MOST_STRANGE:
            raise RtpError(f"{MOST_STRANGE} packets in a row that are no RTP, the last of them {self.last_error}")

    def _meet(self, ssrc: int, sequence: int, timestamp: int, packet: bytes) -> None:
        """A packet of another source: dropped, or the one that shows that ours goes on under another SSRC."""
        run = self._foreign
        if run is None or run.ssrc != ssrc or not run.goes_on(self.packets, timestamp):
            neighbour = run is not None and run.ssrc == ssrc
            self._foreign = run = ForeignRun(ssrc, self.packets, sequence, timestamp, neighbour=neighbour)
        self.foreign_packets += 1
        if run.takes_over(timestamp, packet):
            self.ssrc, self._foreign = ssrc, None
            self.foreign_packets -= len(run.held)
            self._go_on(*run.in_order())

    def _come_late(self, sequence: int, timestamp: int, packet: bytes) -> None:
        """A number from the past: a packet that was repeated or overtaken, or a source that counts anew.

        The latter it is at once where the packet is of a later instant than any before it, or has the last one's number
        and another instant.
        """
        known, last = self._taker.timestamp, sequence == self.last_sequence
        ahead = (timestamp - self._taker.latest) & 0xFFFFFFFF
        if known >= 0 and timestamp != known and (last or 0 < ahead < 1 << 31):
            self._go_on(sequence, [packet])
            return
        run = self._late
        if run is None or (run.next_sequence, run.since) != (sequence, self.packets):
            self._late = run = LateRun(self.packets, sequence, behind=(self._expected - sequence) & 0xFFFF)
        self.late_packets += 1
        if run.is_restart(packet):
            self._late = None
            self.late_packets -= len(run.held)
            self._go_on(run.first_sequence, run.held)

    def _go_on(self, first_sequence: int, held: list[bytes]) -> None:
        """Take what was held. What was missed before is unknown, unless the numbers go on: one packet stands for it."""
        if first_sequence != self._expected:
            self._expected = (first_sequence - 1) & 0xFFFF
        for packet in held:
            self.receive(packet, 0, len(packet))

    def _note(self, error: RtpError | CodecError) -> None:
        self.malformed_packets += 1
        self.last_error = error


def _payload_bounds(buffer: Buffer, start: int, end: int) -> tuple[int, int]:
    """Where the payload begins and ends, without CSRC list, header extension and padding (RFC 3550 5.1)."""
    first = buffer[start]
    body = start + HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if body + 4 > end:
            raise RtpError("an RTP header extension outside of its packet")
        body += 4 + 4 * int.from_bytes(buffer[body + 2 : body + 4], "big")
    if body > end:
        raise RtpError("an RTP header longer than its packet")
    if first & 0x20:
        padding = buffer[end - 1] if body < end else 0
        if not 0 < padding <= end - body:
            raise RtpError(f"an RTP packet with {padding} bytes of padding in {end - body} bytes")
        end -= padding
    return body, end


def write_header(sequence: int, timestamp: int, ssrc: int, payload_type: int, *, marker: bool) -> bytes:
    """The 12 bytes before a payload. Sequence and timestamp may have run past their 16 and 32 bits."""
    kind = _VERSION_2 | payload_type | (_MARKER if marker else 0)
    return _HEADER.pack(kind, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
