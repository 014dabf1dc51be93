"""H.265 over RTP (RFC 7798): payloads into access units. The other direction is in `media.h265_packetize`.

How units are cut and what loss does is in `media.nal_depacketizer`; hot path as in `media.h264`.

Refused by name: decoding order numbers, of which `require_sending_order` reads in the session description, and PACI
packets. No camera is known to send either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.errors import CodecError
from media.h265_nal import (
    BLA_W_LP,
    FIRST_NON_VCL,
    FOLLOWING,
    HEADER_BYTES,
    PPS,
    RADL_N,
    RASL_R,
    RSV_IRAP_VCL23,
    TYPES,
    VPS,
    WITHOUT_LEADING,
    is_nal_header,
)
from media.h265_packetize import AGGREGATE, FRAGMENT, PACI
from media.h265_parameters import H265ParameterSets
from media.nal import FORBIDDEN_BIT, LENGTH_BYTES, begins_with_start_code
from media.nal_depacketizer import LENGTH, NO_LENGTH, NalDepacketizer
from media.rtsp_fields import parse_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from media.access_unit import AccessUnit
    from media.nal_depacketizer import Buffer

_TYPE_MASK = 0x3F
_LAYER_BIT = 0x01  # of the header's first byte: the highest of the layer id


def require_sending_order(fmtp: Mapping[str, str]) -> None:
    """CodecError where a description says that NAL units do not come in decoding order (RFC 7798 7.1).

    `sprop-max-don-diff` above 0 puts a decoding order number before each (4.4); other modes than SRST, too.
    """
    if parse_integer(fmtp.get("sprop-max-don-diff", "0")) != 0:
        raise CodecError(f"H265 with decoding order numbers (sprop-max-don-diff={fmtp['sprop-max-don-diff'][:20]})")
    if fmtp.get("tx-mode", "SRST").upper() != "SRST":
        raise CodecError(f"H265 over several streams (tx-mode={fmtp['tx-mode'][:20]})")


class _Lead:
    """Says of each unit what its last slice said: whether others may lead it, or it leads one."""

    __slots__ = ("_emit", "leading", "leads")

    def __init__(self, emit: Callable[[AccessUnit], None]) -> None:
        self._emit = emit
        self.leads = self.leading = False

    def emit(self, unit: AccessUnit) -> None:
        unit.leads, unit.leading = self.leads, self.leading
        self._emit(unit)


class H265Depacketizer(NalDepacketizer):
    """Access units of H.265."""

    __slots__ = ("_lead",)

    _fragment = "an FU"

    def __init__(
        self,
        emit: Callable[[AccessUnit], None],
        parameters: H265ParameterSets | None = None,
        *,
        max_unit_bytes: int = 8 << 20,
    ) -> None:
        self._lead = _Lead(emit)
        super().__init__(
            self._lead.emit,
            parameters or H265ParameterSets(),
            max_unit_bytes=max_unit_bytes,
            fragment_kind=FRAGMENT << 1,
            kind_mask=FORBIDDEN_BIT | _TYPE_MASK << 1,
            fragment_head=HEADER_BYTES + 1,
        )

    def push(  # noqa: PLR0917 - hot path: positional arguments are the cheap ones
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Take one RTP payload, `buffer[start:end]`, in place; emits none, one or two units.

        `lost` is the number of packets missing before this one. `CodecError` when the packet is malformed: it
        is counted in its unit's `lost_packets` by then, and the stream goes on with the next packet.
        """
        if timestamp == self._timestamp and not marker and not lost and end - start > 3:
            nals = self._nals
            # Two of three bytes: the second has layer and temporal id, which are the first fragment's (quirk V10).
            if buffer[start] << 8 | buffer[start + 2] == self._middle and len(nals) < self._max_unit_bytes:
                nals += buffer[start + 3 : end]
                return
        self._push_edge(buffer, start, end, timestamp, marker, lost)

    def _take_whole(self, buffer: Buffer, start: int, end: int) -> None:
        """One NAL unit, or several, by the type (RFC 7798 4.4)."""
        kind = buffer[start] >> 1
        if self._fragmented_at >= 0:
            self._interrupt_fragments()
        if 1 <= kind < AGGREGATE:
            self._take_nal(buffer, start, end)
        elif kind == AGGREGATE:
            self._take_aggregate(buffer, start + HEADER_BYTES, end, "an AP")
        elif kind == 0 and begins_with_start_code(buffer, start, end):
            self._take_byte_stream(bytes(buffer[start:end]))
        elif kind == PACI:
            self._fault(f"packetization PACI is not supported (RFC 7798 type {PACI})")
        else:
            self._take_nal(buffer, start, end)

    def _take_nal(self, buffer: Buffer, start: int, end: int) -> None:
        if end - start < HEADER_BYTES:
            self._fault("a NAL unit of one byte, which is less than its header")
        elif not is_nal_header(buffer[start], buffer[start + 1]):
            header = bytes(buffer[start : start + HEADER_BYTES])
            self._fault(f"a NAL unit that starts with 0x{header.hex()}, which is no header of H.265")
        elif (at := len(self._nals)) + end - start > self._max_unit_bytes:
            self._refuse_unit()
        else:
            self._resyncing = False
            self._nals += LENGTH.pack(end - start)
            self._nals += buffer[start:end]
            self._note_nal(at)

    def _start_fragments(self, buffer: Buffer, start: int) -> None:
        """FU (RFC 7798 4.4.3): the type is in the third byte, the rest of the header in the first two."""
        kind = buffer[start + 2] & _TYPE_MASK
        header = bytes((buffer[start] & _LAYER_BIT | kind << 1, buffer[start + 1]))
        if kind < TYPES and is_nal_header(*header):
            self._resyncing = False
            self._fragmented_at = len(self._nals)
            self._middle = buffer[start] << 8 | kind
            self._nals += NO_LENGTH
            self._nals += header
        else:
            self._refuse_fragments(kind, "H.265")

    def _note_nal(self, at: int) -> None:
        kind = self._nals[at + LENGTH_BYTES] >> 1
        if kind < FIRST_NON_VCL:
            sync = BLA_W_LP <= kind <= RSV_IRAP_VCL23
            if sync:
                self._sync = True
            self._lead.leads = sync and kind not in WITHOUT_LEADING
            self._lead.leading = RADL_N <= kind <= RASL_R
            self._has_picture = True
            if self._joining:  # first_slice_segment_in_pic_flag (7.3.6.1)
                self._join(at + LENGTH_BYTES + HEADER_BYTES)
        elif VPS <= kind <= PPS:
            self._note_parameters(at)
        elif kind in FOLLOWING:
            self._note_following()
