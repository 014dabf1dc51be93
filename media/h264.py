"""H.264 over RTP (RFC 6184): payloads into access units, and access units into payloads.

The receiving half is the hot path of the product. `H264Depacketizer.push` takes the case that nine packets of
ten are (the middle of a fragmented NAL unit) in its first lines; everything else goes through `_push_edge`.

How units are cut
  1. A unit ends with a packet that has the marker bit, or when the timestamp changes.
  2. It never ends without a picture (a VCL NAL unit): cameras set the marker on parameter sets, or give them
     another timestamp than their picture. Such NAL units belong to the picture that follows (quirks V1 V2 V3).
  3. Its timestamp is that of its picture.

What loss does
  4. A NAL unit with a packet missing is dropped, the others stay. The unit carries the number of lost packets.
  5. A unit that lost its whole picture is dropped; its count moves on to the next unit.
  6. A malformed packet counts as lost. `push` takes everything usable from it, then raises `CodecError`;
     the next call goes on as if nothing had happened.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from media import nal as nal_units
from media.access_unit import AccessUnit
from media.errors import CodecError
from media.h264_parameters import ParameterSets
from media.nal import split_annex_b, split_length_prefixed

__all__ = ["H264Depacketizer", "packetize", "split_annex_b", "split_length_prefixed"]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Buffer = bytes | bytearray | memoryview

STAP_A = 24
FU_A = 28
FU_START = 0x80
FU_END = 0x40
# RFC 6184 table 1. Interleaved mode (packetization-mode=2) needs them; no camera is known to use it.
_REFUSED = {25: "STAP-B", 26: "MTAP16", 27: "MTAP24", 29: "FU-B"}

_LENGTH = struct.Struct(">I")
_NO_LENGTH = bytes(4)


class H264Depacketizer:
    """Puts the access units of one stream together and hands each to `emit`. See the module for the rules.

    `parameters` are those of the session description, where it had some. Units are emitted from the first
    picture on, before any sync sample too: what can be recorded is the segmenter's decision.
    """

    __slots__ = (
        "_changed",
        "_emit",
        "_fragmented_at",
        "_has_picture",
        "_lost",
        "_max_unit_bytes",
        "_middle",
        "_nals",
        "_parameters",
        "_problem",
        "_resyncing",
        "_skipping",
        "_sync",
        "_timestamp",
        "_torn",
        "unusable_sets",
    )

    def __init__(
        self,
        emit: Callable[[AccessUnit], None],
        parameters: ParameterSets | None = None,
        *,
        max_unit_bytes: int = 8 << 20,
    ) -> None:
        self._emit = emit
        self._max_unit_bytes = max_unit_bytes
        self._parameters = parameters or ParameterSets()
        self._changed = True  # the current sets were not yet announced
        self.unusable_sets = 0
        """In-band parameter sets that could not be read. They stay in their units."""

        self._nals = bytearray()
        self._timestamp = -1
        self._has_picture = False
        self._sync = False
        self._lost = 0
        self._torn = False  # a NAL unit of this unit was dropped

        self._fragmented_at = -1  # where the length of the NAL unit in fragments belongs; -1 outside of one
        self._middle = -1  # the two bytes that start each of its middle fragments
        self._resyncing = True  # fragments without a start are expected: at the beginning, and after a loss
        self._skipping = False  # the unit was too large: nothing more of it is kept
        self._problem = ""

    def push(  # noqa: PLR0917 - hot path: positional arguments are the cheap ones
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        """Take one RTP payload, `buffer[start:end]`, in place; emits none, one or two units.

        `lost` is the number of packets missing before this one. `CodecError` when the packet is malformed: it
        is counted in its unit's `lost_packets` by then, and the stream goes on with the next packet.
        """
        if (
            timestamp == self._timestamp
            and end - start > 2
            and (buffer[start] << 8 | buffer[start + 1]) == self._middle
            and not lost
            and not marker
            and len(self._nals) < self._max_unit_bytes
        ):
            self._nals += buffer[start + 2 : end]
            return
        self._push_edge(buffer, start, end, timestamp, marker, lost)

    def _push_edge(  # noqa: PLR0917 - as `push`
        self, buffer: Buffer, start: int, end: int, timestamp: int, marker: bool, lost: int
    ) -> None:
        if timestamp != self._timestamp:
            self._turn(timestamp, lost)
        elif lost:
            self._drop_fragments()
            self._lost += lost
            self._torn = self._resyncing = True
        if not self._skipping:
            self._take(buffer, start, end)
        if marker:
            self._end_by_marker()
        if self._problem:
            problem, self._problem = self._problem, ""
            raise CodecError(problem)

    def _turn(self, timestamp: int, lost: int) -> None:
        """Another instant begins."""
        if self._drop_fragments() and not lost:
            self._fault("a fragmented NAL unit did not end before the timestamp changed")
        if lost:
            self._resyncing = True
        if self._has_picture:
            if lost:
                # This unit lacks at least the packet with its marker; the others may be the next one's.
                self._lost += 1
                lost -= 1
            self._finish_unit()
        elif lost or self._torn or self._skipping:
            self._discard_unit()
        self._lost += lost
        self._timestamp = timestamp

    def _end_by_marker(self) -> None:
        if self._drop_fragments():
            self._fault("a marker inside a fragmented NAL unit")
        if self._has_picture:
            self._finish_unit()
        elif self._torn or self._skipping:
            self._discard_unit()

    def _take(self, buffer: Buffer, start: int, end: int) -> None:
        """Take the NAL units of one payload, by its first byte (RFC 6184 5.2)."""
        if start >= end:
            return  # an empty payload only carries its sequence number (and perhaps the marker)
        kind = buffer[start] & (nal_units.FORBIDDEN_BIT | nal_units.TYPE_MASK)
        if kind == FU_A:
            self._take_fragment(buffer, start, end)
            return
        if self._drop_fragments():
            self._fault("a fragmented NAL unit did not end before the next one")
        if 1 <= kind < STAP_A:
            self._take_nal(buffer, start, end)
        elif kind == STAP_A:
            self._take_aggregate(buffer, start + 1, end)
        elif kind == 0:
            self._take_byte_stream(buffer, start, end)
        elif kind & nal_units.FORBIDDEN_BIT:
            self._fault("a NAL unit with the forbidden bit set")
        else:
            self._fault(f"packetization {_REFUSED.get(kind, kind)} is not supported (RFC 6184 type {kind})")

    def _take_nal(self, buffer: Buffer, start: int, end: int) -> None:
        self._resyncing = False
        at = len(self._nals)
        if self._fits(end - start + 4):
            self._nals += _LENGTH.pack(end - start)
            self._nals += buffer[start:end]
            self._note_nal(at)

    def _take_aggregate(self, buffer: Buffer, position: int, end: int) -> None:
        """STAP-A: NAL units, each behind its 16-bit length (RFC 6184 5.7.1)."""
        while position < end:
            start = position + 2
            position = start + int.from_bytes(buffer[position:start], "big")
            if position > end or position == start:
                self._fault("a STAP-A packet whose NAL unit lengths do not fit it")
                return
            if buffer[start] & nal_units.FORBIDDEN_BIT:
                self._fault("a NAL unit with the forbidden bit set")
                return
            self._take_nal(buffer, start, position)

    def _take_byte_stream(self, buffer: Buffer, start: int, end: int) -> None:
        """A payload of type 0 is an error, unless it is a start code: V380 cameras send Annex B (quirk V4)."""
        payload = bytes(buffer[start:end])
        if not payload.startswith((nal_units.START_CODE, b"\x00" + nal_units.START_CODE)):
            self._fault("a NAL unit of the reserved type 0")
            return
        for nal in split_annex_b(payload):
            self._take_nal(nal, 0, len(nal))

    def _take_fragment(self, buffer: Buffer, start: int, end: int) -> None:
        """FU-A (RFC 6184 5.8). The reserved bit is ignored (quirk V9), an empty fragment accepted (V12)."""
        if end - start < 2:
            self._fault("a FU-A packet without its header")
            return
        header = buffer[start + 1]
        if header & FU_START:
            self._start_fragments(buffer[start], header & nal_units.TYPE_MASK)
        elif self._fragmented_at < 0:
            # The rest of something whose start was lost, or went by before we joined (V14).
            self._torn = True
            if not self._resyncing:
                self._resyncing = True
                self._fault("a FU-A fragment without a start")
            return
        # A type that changes between fragments is that of the first (quirk V10).
        if self._fits(end - start - 2):
            self._nals += buffer[start + 2 : end]
            if header & FU_END:  # with the start bit too: a whole NAL unit in one fragment (V11)
                self._end_fragments()

    def _start_fragments(self, indicator: int, kind: int) -> None:
        if self._drop_fragments():
            self._fault("a fragmented NAL unit did not end before the next one")
        self._resyncing = False
        self._fragmented_at = len(self._nals)
        self._middle = indicator << 8 | kind
        self._nals += _NO_LENGTH
        self._nals.append(indicator & nal_units.NRI_MASK | kind)

    def _end_fragments(self) -> None:
        at = self._fragmented_at
        _LENGTH.pack_into(self._nals, at, len(self._nals) - at - 4)
        self._fragmented_at = self._middle = -1
        self._note_nal(at)

    def _drop_fragments(self) -> bool:
        """Forget the NAL unit whose fragments are not complete; False if there is none."""
        if self._fragmented_at < 0:
            return False
        del self._nals[self._fragmented_at :]
        self._fragmented_at = self._middle = -1
        self._torn = True
        return True

    def _note_nal(self, at: int) -> None:
        """Learn from the NAL unit that was just completed at the end of the unit."""
        kind = self._nals[at + 4] & nal_units.TYPE_MASK
        if nal_units.SLICE <= kind <= nal_units.IDR_SLICE:
            self._has_picture = True
            self._sync = self._sync or kind == nal_units.IDR_SLICE
        elif kind in (nal_units.SPS, nal_units.PPS):
            self._note_parameters(bytes(self._nals[at + 4 :]), at)

    def _note_parameters(self, nal: bytes, at: int) -> None:
        if nal_units.START_CODE in nal:
            # V380 cameras send SPS, PPS and IDR as one NAL unit with start codes inside (quirk V4).
            del self._nals[at:]
            for part in split_annex_b(nal_units.START_CODE + nal):
                self._take_nal(part, 0, len(part))
            return
        try:
            updated = self._parameters.updated(nal)
        except CodecError:
            self.unusable_sets += 1
            return
        if updated is not self._parameters:
            self._parameters = updated
            self._changed = True

    def _fits(self, size_bytes: int) -> bool:
        if len(self._nals) + size_bytes <= self._max_unit_bytes:
            return True
        self._discard_unit()
        self._skipping = self._torn = True
        self._fault(f"an access unit of more than {self._max_unit_bytes} bytes")
        return False

    def _fault(self, problem: str) -> None:
        """Note what is wrong with a packet: it is damage to this unit, and raised when the packet is done."""
        self._problem = problem
        self._lost += 1
        self._torn = True

    def _finish_unit(self) -> None:
        announce = self._changed and self._parameters.complete
        unit = AccessUnit(
            nals=self._nals,
            rtp_timestamp=self._timestamp,
            sync=self._sync,
            lost_packets=self._lost or int(self._torn),
            parameters=self._parameters if announce else None,
        )
        if announce:
            self._changed = False
        self._lost = 0
        self._discard_unit()
        self._emit(unit)

    def _discard_unit(self) -> None:
        """Begin with an empty unit. The count of lost packets stays: it belongs to whichever unit comes next."""
        self._nals = bytearray()
        self._has_picture = self._sync = self._torn = self._skipping = False
        self._fragmented_at = self._middle = -1


def packetize(nals: Sequence[bytes], max_payload_bytes: int = 1400) -> list[bytes]:
    """The RTP payloads of one access unit: leading small NAL units in a STAP-A, the others whole or in FU-A."""
    payloads: list[bytes] = []
    leading = _leading(nals, max_payload_bytes)
    if leading > 1:
        payloads.append(_aggregate(nals[:leading]))
    else:
        leading = 0
    for nal in nals[leading:]:
        if len(nal) <= max_payload_bytes:
            payloads.append(nal)
        else:
            payloads.extend(_fragments(nal, max_payload_bytes))
    return payloads


def _leading(nals: Sequence[bytes], max_payload_bytes: int) -> int:
    """How many NAL units before the picture (access unit delimiter, parameter sets, SEI) fit one packet together."""
    size = 1
    for count, nal in enumerate(nals):
        size += 2 + len(nal)
        if size > max_payload_bytes or nal_units.nal_type(nal) <= nal_units.IDR_SLICE:
            return count
    return len(nals)


def _aggregate(nals: Sequence[bytes]) -> bytes:
    importance = max(nal[0] & nal_units.NRI_MASK for nal in nals)
    return bytes((importance | STAP_A,)) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def _fragments(nal: bytes, max_payload_bytes: int) -> list[bytes]:
    indicator = nal[0] & nal_units.NRI_MASK | FU_A
    kind = nal[0] & nal_units.TYPE_MASK
    step = max_payload_bytes - 2
    fragments = []
    for start in range(1, len(nal), step):
        first = FU_START if start == 1 else 0
        last = FU_END if start + step >= len(nal) else 0
        fragments.append(bytes((indicator, first | last | kind)) + nal[start : start + step])
    return fragments
