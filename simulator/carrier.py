"""How one session's packets get to its reader: on the RTSP connection itself, or as datagrams (udp_carrier).

A session hands over each frame as payloads and its `RtpStream`, which numbers packets. What spoils packets on their way
stands in between as a carrier of its own: it takes `stream.packets(...)` apart and passes to `send` what is left.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from media.interleaved import FRAME_MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.rtp_stream import RtpStream

_FRAME = struct.Struct(">BBH")  # "$", channel, length (RFC 2326 10.12)


class Carrier(Protocol):
    """The way of one session's packets."""

    @property
    def transport(self) -> str:
        """What the response to SETUP says about it (RFC 2326 12.39), without the SSRC."""
        ...

    def deliver(self, stream: RtpStream, payloads: Sequence[bytes], rtp_ticks: int) -> None:
        """Number the packets of one access unit and send them."""
        ...

    def send(self, packets: Sequence[bytes]) -> None:
        """Send whole RTP packets, as they are."""
        ...

    def control(self, packet: bytes) -> None:
        """Send one RTCP packet."""
        ...

    def send_cut(self, whole: Sequence[bytes], broken: bytes, kept: int) -> None:
        """Send whole packets, and of another one the first `kept` bytes. Nothing can follow."""
        ...

    def garble(self, noise: bytes) -> bool:
        """Send bytes that are no packet; returns whether the reader may mistake what follows, too."""
        ...

    def close(self) -> None:
        """Give back what it holds; nothing is sent afterwards."""
        ...


class InterleavedCarrier:
    """Packets on the RTSP connection: RTP on `channel`, RTCP on the next one. `write` sends a buffer in one piece."""

    def __init__(self, channel: int, write: Callable[[bytes], None]) -> None:
        self._channel = channel
        self.write = write

    @property
    def transport(self) -> str:
        """The channels."""
        return f"RTP/AVP/TCP;unicast;interleaved={self._channel}-{self._channel + 1}"

    def deliver(self, stream: RtpStream, payloads: Sequence[bytes], rtp_ticks: int) -> None:
        """One buffer and one write per frame: this is what makes hundreds of cameras cheap."""
        self.write(stream.interleave(self._channel, payloads, rtp_ticks))

    def send(self, packets: Sequence[bytes]) -> None:
        """Each behind its length."""
        parts: list[bytes] = []
        for packet in packets:
            parts += _FRAME.pack(FRAME_MARK, self._channel, len(packet)), packet
        self.write(b"".join(parts))

    def control(self, packet: bytes) -> None:
        """On the channel after that of the packets."""
        self.write(_FRAME.pack(FRAME_MARK, self._channel + 1, len(packet)) + packet)

    def send_cut(self, whole: Sequence[bytes], broken: bytes, kept: int) -> None:
        """The length of all of it, and the beginning."""
        self.send(whole)
        self.write(_FRAME.pack(FRAME_MARK, self._channel, len(broken)) + broken[:kept])

    def garble(self, noise: bytes) -> bool:
        """Between two frames. What looks like a length in it may swallow any number of packets."""
        self.write(noise)
        return True

    def close(self) -> None:
        """The connection belongs to someone else."""
