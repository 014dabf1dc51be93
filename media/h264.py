"""H.264 over RTP (RFC 6184): payloads into access units. The other direction is in `media.h264_packetize`.

How units are cut and what loss does is in `media.nal_depacketizer`. Deviations that are allowed:

- Start codes inside a NAL unit separate several (`_split`): V380 and macro-video cameras send SPS, PPS and IDR picture
  of a byte stream as if they were one NAL unit, in whatever packets (quirk V4).
- STAP-B and FU-B are read as STAP-A and FU-A, their decoding order numbers passed over: who sends them in another order
  than that of decoding is refused before the first packet (`media.codecs`).

Hot path, third and last part: `H264Depacketizer.push` does in its first lines what four packets of five need, the
middle of a fragmented NAL unit; everything else goes through `_push_edge`. That is 150 ns less of 1200 for the mean
packet of a 4 Mbit/s camera (benchmarks/kernel.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import CodecError
from media.h264_packetize import FU_A, FU_B, STAP_A, STAP_B, packetize
from media.h264_parameters import ParameterSets
from media.nal import (
    AUD,
    FOLLOWING,
    FORBIDDEN_BIT,
    IDR_SLICE,
    LENGTH_BYTES,
    NRI_MASK,
    PPS,
    SLICE,
    SPS,
    START_CODE,
    TYPE_MASK,
    begins_with_start_code,
    split_annex_b,
    split_length_prefixed,
)
from media.nal_depacketizer import LENGTH, NO_LENGTH, NalDepacketizer

__all__ = ["H264Depacketizer", "packetize", "split_annex_b", "split_length_prefixed"]

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.access_unit import AccessUnit
    from media.nal_depacketizer import Buffer

# RFC 6184 table 1. Packets of several instants, of interleaved mode; no camera is known to use them.
_REFUSED = {26: "MTAP16", 27: "MTAP24"}
_ORDER_NUMBER_BYTES = 2

_KIND_MASK = FORBIDDEN_BIT | TYPE_MASK

MOST_SETS_NALS = 16
"""NAL units that are looked at for parameter sets, in one that has no business with start codes."""


class H264Depacketizer(NalDepacketizer):
    """Access units of H.264."""

    __slots__ = ("_searched",)

    _fragment = "a FU-A"

    def __init__(
        self,
        emit: Callable[[AccessUnit], None],
        parameters: ParameterSets | None = None,
        *,
        max_unit_bytes: int = 8 << 20,
    ) -> None:
        super().__init__(
            emit,
            parameters or ParameterSets(),
            max_unit_bytes=max_unit_bytes,
            fragment_kind=FU_A,
            kind_mask=_KIND_MASK,
            fragment_head=2,
        )
        self._searched = SLICE  # NAL units of this type and above are searched for start codes

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

    def _take_whole(self, buffer: Buffer, start: int, end: int) -> None:
        """One NAL unit, or several, by the first byte (RFC 6184 5.2)."""
        kind = buffer[start] & _KIND_MASK
        if self._fragmented_at >= 0:
            self._interrupt_fragments()
        if 1 <= kind < STAP_A:
            self._take_nal(buffer, start, end)
        elif kind == STAP_A:  # RFC 6184 5.7.1
            self._take_aggregate(buffer, start + 1, end, "a STAP-A")
        elif kind in (STAP_B, FU_B):
            self._take_numbered(kind, buffer, start, end)
        elif kind == 0 and begins_with_start_code(buffer, start, end):
            self._take_byte_stream(bytes(buffer[start:end]))
        elif kind == 0:
            self._fault("a NAL unit of the reserved type 0")
        elif kind in _REFUSED:
            self._fault(f"packetization {_REFUSED[kind]} is not supported (RFC 6184 type {kind})")
        else:
            self._take_nal(buffer, start, end)

    def _take_numbered(self, kind: int, buffer: Buffer, start: int, end: int) -> None:
        """STAP-B or FU-B, which is only ever a first fragment, without the order number (RFC 6184 5.7.1, 5.8)."""
        number_at = start + (1 if kind == STAP_B else 2)
        if end < number_at + _ORDER_NUMBER_BYTES:
            self._fault("a STAP-B or FU-B packet without its order number")
        elif kind == STAP_B:
            self._take_aggregate(buffer, number_at + _ORDER_NUMBER_BYTES, end, "a STAP-B")
        else:
            head = bytes((buffer[start] & ~TYPE_MASK | FU_A, buffer[start + 1]))
            fragment = head + buffer[number_at + _ORDER_NUMBER_BYTES : end]
            self._take_fragment(fragment, 0, len(fragment))

    def _take_nal(self, buffer: Buffer, start: int, end: int) -> None:
        at = len(self._nals)
        if not 1 <= buffer[start] & _KIND_MASK < STAP_A:
            self._fault(f"a NAL unit that starts with {buffer[start]:#04x}, which is no type of H.264")
        elif at + end - start > self._max_unit_bytes:
            self._refuse_unit()
        else:
            self._resyncing = False
            self._nals += LENGTH.pack(end - start)
            self._nals += buffer[start:end]
            self._note_nal(at)

    def _start_fragments(self, buffer: Buffer, start: int) -> None:
        """FU-A (RFC 6184 5.8): the NAL unit's header is in both bytes."""
        indicator, kind = buffer[start], buffer[start + 1] & TYPE_MASK
        if 1 <= kind < STAP_A:
            self._resyncing = False
            self._fragmented_at = len(self._nals)
            self._middle = indicator << 8 | kind
            self._nals += NO_LENGTH
            self._nals.append(indicator & NRI_MASK | kind)
        else:
            self._refuse_fragments(kind, "H.264")

    def _note_nal(self, at: int) -> None:
        kind = self._nals[at + LENGTH_BYTES] & TYPE_MASK
        if kind >= self._searched and self._nals.find(START_CODE, at + LENGTH_BYTES) >= 0 and self._split(at, kind):
            return
        if SLICE <= kind <= IDR_SLICE:
            if kind == IDR_SLICE:
                self._sync = True
                self._searched = SPS
            self._has_picture = True
            if self._joining:  # first_mb_in_slice (7.3.3) is 0 in a picture's first slice, which is one bit: 1
                self._join(at + LENGTH_BYTES + 1)
        elif kind in (SPS, PPS):
            self._note_parameters(at)
        elif kind in FOLLOWING:
            self._note_following()

    def _split(self, at: int, kind: int) -> bool:
        """Put NAL units that are strung together with start codes in the place of the one they came as.

        No NAL unit has a start code in it (7.4.1), but some cameras write what they like into SEI messages: there it
        takes readable parameter sets to be taken for one. Searched is everything up to the first sync sample, and as
        long as it happens; after that only what is short: to search pictures takes 11 us each.
        """
        nal = bytes(self._nals[at + LENGTH_BYTES :])
        if kind > IDR_SLICE and kind not in (SPS, PPS, AUD) and not self._hides_parameters(nal):
            return False
        self._take_apart(at, nal)
        self._searched = SLICE
        return True

    def _hides_parameters(self, nal: bytes) -> bool:
        try:
            parts = split_annex_b(START_CODE + nal, MOST_SETS_NALS)
        except CodecError:
            return False
        self.parts += len(parts)
        return ParameterSets.from_nals(parts) is not None
