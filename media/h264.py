"""H.264 over RTP (RFC 6184): payloads into access units. The other direction is in `media.h264_packetize`.

How units are cut and what loss does is in `media.nal_depacketizer`.

Hot path, third and last part: `H264Depacketizer.push` does in its first lines what four packets of five need, the
middle of a fragmented NAL unit; everything else goes through `_push_edge`. That is 150 ns less of 1200 for the mean
packet of a 4 Mbit/s camera (benchmarks/kernel.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.h264_packetize import FU_A, STAP_A, packetize
from media.h264_parameters import ParameterSets
from media.nal import (
    FORBIDDEN_BIT,
    IDR_SLICE,
    LENGTH_BYTES,
    NRI_MASK,
    PPS,
    SLICE,
    SPS,
    TYPE_MASK,
    begins_with_start_code,
    split_annex_b,
    split_length_prefixed,
)
from media.nal_depacketizer import NalDepacketizer

__all__ = ["H264Depacketizer", "packetize", "split_annex_b", "split_length_prefixed"]

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.access_unit import AccessUnit
    from media.nal_depacketizer import Buffer

# RFC 6184 table 1. Interleaved mode (packetization-mode=2) needs them; no camera is known to use it.
_REFUSED = {25: "STAP-B", 26: "MTAP16", 27: "MTAP24", 29: "FU-B"}

_KIND_MASK = FORBIDDEN_BIT | TYPE_MASK


class H264Depacketizer(NalDepacketizer):
    """Access units of H.264."""

    __slots__ = ()

    _fragment = "a FU-A"
    _fragment_head = 2

    def __init__(
        self,
        emit: Callable[[AccessUnit], None],
        parameters: ParameterSets | None = None,
        *,
        max_unit_bytes: int = 8 << 20,
    ) -> None:
        super().__init__(emit, parameters or ParameterSets(), max_unit_bytes=max_unit_bytes)

    def push(  # noqa: PLR0917 - hot path: positional arguments are the cheap ones
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Take one RTP payload, `buffer[start:end]`, in place; emits none, one or two units.

        `lost` is the number of packets missing before this one. `CodecError` when the packet is malformed: it
        is counted in its unit's `lost_packets` by then, and the stream goes on with the next packet.
        """
        if timestamp == self._timestamp and not marker and not lost and end - start > 2:
            nals = self._nals
            # Both bytes in one comparison. The slice is a copy more, yet 110 ns cheaper than a memoryview made for
            # each packet; appending is less than half the price of filling a buffer made in advance (150 : 330 ns).
            if buffer[start] << 8 | buffer[start + 1] == self._middle and len(nals) < self._max_unit_bytes:
                nals += buffer[start + 2 : end]
                return
        self._push_edge(buffer, start, end, timestamp, marker, lost)

    def _take(self, buffer: Buffer, start: int, end: int) -> None:
        """One NAL unit, a part of one, or several, by the first byte (RFC 6184 5.2)."""
        kind = buffer[start] & _KIND_MASK
        if kind == FU_A:
            self._take_fragment(buffer, start, end)
            return
        if self._fragmented_at >= 0:
            self._interrupt_fragments()
        if kind == STAP_A:  # RFC 6184 5.7.1
            self._take_aggregate(buffer, start + 1, end, "a STAP-A")
        elif kind == 0 and begins_with_start_code(buffer, start, end):
            self._take_byte_stream(bytes(buffer[start:end]))
        elif kind == 0:
            self._fault("a NAL unit of the reserved type 0")
        elif kind in _REFUSED:
            self._fault(f"packetization {_REFUSED[kind]} is not supported (RFC 6184 type {kind})")
        else:
            self._take_nal(buffer, start, end)

    def _take_nal(self, buffer: Buffer, start: int, end: int) -> None:
        if 1 <= buffer[start] & _KIND_MASK < STAP_A:
            self._keep_nal(buffer, start, end)
        else:
            self._fault(f"a NAL unit that starts with {buffer[start]:#04x}, which is no type of H.264")

    def _start_fragments(self, buffer: Buffer, start: int) -> None:
        """FU-A (RFC 6184 5.8): the NAL unit's header is in both bytes."""
        indicator, kind = buffer[start], buffer[start + 1] & TYPE_MASK
        if 1 <= kind < STAP_A:
            self._begin_fragments(bytes((indicator & NRI_MASK | kind,)), indicator << 8 | kind)
        else:
            self._refuse_fragments(kind, "H.264")

    def _note_nal(self, at: int) -> None:
        kind = self._nals[at + LENGTH_BYTES] & TYPE_MASK
        if SLICE <= kind <= IDR_SLICE:
            if kind == IDR_SLICE:
                self._sync = True
            # first_mb_in_slice (7.3.3) is 0 in a picture's first slice, which is one bit: 1.
            self._note_picture(at + LENGTH_BYTES + 1)
        elif kind in (SPS, PPS):
            self._note_parameters(at)
