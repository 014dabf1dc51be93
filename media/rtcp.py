"""RTCP: the reports that go beside the packets (RFC 3550 6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from media.errors import RtpError

Buffer = bytes | bytearray | memoryview

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202

MOST_PARTS = 16
"""Of a compound packet. Cameras send two or three; 64 KiB have room for 16 384, which would take 3 ms to read."""

_COMMON = struct.Struct(">BBH")
_SENDER = struct.Struct(">IQIII")
_REPORT_BLOCK = struct.Struct(">IIIIII")
_CNAME = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    """A camera's own clock at one RTP timestamp."""

    ssrc: int
    ntp: int
    """64 bit: seconds since 1900 in the upper half, fractions of 2**-32 s in the lower."""
    rtp_timestamp: int
    packets: int
    octets: int


def parse_sender_report(buffer: Buffer, start: int, end: int) -> SenderReport | None:
    """The first sender report of a compound packet, None if it has none. `RtpError` if it is malformed."""
    report, left = None, MOST_PARTS
    while start < end:
        if not left:
            raise RtpError(f"an RTCP packet of more than {MOST_PARTS} parts")
        left -= 1
        if end - start < 4:
            raise RtpError(f"{end - start} bytes at the end of an RTCP packet")
        first, kind, words = _COMMON.unpack_from(buffer, start)
        stop = start + 4 + 4 * words
        if first >> 6 != 2 or stop > end:
            raise RtpError("an RTCP packet of another version, or longer than what holds it")
        if kind == SENDER_REPORT and report is None:
            if stop - start < 4 + _SENDER.size:
                raise RtpError(f"an RTCP sender report of {stop - start} bytes")
            ssrc, ntp, rtp_timestamp, packets, octets = _SENDER.unpack_from(buffer, start + 4)
            report = SenderReport(ssrc=ssrc, ntp=ntp, rtp_timestamp=rtp_timestamp, packets=packets, octets=octets)
        start = stop
    return report


def build_sender_report(report: SenderReport, cname: str = "hulta") -> bytes:
    """A compound packet of a sender report and the mandatory source description."""
    body = _SENDER.pack(report.ssrc, report.ntp, report.rtp_timestamp, report.packets, report.octets)
    return _packet(SENDER_REPORT, 0, body) + _description(report.ssrc, cname)


def build_receiver_report(
    ssrc: int, source: int, highest_sequence: int, lost_packets: int, cname: str = "hulta"
) -> bytes:
    """A compound packet of a receiver report on one source and the mandatory source description.

    Jitter and round-trip times are left at zero: over TCP they say nothing.
    """
    lost = min(lost_packets, 0x7FFFFF)
    body = struct.pack(">I", ssrc) + _REPORT_BLOCK.pack(source, lost, highest_sequence & 0xFFFFFFFF, 0, 0, 0)
    return _packet(RECEIVER_REPORT, 1, body) + _description(ssrc, cname)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _COMMON.pack(0x80 | count, kind, len(body) // 4) + body


def _description(ssrc: int, cname: str) -> bytes:
    """SDES with a CNAME, ended by at least one zero byte and filled to 32 bits (6.5)."""
    name = cname.encode()[:255]
    chunk = struct.pack(">IBB", ssrc, _CNAME, len(name)) + name
    return _packet(SOURCE_DESCRIPTION, 1, chunk + bytes(4 - len(chunk) % 4))
