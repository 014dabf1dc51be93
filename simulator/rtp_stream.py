"""The RTP stream of one session: its own SSRC, sequence numbers and timestamps, as with any camera.

Payloads are shared by all sessions; only what stands before each is made here, and the whole frame becomes one buffer.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media.interleaved import FRAME_MARK
from media.rtcp import SenderReport, build_sender_report
from simulator.timetable import RTP_CLOCK_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

PAYLOAD_TYPE = 96

# "$", channel, length (RFC 2326 10.12) and the RTP header (RFC 3550 5.1) in one pack: two calls per packet instead
# of one would cost 2 % of a core at 220 cameras. A template patched by numpy is slower below 15 packets a frame.
_PREFIX = struct.Struct(">BBHBBHII")
_HEADER = struct.Struct(">BBHII")
_VERSION_2 = 0x80
_MARKER = 0x80
_NTP_EPOCH_S = 2_208_988_800  # 1900-01-01 to 1970-01-01


class RtpStream:
    """Numbers the packets of one session. Where they start is left to `random`, as RFC 3550 5.1 wants it."""

    def __init__(self, random: Random, payload_type: int = PAYLOAD_TYPE) -> None:
        self._payload_type = payload_type
        self.ssrc = random.getrandbits(32)
        # Clients take 0 and 1 in RTP-Info for "unknown": cameras write them that do not know their own numbers.
        self.sequence = 2 + random.randrange(0x10000 - 2)
        """Of the next packet."""
        self.timestamp_offset = random.getrandbits(32)
        self._packets = 0
        self._octets = 0

    def timestamp(self, rtp_ticks: int) -> int:
        """The 32-bit timestamp of an instant on the track's clock: 90 kHz for pictures."""
        return (rtp_ticks + self.timestamp_offset) & 0xFFFFFFFF

    def interleave(self, channel: int, payloads: Sequence[bytes], rtp_ticks: int) -> bytes:
        """All packets of one access unit as they go onto an RTSP connection; the last one has the marker."""
        ssrc, sequence, pack = self.ssrc, self.sequence, _PREFIX.pack
        timestamp = self.timestamp(rtp_ticks)
        kind = self._payload_type
        last = len(payloads) - 1
        parts: list[bytes] = []
        octets = 0
        for index, payload in enumerate(payloads):
            if index == last:
                kind |= _MARKER
            size = len(payload)
            parts += pack(FRAME_MARK, channel, size + 12, _VERSION_2, kind, sequence, timestamp, ssrc), payload
            sequence = (sequence + 1) & 0xFFFF
            octets += size
        self.sequence = sequence
        self._packets += len(payloads)
        self._octets += octets
        return b"".join(parts)

    def packets(self, payloads: Sequence[bytes], rtp_ticks: int) -> list[bytes]:
        """The same packets one by one, each without its length before it."""
        ssrc, sequence, kind, pack = self.ssrc, self.sequence, self._payload_type, _HEADER.pack
        timestamp = self.timestamp(rtp_ticks)
        last = len(payloads) - 1
        packets = [
            pack(
                _VERSION_2,
                kind if index < last else kind | _MARKER,
                (sequence + index) & 0xFFFF,
                timestamp,
                ssrc,
            )
            + payload
            for index, payload in enumerate(payloads)
        ]
        self.sequence = (sequence + len(payloads)) & 0xFFFF
        self._packets += len(payloads)
        self._octets += sum(map(len, payloads))
        return packets

    def change_ssrc(self, random: Random) -> None:
        """Go on as another source; it has sent nothing yet (RFC 3550 8.2)."""
        before = self.ssrc
        while self.ssrc == before:
            self.ssrc = random.getrandbits(32)
        self._packets = self._octets = 0

    def report(self, wall_us: int, rtp_ticks: int) -> bytes:
        """A sender report that ties the wall clock to the RTP clock: an RTCP packet."""
        seconds, rest_us = divmod(wall_us, 1_000_000)
        return build_sender_report(
            SenderReport(
                ssrc=self.ssrc,
                ntp=(seconds + _NTP_EPOCH_S) << 32 | (rest_us << 32) // 1_000_000,
                rtp_timestamp=self.timestamp(rtp_ticks),
                packets=self._packets & 0xFFFFFFFF,
                octets=self._octets & 0xFFFFFFFF,
            ),
            cname="simulator",
        )


def rtp_duration(microseconds: int) -> int:
    """Microseconds in ticks of the RTP clock."""
    return microseconds * RTP_CLOCK_RATE // 1_000_000
