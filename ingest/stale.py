"""What an earlier session still sends on a new connection, kept away from the new one's packets (quirk I3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.rtp import Buffer, RtpReceiver

_SSRC, _SSRC_END = 8, 12  # RFC 3550 5.1


class StaleFilter:
    """In front of a receiver. Packets of sources that sent before there was a session go nowhere.

    Unless the camera promised one of them for this session; what it promises instead is believed.
    """

    def __init__(self, receiver: RtpReceiver, stale: set[bytes], promised: int | None) -> None:
        self._receiver = receiver
        self._stale = stale - {b"" if promised is None else promised.to_bytes(4, "big")}
        self.stale_packets = 0
        receiver.ssrc = promised

    @property
    def packets(self) -> int:
        """Those that counted."""
        return self._receiver.packets

    @property
    def last_sequence(self) -> int:
        """Of the last one that counted."""
        return self._receiver.last_sequence

    def receive(self, buffer: Buffer, start: int, end: int) -> None:
        """Take one packet, in place. `RtpError` as the receiver."""
        if bytes(buffer[start + _SSRC : start + _SSRC_END]) in self._stale:
            self.stale_packets += 1
        else:
            self._receiver.receive(buffer, start, end)
